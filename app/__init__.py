"""What a person runs, the site on disk, and footage."""
