"""Jobs on nodes that are directories, for what a command does from its survey to its answer."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.doubles.shell_nodes import ShellNodes

from picluster.commands import Job
from picluster.engine.pool import Sessions
from picluster.model import Cluster
from picluster.phases.site import Site, make_site


def job_on(nodes: ShellNodes, cluster: Cluster, tmp_path: Path, command: str) -> Job:
    """Return a job of that command; nodes that are away are no reason to give it up."""
    return Job(
        command=command,
        file=tmp_path / "cluster.yaml",
        cluster=cluster,
        sessions=Sessions(nodes),
        traffic=nodes.traffic,
        state=tmp_path / "state",
        cache=tmp_path / "cache",
        user_kubeconfig=tmp_path / "kubeconfig",
        emit=lambda event: None,
        stop=threading.Event(),
        phases=(),
        optional=tuple(node.name for node in cluster.nodes),
    )


def site_of(job: Job) -> Site:
    """Return what the phases of a job are built from."""
    return make_site(
        job.cluster,
        job.sessions,
        file=job.file,
        state=job.state,
        cache=job.cache,
        user_kubeconfig=job.user_kubeconfig,
        token=None,
    )
