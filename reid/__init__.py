"""Learning and matching: from tracklets to an encoder, trajectories and identities."""

from __future__ import annotations

import os

# Threads of torch wait for each other hundreds of times a step. By itself GNU's OpenMP spins for milliseconds each
# time, also where another process has the core of the one that is awaited. With this they soon sleep
# (`bench.beside_ingest`). It is read while torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
