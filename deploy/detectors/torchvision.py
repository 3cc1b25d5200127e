"""Torchvision's COCO detectors by name (`fasterrcnn_resnet50_fpn_v2`, `ssdlite320_mobilenet_v3_large`, …)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from deploy.detectors import DetectorError, Frame, first_line
from deploy.detectors import person_class as find_person
from trackers.detections import Detections


def detector_names() -> list[str]:
    """The detectors that the installed torchvision has, none where it is not installed."""
    if importlib.util.find_spec("torchvision") is None:
        return []
    import torchvision

    return torchvision.models.list_models(module=torchvision.models.detection)


class TorchvisionDetector:
    """A torchvision detector with its COCO weights from the torch hub cache, downloaded into it only if `download`.

    Batches go through the model whole. It resizes and suppresses as its authors set it.
    """

    def __init__(
        self,
        name: str,
        *,
        download: bool = False,
        score: float = 0.1,
        threads: int | None = None,
        device: str | None = None,
        person_class: str | None = None,
    ) -> None:
        """Loads the weights. `person_class`: a category's number or name. Raises DetectorError."""
        try:
            import torch
            import torchvision
        except ImportError as error:
            raise DetectorError(f"The detector {name} needs torchvision; run: pip install torchvision") from error
        if name not in detector_names():
            raise DetectorError(f"Torchvision has no detector {name}; it has {', '.join(detector_names())}.")

        weights = torchvision.models.get_model_weights(name).DEFAULT
        file = Path(torch.hub.get_dir(), "checkpoints", Path(urllib.parse.urlparse(weights.url).path).name)
        if not file.is_file() and not download:
            raise DetectorError(
                f"The weights of {name} are not on this machine ({file}); add --download to fetch {weights.url}."
            )
        if not file.is_file():
            try:
                torch.hub.load_state_dict_from_url(weights.url, check_hash=True, progress=False, weights_only=True)
            except (OSError, RuntimeError) as error:
                raise DetectorError(
                    f"The weights of {name} could not be downloaded from {weights.url} ({error})."
                ) from error
        self.sha256: str | None = checked_sha256(file)
        try:
            with weights_only():
                model = torchvision.models.get_model(name, weights=weights)
        except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
            raise DetectorError(f"{file} does not hold the weights of {name}: {first_line(error)}") from error
        # Two-stage detectors keep their score floor in the second stage.
        getattr(model, "roi_heads", model).score_thresh = score
        if threads:
            torch.set_num_threads(threads)
        try:
            self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            self._model = model.eval().to(self._device)
        except (RuntimeError, AssertionError) as error:
            raise DetectorError(
                f"torch can't use the device {device} on this machine ({error}); give --device cpu."
            ) from error
        self._person = find_person(dict(enumerate(weights.meta["categories"])), name, person_class)
        self._score = score
        self.name = name
        self.calls = 1
        self.batch = 8 if self._device.type == "cuda" else 2

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `Detector.detect`."""
        import torch

        if not frames:
            return []
        pictures = [
            torch.from_numpy(np.ascontiguousarray(frame.image.transpose(2, 0, 1))).to(self._device).float().div_(255)
            for frame in frames
        ]
        with torch.inference_mode():
            answers = self._model(pictures)
        detections = []
        for answer in answers:
            keep = (answer["labels"] == self._person) & (answer["scores"] >= self._score)
            boxes, scores = answer["boxes"][keep].float().cpu().numpy(), answer["scores"][keep].float().cpu().numpy()
            detections.append(Detections(boxes, scores).take(np.argsort(-scores, kind="stable")))
        return detections


def checked_sha256(file: Path) -> str:
    """The file's SHA-256, if its first digits are those that torchvision put in the file's name.

    Torchvision itself looks only while downloading.

    Raises:
        DetectorError: They are not.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(file.stem.rpartition("-")[2]):
        raise DetectorError(
            f"{file} is not what torchvision published (SHA-256 {digest[:8]}…); delete it, then use --download."
        )
    return digest


@contextmanager
def weights_only() -> Iterator[None]:
    """Inside, torch reads tensors only. Torchvision's builders load their weights as unrestricted pickles."""
    before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before
