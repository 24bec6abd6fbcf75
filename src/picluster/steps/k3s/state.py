"""What K3s looks like on a node: the facts that the k3s phase decides on. Read-only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from picluster.engine.probe import Observation, ShellProbe, shown
from picluster.engine.shell import shell
from picluster.engine.step import Fact
from picluster.errors import PiclusterError, Unreadable
from picluster.facts.packages import ARCHITECTURE
from picluster.facts.units import UNITS
from picluster.kube.kubeconfig import AdminKubeconfig, parse
from picluster.secret import Secret
from picluster.steps.k3s import paths

Datastore: TypeAlias = Literal["none", "sqlite", "etcd"]

_DATASTORES: Final[dict[str, Datastore]] = {"none": "none", "sqlite": "sqlite", "etcd": "etcd"}
_UNITS = ("", "k3s", "k3s-agent")
_TOKEN = f"{paths.SERVER_DIR}/token"


@dataclass(frozen=True, slots=True)
class K3sState:
    """K3s on one node. `cluster` identifies the cluster whose data a server holds: its CA.

    `password` says that the node has the one by which the cluster knows it again.
    """

    arch: str = ""
    version: str = ""
    staged: str = ""
    installer: bool = False
    unit: str = ""
    active: bool = False
    enabled: bool = False
    settled: bool = False
    recorder: bool = False
    datastore: Datastore = "none"
    cluster: str = ""
    joined: bool = False
    password: bool = False

    @property
    def in_cluster(self) -> bool:
        """Whether this server holds a cluster's data."""
        return self.datastore != "none"

    @property
    def used(self) -> bool:
        """Whether K3s runs here, or has left a cluster's traces: what is merely installed has not.

        A release that never ran can be replaced by any other.
        """
        return self.active or self.in_cluster or self.joined


def _read_state(seen: Observation) -> K3sState:
    active, datastore = seen.text("active", ""), seen.text("datastore", "none")
    if datastore not in _DATASTORES:
        raise Unreadable(f"`datastore` is none that K3s has: {shown(datastore)}")
    unit = seen.text("unit", "")
    if unit not in _UNITS:
        raise Unreadable(f"`unit` is none that K3s has: {shown(unit)}")
    return K3sState(
        arch=seen.text("arch", ""),
        version=seen.text("version", ""),
        staged=seen.text("staged", ""),
        installer=seen.flag("installer"),
        unit=unit,
        recorder=seen.flag("recorder"),
        # A unit that is starting or restarting counts as running: it will go on by itself.
        active=active in {"active", "activating", "reloading"},
        enabled=seen.text("enabled", "") == "enabled",
        settled=active == "active" and seen.every("loaded")[-1:] == seen.every("on_disk")[-1:],
        datastore=_DATASTORES[datastore],
        cluster=seen.text("ca", ""),
        joined=seen.flag("joined"),
        password=seen.flag("password"),
    )


STATE = ShellProbe(
    "k3s-state",
    ARCHITECTURE
    + UNITS
    + shell(
        __package__,
        "look_for_k3s",
        BINARY=paths.BINARY,
        DATA_DIR=paths.DATA_DIR,
        LOADED_DIR=paths.LOADED_DIR,
        NODE_PASSWORD=paths.NODE_PASSWORD,
        READ_AT_START=paths.READ_AT_START,
        RECORDER=paths.RECORDER,
        SERVER_DIR=paths.SERVER_DIR,
        STAGING_DIR=paths.STAGING_DIR,
    ),
    _read_state,
)
"""Which K3s is on a node, whether it runs, and which cluster's data it holds."""


def state_fact() -> Fact:
    """Look at K3s on a node, for others to decide on."""
    return Fact(STATE.name, "K3s on the node is known", STATE)


@dataclass(frozen=True, slots=True)
class ServerCredentials:
    """A server's own: the full join token, and the administrator's kubeconfig."""

    token: Secret | None = None
    admin: AdminKubeconfig | None = None


def _read_credentials(seen: Observation) -> ServerCredentials:
    token, kubeconfig = (seen.content(_TOKEN) or "").strip(), seen.content(paths.KUBECONFIG)
    return ServerCredentials(
        token=Secret(token) if token else None, admin=read_admin(kubeconfig) if kubeconfig else None
    )


def read_admin(kubeconfig: str) -> AdminKubeconfig | None:
    """Read a kubeconfig; None while K3s is still writing it."""
    try:
        return parse(kubeconfig)
    except PiclusterError:
        return None


CREDENTIALS = ShellProbe(
    "k3s-credentials",
    f"for file in {_TOKEN} {paths.KUBECONFIG}; do\n"
    '  [ ! -r $file ] || echo "$file=$(base64 -w0 <$file)"\n'
    "done\n",
    _read_credentials,
    secret=True,
)
"""A server's token and administrator's kubeconfig; never recorded anywhere."""


def credentials_fact() -> Fact:
    """Look at what a server would let others in with."""
    return Fact(CREDENTIALS.name, "the cluster's token is known", CREDENTIALS)


def passphrase(token: Secret) -> Secret:
    """Return the part of a token that was chosen: `K10<CA hash>::server:<passphrase>`.

    The prefix pins the cluster's CA; the same passphrase with and without it is the same token
    (https://docs.k3s.io/cli/token).
    """
    return Secret(re.sub(r"^K10[0-9a-f]+::(?:[^:]*:)?", "", token.reveal()))


def pinned_ca(token: Secret) -> str:
    """Return the hash of the CA that a token names, if it does."""
    named = re.match(r"^K10([0-9a-f]+)::", token.reveal())
    return named[1] if named else ""
