"""`--cluster` of the commands whose work can be divided among the machines of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from app.errors import SiteError
from reid.spread import Here, Spread

ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Work on all machines of a Ray cluster: auto for the one of this machine, or HOST:PORT of its head. "
        "See docs/scale.md.",
    ),
]


@contextmanager
def ray_wanted() -> Iterator[None]:
    """Around imports of what needs Ray. Raises SiteError where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SiteError(
            "--cluster needs Ray, which is not installed: pip install '.[cluster]' in the checkout of Sightline."
        ) from error


@contextmanager
def spread_over(cluster: str | None) -> Iterator[Spread]:
    """Where tasks are done. Raises SiteError where there is no such cluster, or no Ray."""
    if cluster is None:
        yield Here()
        return
    with ray_wanted():
        from app.engine.cluster import connected
        from app.engine.cluster_tasks import ClusterTasks
    with connected(cluster) as machines:
        yield ClusterTasks(machines)
