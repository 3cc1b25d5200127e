"""Learning and matching: from tracklets to an encoder, trajectories and identities. Nothing here yet."""
