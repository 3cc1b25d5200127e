"""An adaptation by a cluster: on all of its GPUs where it has several, else a task that begins again when it dies.

The task runs on a machine with a GPU where there is one. It goes on with what was carried to the store: see
`app.record.adaptations`.
"""

from __future__ import annotations

import os
from typing import Any

from app.cluster_ranks import adapt_on_gpus
from app.engine.cluster import PATIENCE, Cluster
from app.engine.cluster_site import ClusterSite
from app.engine.ray_runtime import DEATHS, ray
from app.learning.adapt import AdaptReport, adapt
from app.record import Site


def adapt_on_cluster(cluster: Cluster, site: Site, *, who: str, **wishes: Any) -> AdaptReport:
    """As `adapt`, by a cluster. wishes: as for `adapt`.

    Raises SiteError where the site can't be reached from all machines, or where the cluster fails.
    """
    cluster.check_site(site.path, site.database.places)
    order = ClusterSite.of(site, [])
    report = adapt_on_gpus(cluster, order, who, wishes)
    if report is None:
        gpus = 1 if any(machine.gpus for machine in cluster.machines()) else 0
        task = ray.remote(adapt_there).options(num_cpus=1, num_gpus=gpus, max_retries=DEATHS)
        report = cluster.answer(task.remote(order, who, wishes))
    return report


def adapt_there(order: ClusterSite, who: str, wishes: dict[str, Any]) -> AdaptReport:
    """What the task does. It takes all processors of its machine, as the command does by itself."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with order.open() as site:
        return adapt(site, who=who, patience=PATIENCE, **wishes)
