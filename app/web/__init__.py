"""A site in a browser and over HTTP. Each route calls the function that a command calls.

`application.py`: all of it put together, with the headers that every answer has. `access.py`: who may do what.
`routes.py`: the kind of route that names its role. `pages.py`: what a person looks at. `api.py`: the same for programs.
`jobs/`: work that is asked for. `streams.py`: server-sent events. `collecting.py`, `uploading.py`, `modelling.py`,
`working.py`: what pages and API do alike. `piped.py`: answers that are sent while they are written. `stills.py`:
pictures that somebody asks with. `moments.py`: footage of a tracklet.
"""
