"""Training: an encoder learns from tracklets by one of `reid.methods`. `loop.py` is one run from top to bottom.

What the loop calls, a file an idea:

    settings        all that decides what a run ends in, and changes of a preset, as a command line has them
    run_folder      whose run a folder holds, and what came of it
    first_encoder   the encoder that a run begins with
    statistics      batch normalisations that have seen nothing yet
    batches         which crops a step sees (`samplers`), and what the method may know of them
    optimiser       the optimiser, its rate at each step, the seeds of what is random
    precision       bf16 or fp16 in the encoder, and fp16's scaled losses
    averaging       the moving average of the weights
    bank            all data through the encoder, at the start of an epoch
    ranks           several processes that share each batch
    checkpoint      how far a run is, on disk
    journal         what a run tells: losses, curves, progress
    scoring         how good the encoder is, on labelled tracklets that nothing learns from
    hindsight       how true the associations are, where somebody knows

`benchmark` trains on a published set, `comparison` trains several methods under one budget.
"""

from reid.training.benchmark import train_benchmark
from reid.training.errors import Diverged, TrainingError
from reid.training.loop import train
from reid.training.run_folder import Result
from reid.training.scoring import TestSet
from reid.training.settings import Changes, Settings, pixels, preset

__all__ = [
    "Changes",
    "Diverged",
    "Result",
    "Settings",
    "TestSet",
    "TrainingError",
    "pixels",
    "preset",
    "train",
    "train_benchmark",
]
