"""What K3s looks like on a node: the facts that the k3s phase decides on. Read-only."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from picluster.engine.step import Fact, Observation, Script
from picluster.engine.survey import Look
from picluster.errors import PiclusterError
from picluster.kube.kubeconfig import AdminKubeconfig, parse
from picluster.secret import Secret
from picluster.steps.k3s import paths

STATE = "k3s-state"
CREDENTIALS = "k3s-credentials"

Datastore: TypeAlias = Literal["none", "sqlite", "etcd"]

# `k3s --version` is answered by the outer binary; it unpacks nothing on disk.
_STATE_SCRIPT = f"""
echo "arch=$(dpkg --print-architecture 2>/dev/null || uname -m)"
[ ! -x {paths.BINARY} ] || echo "version=$({paths.BINARY} --version 2>/dev/null | \
sed -n '1s/^k3s version \\([^ ]*\\).*/\\1/p')"
[ ! -r {paths.STAGING_DIR}/install.sh ] || echo installer=yes
[ ! -r {paths.STAGING_DIR}/version ] || echo "staged=$(cat {paths.STAGING_DIR}/version)"
for unit in k3s k3s-agent; do
  [ -e /etc/systemd/system/$unit.service ] || continue
  echo "unit=$unit"
  echo "active=$(systemctl is-active $unit)"
  echo "enabled=$(systemctl is-enabled $unit 2>/dev/null)"
  [ ! -e /etc/systemd/system/$unit.service.d/10-picluster.conf ] || \
    [ ! -x {paths.RECORDER} ] || echo recorder=yes
  [ ! -r {paths.LOADED_DIR}/$unit.loaded ] || \
    echo "loaded=$(cat {paths.LOADED_DIR}/$unit.loaded)"
done
echo "on_disk=$({paths.FINGERPRINT})"
if [ -d {paths.SERVER_DIR}/db/etcd ]; then echo datastore=etcd
elif [ -e {paths.SERVER_DIR}/db/state.db ]; then echo datastore=sqlite
else echo datastore=none; fi
[ ! -r {paths.SERVER_DIR}/tls/server-ca.crt ] || \
  echo "ca=$(sha256sum <{paths.SERVER_DIR}/tls/server-ca.crt | cut -d' ' -f1)"
[ ! -e {paths.DATA_DIR}/agent/kubelet.kubeconfig ] || echo joined=yes
[ ! -e {paths.NODE_PASSWORD} ] || echo password=yes
"""

_CREDENTIALS_SCRIPT = f"""
for file in {paths.SERVER_DIR}/token {paths.KUBECONFIG}; do
  [ ! -r $file ] || echo "$file=$(base64 -w0 <$file)"
done
"""


def state_fact() -> Fact:
    """Observe which K3s is on the node, whether it runs, and which cluster's data it holds."""
    return Fact(STATE, "K3s on the node is known", Script(_STATE_SCRIPT))


def credentials_fact() -> Fact:
    """Observe a server's token and administrator's kubeconfig; never recorded anywhere."""
    return Fact(
        CREDENTIALS, "the cluster's token is known", Script(_CREDENTIALS_SCRIPT, secret=True)
    )


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


def read_state(seen: Observation) -> K3sState:
    """Read what the state probe printed; an observation that was not made is an empty node."""
    facts = seen.facts
    datastore = facts.get("datastore", "none")
    return K3sState(
        arch=facts.get("arch", ""),
        version=facts.get("version", ""),
        staged=facts.get("staged", ""),
        installer=facts.get("installer") == "yes",
        unit=facts.get("unit", ""),
        recorder=facts.get("recorder") == "yes",
        # A unit that is starting or restarting counts as running: it will go on by itself.
        active=facts.get("active", "") in {"active", "activating", "reloading"},
        enabled=facts.get("enabled", "") == "enabled",
        settled=facts.get("active", "") == "active" and facts.get("loaded") == facts.get("on_disk"),
        datastore="etcd" if datastore == "etcd" else "sqlite" if datastore == "sqlite" else "none",
        cluster=facts.get("ca", ""),
        joined=facts.get("joined") == "yes",
        password=facts.get("password") == "yes",
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """A server's own: the full join token, and the administrator's kubeconfig."""

    token: Secret | None = None
    admin: AdminKubeconfig | None = None


def read_credentials(seen: Observation) -> Credentials:
    """Read what the credentials probe printed; what is missing or unreadable is None."""
    facts = seen.facts
    token = _decoded(facts.get(f"{paths.SERVER_DIR}/token"))
    kubeconfig = _decoded(facts.get(paths.KUBECONFIG))
    return Credentials(
        token=Secret(token) if token else None,
        admin=read_admin(kubeconfig) if kubeconfig else None,
    )


def read_admin(kubeconfig: str) -> AdminKubeconfig | None:
    """Read a kubeconfig; None while K3s is still writing it."""
    try:
        return parse(kubeconfig)
    except PiclusterError:
        return None


def _decoded(encoded: str | None) -> str:
    try:
        return base64.b64decode(encoded or "", validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


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


def states(look: Look) -> dict[str, K3sState]:
    """K3s on every node that was looked at."""
    return {node: read_state(seen) for node, seen in look.across(STATE).items()}
