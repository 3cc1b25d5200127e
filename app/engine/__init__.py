"""Footage to tracklets.

`ingest.py`: one run over all cameras. `pipeline.py`: decoding and detection overlap. `tracking.py`: detections of one
footage to chunks for the record. It uses `looks.py` (what people look like) and `crops.py` (which pictures are kept).
"""
