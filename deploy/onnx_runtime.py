"""ONNX Runtime, its telemetry off.

It begins when the library is loaded: it writes an identity of the machine into the home folder, and queues events for a
server. So this variable has to be there before. A rule of the linter keeps others from importing the library.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as onnxruntime


def find_cuda() -> None:
    """Loads CUDA and cuDNN from where pip put them, so that a session on a GPU finds them."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
