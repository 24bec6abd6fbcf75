"""The bootstrap phase: after first contact by password, everything goes by key."""

from __future__ import annotations

from pathlib import Path

from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Step
from picluster.engine.survey import CLUSTER
from picluster.model import Cluster, Node
from picluster.site import Site
from picluster.steps.access.login import KeyInstalled, SudoWithoutPassword
from picluster.steps.access.own_key import OwnKey, default_key, distinct
from picluster.steps.access.password_login import PasswordLoginOff


def bootstrap(site: Site) -> Phase:
    """Build the phase. Nodes without `ssh.password` are reached by key already."""
    cluster, nodes = site.cluster, site.cluster.by_password
    keys = distinct([_key(cluster, node) for node in nodes])
    closing = cluster.nodes if cluster.bootstrap.disable_password_login else ()
    return Phase(
        "bootstrap",
        "every node is reached by key",
        (
            Stage("there is a key", {CLUSTER: [OwnKey(key) for key in keys]}),
            Stage(
                "the key is let in",
                {node.name: _access(site, node) for node in nodes},
                independent=True,
            ),
            Stage(
                "passwords are not",
                {node.name: [PasswordLoginOff()] for node in closing},
                independent=True,
            ),
        ),
    )


def _access(site: Site, node: Node) -> list[Step]:
    key = KeyInstalled(_key(site.cluster, node))
    # First: a run that is cut off in between must still be able to become root.
    sudo = [SudoWithoutPassword()] if site.cluster.bootstrap.passwordless_sudo else []
    return [*sudo, key]


def _key(cluster: Cluster, node: Node) -> Path:
    return cluster.ssh_for(node).key or default_key(Path.home() / ".ssh")
