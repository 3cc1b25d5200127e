"""Where else was this person?

`still.py`: people in a picture. `gallery.py`: what the site knows of each tracklet. `index.py`: the nearest of them.
`searcher.py`: a site made ready to be asked. `query.py`: one still and its answer. `matches.py`: the answer by
identity, trajectory and stop. `merging.py`: tracklets to trajectories and identities, by which answers are grouped.
"""
