"""The sample films and the synthetic world that shoots them. Nothing here yet."""
