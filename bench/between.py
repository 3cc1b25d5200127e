"""A version that went another part of the way: `python -m bench.between START VERSION SHARE OUT.safetensors`.

START and VERSION are safetensors, VERSION one that adapting made from START. SHARE is of the way that it went, and may
be over 1: adapting notes how far that was (`share` in `python -m app.models --json`), so 1 / `share` is the trained
model.
`python -m bench.gate --models` measures what comes out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reid.encoder import EncoderError, between, load_encoder, save_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", type=Path)
    parser.add_argument("version", type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        one, other = load_encoder(arguments.start), load_encoder(arguments.version)
        save_encoder(between(one, other, arguments.share), arguments.out)
    except EncoderError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
