"""Footage to tracklets.

`ingest.py`: one run over all cameras. `executor.py`: where it is done. `camera_jobs.py`: what is done of a camera.
`cluster_ingest.py`: the same on a Ray cluster. `pipeline.py`: decoding and detection overlap. `tracking.py`: detections
of one footage to chunks for the record. It uses `looks.py` (what people look like) and `crops.py` (which pictures are
kept).
"""
