"""Every training in these tests runs on one thread."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def alone(one_thread: None) -> None:
    pass
