"""A synthetic place with people in it, filmed by several cameras, with exact ground truth.

`body` and `people` make a person, `gait` moves one. `places` says what a place is, `things` builds what stands there.
`scenes` holds the two sites that are filmed, `random_places` draws others to train in. `routes` sends people through
them. `cameras` and `renderer` film them, `truth` writes who was where, `film` is the command. `shots` takes single
frames and crops of random places for training, `crop_stream` does so in the background.

World coordinates are metres with y up. A heading of 0 looks along +z and grows towards +x. Everything is float64 and
deterministic by seed.
"""
