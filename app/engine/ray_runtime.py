"""Ray, its usage statistics off, its ports asking for the cluster's token, and stdout left to the command's result.

Ray reads these variables when it is imported, so they have to be there before. A rule of the linter keeps others from
importing the library.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import Any

DEATHS = 20  # of a task or of ranks, after each of which they begin again

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its new default, of which it warns otherwise
os.environ.setdefault("RAY_task_oom_retries", str(DEATHS))  # of those that Ray kills for memory, by itself without end

import ray as ray
import ray._private.worker
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray.experimental.internal_kv import internal_kv_get_gcs_client
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as NodeAffinitySchedulingStrategy
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy as PlacementGroupSchedulingStrategy

from deploy.detectors import first_line

log = logging.getLogger("sightline")


def asks_for_token() -> bool:
    """Whether the process that this is called in lets nobody in without the cluster's token."""
    return bool(is_token_auth_enabled())


def node_answers() -> bool:
    """Whether Ray's process of this machine, to which this process is connected, is still there."""
    node: Any = ray._private.worker._global_node
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(node.raylet_socket_name) == 0


def reports_usage() -> bool:
    """Whether the cluster that this process belongs to tells its makers how it is used."""
    from ray._common.usage.usage_lib import get_cluster_metadata

    metadata = get_cluster_metadata(internal_kv_get_gcs_client()) or {}
    return "git_commit" in metadata  # Ray puts it down only where it reports


def _log(data: dict[str, Any], ignore_prefix: bool) -> None:
    """Logs what Ray tells of deaths, as one line each."""
    for line in data["lines"]:
        log.info("Ray: %s", line.strip().splitlines()[0][:300] if line.strip() else "")


def _log_failure(failure: threading.ExceptHookArgs) -> None:
    """Logs in one line what fails in a thread of Ray, which asks a head that is another one by now, say."""
    if failure.thread is not None and failure.thread.name.startswith("ray_"):
        log.info("Ray: %s", first_line(failure.exc_value or failure.exc_type()))
    else:
        _of_other_threads(failure)


ray._private.worker.print_to_stdstream = _log  # by itself it prints on stdout, where the command's result stands
_of_other_threads, threading.excepthook = threading.excepthook, _log_failure
