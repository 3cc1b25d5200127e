"""An adaptation on several GPUs of a cluster: each is a rank, an actor wherever Ray finds it a place.

When a rank or its machine dies, all end. They begin again from the last checkpoint, with the GPUs that are then there,
some times.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from app.engine.cluster import LOOK, PATIENCE, Cluster, DiedTooOften
from app.engine.cluster_site import ClusterSite
from app.engine.ray_runtime import DEATHS, NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy, ray
from app.errors import SiteError
from app.learning.adapt import AdaptReport, adapt, device_named
from app.learning.plan import Erased
from app.record.adaptations import Adaptations

log = logging.getLogger("sightline")

MEETING = timedelta(hours=6)  # the first rank may embed a whole site before it has a plan
PLACING = 30.0  # s in which Ray finds places for all ranks, unless others have GPUs
GRACE = 30.0  # s in which Ray notices a death, of which ranks that live may hear before
ENDING = 30.0  # s in which killed ranks are gone, and their pictures
_ADDRESS_OF_INTERFACE = 0x8915  # Linux's SIOCGIFADDR


class _BeginsAgain(Exception):
    """All ranks shall end, and begin again."""


class _Died(_BeginsAgain):
    """As one of them died."""


class RankActor:
    """One rank, which has a GPU of its own."""

    def __init__(self, order: ClusterSite) -> None:
        self._order = order

    def meet(self) -> tuple[str, int]:
        """Of the first rank: the address and port where the others find it."""
        address: str = ray.util.get_node_ip_address()
        self._store = _store(address, 0, first=True)
        return address, self._store.port

    def lead(self, ranks: int, who: str, wishes: dict[str, Any]) -> AdaptReport:
        """What the first rank does, after `meet`. As `adapt`."""
        from app.learning.ranks import Others

        with self._order.open() as site:
            return adapt(site, who=who, patience=PATIENCE, others=Others(self._store, ranks), **wishes)

    def follow(self, meeting: tuple[str, int], number: int, folder: str, device: str | None) -> None:
        """What another rank does. meeting: what the first one's `meet` gave. folder: a name for its own folder."""
        from app.learning.ranks import learn_with_first

        store = _store(*meeting, first=False)
        with self._order.open() as site:
            learn_with_first(site, store, number, folder, device_named(device))


def _store(address: str, port: int, *, first: bool) -> Any:
    """What ranks meet by. This process is made ready to train, too."""
    import torch
    from torch.distributed import TCPStore

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if interface := interface_of(ray.util.get_node_ip_address()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)  # else the host name's address, often that of loopback
    return TCPStore(address, port, is_master=first, wait_for_workers=False, timeout=MEETING)


def adapt_on_gpus(cluster: Cluster, order: ClusterSite, who: str, wishes: dict[str, Any]) -> AdaptReport | None:
    """As `adapt`, by all GPUs of a cluster. None where fewer than two are free.

    Raises what the first rank raises, or what another one does where none died, and DiedTooOften.
    """
    deaths = 0
    while group := _placed(sum(int(machine.gpus) for machine in cluster.machines())):
        folder = f"rank-{ray.get_runtime_context().get_job_id()}-"
        kind: Any = ray.remote(RankActor).options(
            num_cpus=1, num_gpus=1, scheduling_strategy=PlacementGroupSchedulingStrategy(group)
        )
        first, *others = actors = [kind.remote(order) for _ in range(group.bundle_count)]
        meeting = first.meet.remote()
        ends = [first.lead.remote(len(actors), who, wishes)]
        for number, actor in enumerate(others, 1):
            ends.append(actor.follow.remote(meeting, number, f"{folder}{number}", wishes.get("device")))
        try:
            return _report(cluster, ends)
        except _BeginsAgain as reason:
            deaths += isinstance(reason, _Died)
            if deaths > DEATHS:
                raise DiedTooOften(
                    f"Ranks of the adaptation died {deaths} times: see Ray's logs on their machines, and run the same "
                    "command again. It goes on from the last checkpoint."
                ) from reason
            log.info("%s: the adaptation begins again", reason)
        finally:
            for actor in actors:
                ray.kill(actor)
            ray.wait(ends, num_returns=len(ends), timeout=ENDING)
            ray.util.remove_placement_group(group)
            _tidy(cluster, order, folder)
    return None


def tidy_there(order: ClusterSite, folder: str) -> None:
    """Removes from a machine what ranks that have ended left, and what the store has not got any more."""
    with order.open() as site:
        Adaptations(site.database).tidy(folder)


def interface_of(address: str) -> str | None:
    """The network interface of this machine that has an IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # it has none
                told = fcntl.ioctl(asking, _ADDRESS_OF_INTERFACE, struct.pack("256s", name.encode()))
                if socket.inet_ntoa(told[20:24]) == address:
                    return name
    return None


def _placed(most: int) -> Any:
    """Places for so many ranks, or for half as many, and so on, where others have the GPUs. None for less than two."""
    while most > 1:
        group = ray.util.placement_group([{"CPU": 1, "GPU": 1}] * most)  # near each other where that can be
        if group.wait(PLACING):
            return group
        ray.util.remove_placement_group(group)
        most //= 2
    return None


def _report(cluster: Cluster, ends: Sequence[Any]) -> AdaptReport:
    """What the first rank gives. ends: of all ranks. Raises _Died, and _BeginsAgain where somebody was erased."""
    waiting, failure, until = list(ends), None, float("inf")
    while waiting and time.monotonic() < until:
        ended, waiting = ray.wait(waiting, timeout=LOOK)
        cluster.check_node()
        for end in ended:
            try:
                report: AdaptReport | None = ray.get(end)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, Erased):
                    raise _BeginsAgain("Somebody it was learning from was erased") from None
                if end == ends[0] and isinstance(error.cause, SiteError):
                    raise error.cause from None
                if failure is None:  # perhaps as another one died, which Ray is about to tell
                    failure, until = error.cause, time.monotonic() + GRACE
            except ray.exceptions.RayError as error:
                raise _Died("A rank died") from error
            else:
                if report is not None:
                    return report
    assert failure is not None
    raise failure


def _tidy(cluster: Cluster, order: ClusterSite, folder: str) -> None:
    tidy = ray.remote(tidy_there)
    removals = [
        tidy.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(machine.node, soft=False)).remote(
            order, folder
        )
        for machine in cluster.machines()
    ]
    ended, late = ray.wait(removals, num_returns=len(removals), timeout=ENDING)
    for removal in ended:
        try:
            ray.get(removal)
        except ray.exceptions.RayError as error:
            log.warning("A machine keeps pictures until the next adaptation: %s", str(error).strip().splitlines()[-1])
    if late:
        log.warning("%d machines keep pictures until the next adaptation", len(late))
