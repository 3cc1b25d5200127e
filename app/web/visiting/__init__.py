"""What pages and the API let a visitor do alike: each looks first whether they may.

`cases.py`, `jobs.py`, `models.py`, `searches.py`, `uploads.py`: by what it is done to.
"""
