"""Models outside training: detector backends."""
