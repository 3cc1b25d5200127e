"""A site in a browser and over HTTP. Each route calls the function that a command calls.

`application.py`: all of it put together, with the headers that every answer has. `access.py`: who may do what.
`routes.py`: the kind of route that names its role. `pages.py`: what a person looks at. `api.py`: the same for programs.
`stills.py`: pictures that somebody asks with. `moments.py`: footage of a tracklet.
"""
