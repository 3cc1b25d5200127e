"""The versions of a site's encoder, and what they make of its tracklets.

`versions.py`: which there are, which serves, how another comes to serve. `embed.py`: crops to embeddings.
"""
