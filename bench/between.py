"""A version that went another part of the way from its start.

SHARE is of the way that VERSION went from START, and may be over 1. Adapting notes how far that was: `share` in
`python -m app.models --json`. So 1 / `share` gives the trained model. `python -m bench.gate --models` measures it.

    python -m bench.between START VERSION SHARE OUT.safetensors
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.terminal import run
from reid.encoder import EncoderError, between, load_encoder, save_encoder


def command(
    start: Annotated[Path, typer.Argument(help="The safetensors file that adapting began with.")],
    version: Annotated[Path, typer.Argument(help="The safetensors file that it made of that.")],
    share: Annotated[float, typer.Argument(help="Of the way from the one to the other; may be over 1.")],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> None:
    """Write a version that went another part of the way."""
    save_encoder(between(load_encoder(start), load_encoder(version), share), out)


if __name__ == "__main__":
    run(command, EncoderError)
