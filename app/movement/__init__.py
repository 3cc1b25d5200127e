"""How people move through a site: who stays where and how long, from where to where, and how many they are.

`stays.py`: identities' stays in cameras. `flow.py`: what a time holds of them, counted. `people.py`: how many people
they are, as merging joins too little and too much.
"""
