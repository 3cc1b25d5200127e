"""A Ray cluster: how this process comes to it, which machines it has, and which sites it can work on."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.engine.ray_runtime import DEATHS, asks_for_token, node_answers, ray, reports_usage
from app.errors import SiteError
from app.record.places import FOLDER, Places
from deploy.detectors import first_line

PATIENCE = 120.0  # s for the lease of who died. Of a machine that is gone, PostgreSQL notices within one minute
LOOK = 1.0  # s between looks whether this machine's node is still there
_ADDRESS = re.compile(r"auto|[^\s/]+:\d{1,5}")


class DiedTooOften(SiteError):
    """A task or ranks died so often that they do not begin again."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One node of a cluster."""

    node: str  # Ray's id
    address: str  # of its network
    cpus: int
    gpus: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process is part of."""

    address: str

    def machines(self) -> list[Machine]:
        """Those that are alive, by their ids. Raises SiteError where the cluster fails."""
        try:
            alive = [node for node in ray.nodes() if node["Alive"]]
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise failed(error) from error
        machines = [
            Machine(
                node["NodeID"],
                node["NodeManagerAddress"],
                int(node["Resources"].get("CPU", 0)),
                float(node["Resources"].get("GPU", 0)),
            )
            for node in alive
        ]
        return sorted(machines, key=lambda machine: machine.node)

    def check_node(self) -> None:
        """Raises SiteError where Ray's process of this machine is gone.

        Ray tells by itself, but not where another head has taken the old one's place: then it asks on for ever.
        """
        if not node_answers():
            raise failed(ConnectionError("its node on this machine is gone"))

    def answer(self, reference: Any) -> Any:
        """As `answer`. It also raises SiteError where Ray's process of this machine is gone meanwhile."""
        while not ray.wait([reference], timeout=LOOK)[0]:
            self.check_node()
        return answer(reference)

    def check_site(self, site: object, places: Places) -> None:
        """Raises SiteError where a site can't be reached from all machines. site: its folder, for the sentence.

        SQLite, leases and folders serve any number of processes of one machine.
        """
        own = ray.util.get_node_ip_address()
        elsewhere = sorted({machine.address for machine in self.machines()} - {own})
        if elsewhere and in_a_folder(places):
            raise SiteError(
                f"The site at {site} keeps its record or its pictures in a folder, which {elsewhere[0]} and other "
                f"machines of the cluster can't reach: `python -m app.site move {site} --to postgresql://… --to s3://…`"
                " first."
            )


def in_a_folder(places: Places) -> bool:
    """Whether a site's record or pictures lie where only this machine has them."""
    return places.record == FOLDER or places.store == FOLDER or places.store.startswith("file:")


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A cluster that asks for a token and reports nothing. Raises SiteError where there is none at the address.

    address: `auto` for the one that runs on this machine, or HOST:PORT of its head. This machine belongs to it.
    """
    if not _ADDRESS.fullmatch(address):
        raise SiteError(f"{address} is no address of a Ray cluster: give auto, or HOST:PORT of its head.")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        raise SiteError(
            f"The Ray cluster at {address} can't be reached ({_reason(error)}): check that this machine belongs to it "
            "(`ray start --address HOST:PORT`), and that it has the same token."
        ) from error
    try:
        _check_cluster(address)
        yield Cluster(address)
    finally:
        ray.shutdown()


def _check_cluster(address: str) -> None:
    """Raises SiteError where anybody may come to the cluster, or it reports how it is used."""
    if reports_usage():
        raise SiteError(
            f"The Ray cluster at {address} reports how it is used: start it again with RAY_USAGE_STATS_ENABLED=0."
        )
    if not answer(ray.remote(asks_for_token).options(num_cpus=0, max_retries=DEATHS).remote()):
        raise SiteError(
            f"The Ray cluster at {address} asks nobody for a token, so whoever reaches its ports may run anything: "
            "start it again with RAY_AUTH_MODE=token."
        )


def answer(reference: Any) -> Any:
    """What a task or an actor gives. Raises what it raised, and SiteError where the cluster fails.

    Raises DiedTooOften where a task died oftener than its `max_retries`.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError) as error:
        raise DiedTooOften(
            f"A task of the cluster died again and again ({_reason(error)}): see Ray's logs on its machines, and run "
            "the same command again."
        ) from error
    except ray.exceptions.RayError as error:
        raise failed(error) from error


def failed(error: Exception) -> SiteError:
    """That the cluster failed, as a sentence."""
    return SiteError(
        f"The Ray cluster failed ({_reason(error)}): all that was committed is safe; start it again where it is down, "
        "and run the same command again."
    )


def _reason(error: Exception) -> str:
    """What Ray says, to stand in a sentence."""
    return first_line(error).rstrip(".")
