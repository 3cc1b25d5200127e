"""A site in a browser and over HTTP. Each route calls the function that a command calls.

`application.py`: all of it put together, with how errors are told. `pages/`: what a person looks at. `api/`: the same
for programs. `visiting/`: what both do alike. `jobs/`: work that is asked for. `alerts/`: what is told elsewhere.

Who may: `access.py` (who asks), `attempts.py` (passwords), `routes.py` (which role), `visit.py` (which cameras),
`limits.py` (before anything is read).

What is shown: `stills.py` (pictures that somebody asks with), `moments.py` and `frames.py` (footage of a tracklet),
`previews.py`, `last_pictures.py`, `filters.py`, `streams.py` (server-sent events), `piped.py` (large answers),
`exports.py` (cases as zips), `metrics.py`.
"""
