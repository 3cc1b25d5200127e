"""Tasks of one piece of work on the machines of a Ray cluster, as `reid.spread` has them.

A task whose process dies is done again, some times. What comes back is put together here, in the same order as without
a cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

from app.engine.cluster import Cluster
from app.engine.ray_runtime import DEATHS, ray
from reid.spread import Result, Value

AHEAD = 2  # tasks a processor that are under way or wait to be taken back


class ClusterTasks:
    """Gives each task one processor of the cluster. As `Spread`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def shared(self, count: int, value: Callable[[int], Value]) -> Sequence[Value]:
        """As `Spread.shared`. A value is sent once, and is in the cluster's memory as long as this is used."""
        return _Put(count, value)

    def each(self, task: Callable[..., Result], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """As `Spread.each`."""
        remote = ray.remote(task).options(num_cpus=1, max_retries=DEATHS)
        most = AHEAD * max(1, sum(machine.cpus for machine in self._cluster.machines()))
        under_way = deque[Any]()
        for some in arguments:
            under_way.append(remote.remote(*some))
            if len(under_way) >= most:
                yield self._cluster.answer(under_way.popleft())
        while under_way:
            yield self._cluster.answer(under_way.popleft())


class _Put(Sequence[Any]):
    """References to values, each put where all machines can fetch it when it is first asked for."""

    def __init__(self, count: int, value: Callable[[int], Any]) -> None:
        self._references: list[Any] = [None] * count
        self._value = value

    def __len__(self) -> int:
        return len(self._references)

    @overload
    def __getitem__(self, number: int) -> Any: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Any]: ...
    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        if self._references[number] is None:
            self._references[number] = ray.put(self._value(number))
        return self._references[number]
