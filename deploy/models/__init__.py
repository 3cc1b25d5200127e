"""The models that the project ships, their cards, and the commands that make them."""
