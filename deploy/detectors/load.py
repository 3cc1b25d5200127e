"""A detector by name."""

from __future__ import annotations

import importlib.util
import logging
import os
from pathlib import Path

from deploy.detectors import Detector, DetectorError
from deploy.models import shipped
from deploy.probe import ProbeError, probe

log = logging.getLogger("sightline")

SHIPPED = shipped("person.onnx")
LONGEST_NAME = 255  # bytes, of a file on most file systems
HOW_TO_NAME_ONE = "give one with --detector PATH.onnx, or --detector yolo11n.pt --download"


def load_detector(
    name: str,
    *,
    download: bool = False,
    score: float = 0.1,
    threads: int | None = None,
    device: str | None = None,
    site_default: str | None = None,
    person_class: str | None = None,
) -> Detector:
    """The detector that `name` names. Only the backend it needs is imported.

    Args:
        name: `shipped`, the path of a `.onnx` or `.pt` file, `mot:PATH`, an ultralytics name such as `yolo11n`, or a
            torchvision name. `auto` is the site's own, else ultralytics weights on this machine, else `shipped`.
        download: Allows fetching published weights. Nothing else does.
        score: The lowest score kept. It is low, since the tracker uses weak boxes.
        threads: CPU threads, all where None.
        device: `cpu`, `cuda` or `cuda:1`, the best one where None.
        site_default: What the site names, which `auto` prefers.
        person_class: Which of the detector's classes is a person, by number or name. None where its file tells.

    Raises:
        DetectorError: The detector can't be had.
    """
    if name == "auto":
        name = name_for_auto(site_default)
    detector = open_detector(
        name, download=download, score=score, threads=threads, device=device, person_class=person_class
    )
    if name == "shipped":
        log.info(
            "the shipped detector serves; a larger one is more accurate on real footage: name one with "
            "--detector yolo11m.pt --download"
        )
    if detector.sha256 is not None:
        log.info("detector %s, SHA-256 %s", detector.name, detector.sha256)
    return detector


def name_for_auto(site_default: str | None) -> str:
    """What `auto` stands for here. Logs which and why."""
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


def open_detector(
    name: str,
    *,
    download: bool,
    score: float,
    threads: int | None,
    device: str | None,
    person_class: str | None,
) -> Detector:
    """The backend that understands `name`.

    Raises:
        DetectorError: None does, or the backend can't have that detector.
    """
    if "\0" in name or any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(name).parts):
        raise DetectorError(f"{name[:80]!a}… names no detector, as no file can be called so; {HOW_TO_NAME_ONE}.")
    if name.startswith("mot:"):
        from deploy.detectors.mot import MotDetector

        if person_class is not None:
            raise DetectorError(f"{name} holds people only; leave out --person-class.")
        return MotDetector(Path(name.removeprefix("mot:")), score=score)
    if name == "shipped" or name.endswith(".onnx"):
        if name == "shipped" and not SHIPPED.is_file():
            raise DetectorError(f"There is no shipped detector ({SHIPPED} is missing); {HOW_TO_NAME_ONE}.")
        from deploy.detectors.onnx import OnnxDetector

        if name != "shipped":
            _tried(name, device, person_class)
        detector = OnnxDetector(
            SHIPPED if name == "shipped" else Path(name),
            score=score,
            threads=threads,
            device=device,
            person_class=person_class,
        )
        detector.name = name
        return detector

    from deploy.detectors.ultralytics import OFFICIAL, UltralyticsDetector

    if name.endswith(".pt") or OFFICIAL.fullmatch(name):
        if not OFFICIAL.fullmatch(name):
            _tried(name, device, person_class)
        return UltralyticsDetector(
            name, download=download, score=score, threads=threads, device=device, person_class=person_class
        )

    from deploy.detectors.torchvision import TorchvisionDetector, detector_names

    if name in detector_names():
        return TorchvisionDetector(
            name, download=download, score=score, threads=threads, device=device, person_class=person_class
        )
    raise DetectorError(
        f"'{name}' names no detector; {HOW_TO_NAME_ONE}; known too are auto, shipped, mot:PATH and "
        "torchvision's names, such as fasterrcnn_resnet50_fpn_v2."
    )


def try_detector(name: str, device: str, person_class: str) -> None:
    """Loads a foreign file and runs it, wherever that may lead. Empty texts leave the choice to it."""
    if name.endswith(".onnx"):
        from deploy.detectors.onnx import OnnxDetector

        OnnxDetector(Path(name), threads=1, device=device or None, person_class=person_class or None)
    else:
        from deploy.detectors.ultralytics import UltralyticsDetector

        UltralyticsDetector(name, threads=1, device=device or None, person_class=person_class or None)


def _tried(name: str, device: str | None, person_class: str | None) -> None:
    """Raises DetectorError where a foreign file does not come through `try_detector` in a process of its own."""
    if Path(name).is_file():  # a missing one is told by its backend
        try:
            probe(Path(name), "deploy.detectors.load:try_detector", device or "", person_class or "")
        except ProbeError as error:
            raise DetectorError(str(error)) from error
