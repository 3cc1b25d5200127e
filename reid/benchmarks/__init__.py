"""The field's benchmarks in the layouts in which they are published, by name: `market1501:DIR`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from reid.benchmarks import folders, images, videos
from reid.benchmarks.parts import PROTOCOLS, RAW, SPARSE, Benchmark, BenchmarkError
from reid.benchmarks.sampling import sparse

Reader = Callable[[str, Path, str], Benchmark]  # name, folder, protocol
SplitReader = Callable[[str, Path, str, int], Benchmark]  # and which split

READERS: dict[str, Reader] = {
    "market1501": images.market1501,
    "market1501-val": images.market1501_val,
    "msmt17": images.msmt17,
    "cuhk03-detected": partial(images.cuhk03, boxes="detected"),
    "cuhk03-labeled": partial(images.cuhk03, boxes="labeled"),
    "dukemtmc-reid": images.dukemtmc_reid,
    "mars": videos.mars,
    "dukemtmc-videoreid": videos.dukemtmc_videoreid,
    "folder-of-people": folders.folder_of_people,
    "folder-of-tracklets": folders.folder_of_tracklets,
}


def _single_shot(boxes: str) -> SplitReader:
    return lambda name, folder, protocol, split: images.cuhk03_single_shot(name, folder, protocol, boxes, split)


SPLIT_READERS: dict[str, SplitReader] = {
    "cuhk03-detected-single-shot": _single_shot("detected"),
    "cuhk03-labeled-single-shot": _single_shot("labeled"),
    "prid2011": videos.prid2011,
    "ilids-vid": videos.ilids_vid,
}


def open_benchmark(name: str, protocol: str = RAW) -> Benchmark:
    """Reads what a benchmark holds.

    Its pictures are read only when a dataset is built of it.

    Args:
        name: `set:DIR`. For sets with several random splits it may be `set@3:DIR`, with split 0 where nothing is said.
        protocol: `oracle-tracklets` are of people in cameras, by their identities. `raw-tracklets` are fragments as the
            data has them. `sparse-tracklets` are those of the fragments that SSTT samples.

    Raises:
        BenchmarkError: The name is unknown, the folder missing, or its layout not the published one.
    """
    sets = ", ".join(sorted({*READERS, *SPLIT_READERS}))
    parts = re.fullmatch(r"([a-z0-9-]+)(?:@(\d+))?:(.+)", name, re.DOTALL)
    if parts is None:
        raise BenchmarkError(f"{name!r} is not of the form SET:FOLDER, where SET is one of {sets}")
    set_name, split, folder = parts[1], parts[2], Path(parts[3]).expanduser().absolute()
    if protocol not in PROTOCOLS:
        raise BenchmarkError(f"there is no protocol {protocol!r}: it is one of {', '.join(PROTOCOLS)}")
    if protocol == SPARSE:
        return sparse(open_benchmark(name, RAW))
    try:
        if set_name in SPLIT_READERS:
            return SPLIT_READERS[set_name](name, folder, protocol, int(split or 0))
        if set_name not in READERS:
            raise BenchmarkError(f"there is no benchmark {set_name!r}: it is one of {sets}")
        if split is not None:
            raise BenchmarkError(f"{set_name} has one split only: write {set_name}:{parts[3]}")
        return READERS[set_name](name, folder, protocol)
    except OSError as error:
        raise BenchmarkError(f"{error.filename or folder} can't be read ({error.strerror or error})") from error
