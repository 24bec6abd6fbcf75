"""Sites whose nodes are directories, for what a command does from its survey to its answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.session import Connector
from picluster.model import Cluster
from picluster.paths import Here
from picluster.secret import Secret
from picluster.site import Scope, Site, make_site
from picluster.steps.k3s.guard import QuorumGuard


def site_on(
    nodes: Connector, cluster: Cluster, here: Path, command: str = "up", password: str = ""
) -> Site:
    """Return a site below that directory; nodes that are away are no reason to give it up."""
    made = make_site(
        cluster,
        Sessions(nodes),
        file=here / "cluster.yaml",
        here=Here(here / "state", here / "cache"),
        user_kubeconfig=here / "kubeconfig",
        registry_password=Secret(password) if password else None,
    )
    anybody = frozenset(node.name for node in cluster.nodes)
    return replace(made, command=command, scope=Scope(optional=anybody))


def reached_by(site: Site, api: Any, sessions: Any = None) -> Site:
    """Return the site with that API, for its guard and its actions too."""
    sessions = sessions or site.sessions
    guard = QuorumGuard(site.guard.servers, api, sessions)
    return replace(site, sessions=sessions, api=api, guard=guard, tools=Tools(sessions, api, guard))
