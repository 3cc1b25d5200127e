"""A detector by name."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from deploy.detectors import Detector, DetectorError
from deploy.models import shipped

log = logging.getLogger("sightline")

SHIPPED = shipped("person.onnx")
HOW = "give one with --detector PATH.onnx, or --detector yolo11n.pt --download"


def load_detector(
    name: str,
    *,
    download: bool = False,
    score: float = 0.1,
    threads: int | None = None,
    device: str | None = None,
    site_default: str | None = None,
) -> Detector:
    """The detector that `name` names; only the backend it needs is imported.

    `name`: `auto` (the site's own, then ultralytics weights on this machine, then the shipped model), `shipped`, the
    path of a `.onnx` or `.pt` file, `mot:PATH`, an ultralytics name (`yolo11n`) or a torchvision name. `score` is the
    lowest score kept: the tracker uses weak boxes, so it is low. `download` allows fetching published weights, nothing
    else does. `threads` is CPU threads, all where None; `device` is `cpu`, `cuda` or `cuda:1`, the best one where None.

    Raises DetectorError.
    """
    if name == "auto":
        name = choose(site_default)
    detector = open_detector(name, download=download, score=score, threads=threads, device=device)
    if name == "shipped":
        log.info(
            "the shipped detector serves; a larger one is more accurate on real footage: name one with "
            "--detector yolo11m.pt --download"
        )
    if detector.sha256 is not None:
        log.info("detector %s, SHA-256 %s", detector.name, detector.sha256)
    return detector


def choose(site_default: str | None) -> str:
    """What `auto` stands for here, as a name; logs which and why."""
    if site_default and site_default != "auto":
        log.info("detector %s: the site names it", site_default)
        return site_default
    if importlib.util.find_spec("ultralytics") is not None:
        from deploy.detectors.ultralytics import local_weights

        if weights := local_weights():
            log.info("detector %s: the largest ultralytics weights on this machine (of %d)", weights[0], len(weights))
            return str(weights[0])
    log.info("detector shipped: the site names none and no ultralytics weights are on this machine")
    return "shipped"


def open_detector(name: str, *, download: bool, score: float, threads: int | None, device: str | None) -> Detector:
    """The backend that understands `name`."""
    if name.startswith("mot:"):
        from deploy.detectors.mot import MotDetector

        return MotDetector(Path(name.removeprefix("mot:")), score=score)
    if name == "shipped" or name.endswith(".onnx"):
        if name == "shipped" and not SHIPPED.is_file():
            raise DetectorError(f"There is no shipped detector ({SHIPPED} is missing); {HOW}.")
        from deploy.detectors.onnx import OnnxDetector

        detector = OnnxDetector(
            SHIPPED if name == "shipped" else Path(name), score=score, threads=threads, device=device
        )
        detector.name = name
        return detector

    from deploy.detectors.ultralytics import OFFICIAL, UltralyticsDetector

    if name.endswith(".pt") or OFFICIAL.fullmatch(name):
        return UltralyticsDetector(name, download=download, score=score, threads=threads, device=device)

    from deploy.detectors.torchvision import TorchvisionDetector, names

    if name in names():
        return TorchvisionDetector(name, download=download, score=score, threads=threads, device=device)
    raise DetectorError(
        f"'{name}' names no detector; {HOW}; known too are auto, shipped, mot:PATH and torchvision's names, such as "
        "fasterrcnn_resnet50_fpn_v2."
    )
