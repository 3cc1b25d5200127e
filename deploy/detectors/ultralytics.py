"""Ultralytics' own detectors: `yolo11n.pt` and its kin, or a `.pt` file trained with the library."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.detectors import DetectorError, Frame, first_line
from deploy.detectors import person_class as find_person
from reid.traceless import temporary_folder
from trackers.detections import Detections

# Published detection weights, with or without .pt. Those with -seg, -pose and so on are no better at boxes.
OFFICIAL = re.compile(r"(yolov?\d+[a-z]{1,2}|yolov3-(spp|tiny)u|yolov5[nsmlx]6u|rtdetr-[lx])(\.pt)?")

NMS_IOU = 0.65  # the library's 0.7 leaves doubles in crowds
MAX_PEOPLE = 1000  # a frame, as the library's 300 cuts a crowd short


def load_ultralytics() -> Any:
    """The `ultralytics` module, its ways to the network and to pip switched off.

    Its source (8.4.190) looks at these variables once, at import, so they are set before it.

    * YOLO_OFFLINE makes `utils.ONLINE` false without a DNS query. Whatever nobody asked for hangs on it. That is events
      posted to Google Analytics after a prediction, Sentry, the look for a newer release. Wanted downloads do not.
    * YOLO_AUTOINSTALL=false makes a missing package an error, not a `pip install`.
    * ULTRALYTICS_SAFE_LOAD reads a .pt file with `weights_only=True` and a list of known classes. Otherwise it is a
      pickle that may run any code and name packages to install.

    Its settings, and what matplotlib caches for it, go to temporary folders unless these variables name others.

    `settings["sync"]` is the user's own switch for the events and Sentry. It is turned off in memory only, because the
    settings file is the user's. Callbacks of Platform, ClearML, Comet, MLflow and W&B belong to its trainer, fonts to
    its plots. Neither is used here. For the whole process, the library also sets OpenCV to one thread and, unless set
    before, OMP_NUM_THREADS to 1.

    Raises:
        DetectorError: The library is not installed, or it is too old to be kept off the network.
    """
    temporary_folder("YOLO_CONFIG_DIR")
    temporary_folder("MPLCONFIGDIR")
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", ULTRALYTICS_SAFE_LOAD="true")
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    try:
        import ultralytics
        from ultralytics import utils
    except ImportError as error:
        raise DetectorError("This detector needs the ultralytics library; run: pip install ultralytics") from error
    if utils.ONLINE or utils.AUTOINSTALL or not getattr(utils, "SAFE_LOAD", False):
        raise DetectorError(
            f"ultralytics {ultralytics.__version__} can't be kept off the network and from unpickling; run: "
            "pip install -U ultralytics, and import it nowhere before this detector."
        )
    dict.__setitem__(utils.SETTINGS, "sync", False)  # its own __setitem__ would write the settings file
    utils.LOGGER.handlers.clear()  # they write to stdout, which carries results
    utils.LOGGER.propagate = True
    return ultralytics


def local_weights() -> list[Path]:
    """Published detection weights in the working folder and the library's weights folder, largest first."""
    if importlib.util.find_spec("ultralytics") is None:
        return []
    weights = {
        file.resolve(): file
        for folder in (Path(), weights_folder())
        for file in (folder.glob("*.pt") if folder.is_dir() else ())
        if OFFICIAL.fullmatch(file.name)
    }
    return sorted(weights.values(), key=lambda file: (-file.stat().st_size, file.name))


def weights_folder() -> Path:
    """Where the library keeps downloaded weights."""
    return Path(load_ultralytics().settings["weights_dir"])


class UltralyticsDetector:
    """A model of the ultralytics library. Batches go through it whole."""

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
        """Loads a model by its published name or the path of its `.pt` file.

        `person_class`: a class's number or name, None where its names tell. Raises DetectorError.
        """
        file = find_weights(name, download)
        with file.open("rb") as stream:
            self.sha256: str | None = hashlib.file_digest(stream, "sha256").hexdigest()
        self.name = file.name if OFFICIAL.fullmatch(name) else str(file)
        ultralytics = load_ultralytics()
        import torch

        try:
            self._model = ultralytics.YOLO(str(file))  # an RT-DETR file makes it an RTDETR
        except Exception as error:  # the library raises half a dozen kinds for a file it can't read
            raise DetectorError(f"ultralytics can't load {file}: {first_line(error)}") from error
        if self._model.task not in ("detect", "segment", "pose"):
            raise DetectorError(f"{file} is made to {self._model.task}, not to detect; name a detection model.")
        self._arguments: dict[str, Any] = {
            "conf": score,
            "iou": NMS_IOU,
            "max_det": MAX_PEOPLE,
            "classes": [find_person(self._model.names, str(file), person_class)],
            "device": device,
            "verbose": False,
            "save": False,
        }
        try:
            self._model.predict([np.zeros((64, 64, 3), np.uint8)], **self._arguments)  # builds it on its device
        except (ValueError, RuntimeError, AssertionError) as error:
            where = device or "this machine"
            raise DetectorError(f"ultralytics can't run {file} on {where}: {first_line(error)}") from error
        if threads:
            torch.set_num_threads(threads)  # after the library, which sets its own number
        self.calls = 1  # the library's predictor keeps the batch in its own attributes
        self.batch = 16 if self._model.predictor.device.type == "cuda" else 4

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `Detector.detect`."""
        if not frames:
            return []
        pictures = [np.ascontiguousarray(frame.image[..., ::-1]) for frame in frames]  # it reads arrays as BGR
        detections = []
        for result in self._model.predict(pictures, **self._arguments):
            rows = result.boxes.data.float().cpu().numpy()  # (N, 6): x1 y1 x2 y2 score class
            detections.append(Detections(rows[:, :4], rows[:, 4]).take(np.argsort(-rows[:, 4], kind="stable")))
        return detections


def find_weights(name: str, download: bool) -> Path:
    """The `.pt` file behind a name or path.

    Args:
        name: A path, or a published name with or without `.pt`.
        download: Allows fetching it from the library's release page.

    Raises:
        DetectorError: There is no such file, or it could not be fetched.
    """
    if Path(name).is_file():
        return Path(name)
    if not OFFICIAL.fullmatch(name):
        raise DetectorError(
            f"There is no detector file {name}; check the path, or name a published one such as yolo11n.pt."
        )
    name = name.removesuffix(".pt") + ".pt"
    folder = weights_folder()
    for file in (Path(name), folder / name):
        if file.is_file():
            return file
    if not download:
        raise DetectorError(
            f"The weights {name} are not on this machine (looked in {Path.cwd()} and {folder.resolve()}); "
            "add --download to fetch them."
        )
    load_ultralytics()
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    if name not in GITHUB_ASSETS_NAMES:
        raise DetectorError(f"ultralytics publishes no weights {name}; see https://docs.ultralytics.com/models.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):  # progress is no result
            attempt_download_asset(folder / name)
    except Exception as error:  # the library turns every failure into one of several kinds
        raise DetectorError(
            f"The weights {name} could not be downloaded ({error}); fetch them and give their path."
        ) from error
    if not (folder / name).is_file():
        raise DetectorError(f"The weights {name} could not be downloaded; fetch them by hand and give their path.")
    return folder / name
