"""A site learns its own appearance without a label.

`plan.py`: what is trained, on what, for how long. `adapt.py`: training, gate, export, switch.
"""
