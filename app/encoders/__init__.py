"""The versions of a site's encoder, and what they make of its tracklets.

`versions.py`: which there are, which serves, how another comes to serve. `embed.py`: crops to embeddings. `seen.py`:
the tracklets as merging takes them. `export.py`: a version as one ONNX file. `brought.py`: one that was trained
elsewhere. `trial.py`: how such a one wants its pictures. `judged.py`: the gate on a site's tracklets.
"""
