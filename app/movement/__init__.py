"""How people move through a site: who stays where and how long, from where to where, and how many they are.

`stays.py`: identities' stays in cameras. `paths.py`: where their feet were. `zones.py` and `lines.py`: who was in a
zone, and who crossed a line. `areas.py`: the same of all that is drawn. `flow.py`: what a time holds of them, counted.
`people.py`: how many people they are, as merging joins too little and too much. `heat.py`: where feet are, and where
they stay.
"""
