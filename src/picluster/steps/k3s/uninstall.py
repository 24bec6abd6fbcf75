"""K3s leaves a node: everything that it or picluster put there for it, except volumes.

The uninstall script that K3s's own installer leaves behind is not used: it deletes the volumes of
local-path together with the rest. Its `k3s-killall.sh`, which stops containers and takes the
network down, is (https://docs.k3s.io/upgrades/killall).
"""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.facts.routes import Route
from picluster.steps.k3s import paths
from picluster.steps.k3s.leftovers import (
    OwnNetwork,
    Traces,
    as_reason,
    clear_text,
    flannels,
    look_text,
    read_traces,
)
from picluster.steps.k3s.state import STATE

UNINSTALLED = "k3s-uninstalled"
VOLUMES = f"{paths.DATA_DIR}/storage"
"""Where local-path keeps its volumes."""

_SECONDS = 600.0
_UNITS = "/etc/systemd/system"
# The kubelet keeps pods' logs in /var/log, which K3s's own script leaves. Longhorn's volumes are
# iSCSI targets of this name, and the initiator remembers them (longhorn/go-iscsi-helper).
_FILES = (
    *(
        f"{_UNITS}/{unit}.service{part}"
        for unit in ("k3s", "k3s-agent")
        for part in ("", ".env", ".d")
    ),
    f"{_UNITS}/multi-user.target.wants/k3s.service",
    f"{_UNITS}/multi-user.target.wants/k3s-agent.service",
    *(
        f"{paths.BINARY}{part}"
        for part in ("", ".new", "-killall.sh", "-uninstall.sh", "-agent-uninstall.sh")
    ),
    paths.CONFIG_DIR,
    "/etc/rancher/node",
    "/run/k3s",
    "/run/flannel",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
    "/etc/iscsi/nodes/iqn.2019-10.io.longhorn:*",
    "/var/lib/iscsi/nodes/iqn.2019-10.io.longhorn:*",
    "/dev/longhorn",
    paths.LOADED_DIR,
    paths.STAGING_DIR,
    paths.RECORDER,
    "/etc/systemd/system/k3s*.service.d/??-picluster*.conf",
)
_VALUES = {
    "DATA_DIR": paths.DATA_DIR,
    "KUBELET_DIR": "/var/lib/kubelet",
    "VOLUMES": VOLUMES,
    "FILES": " ".join(_FILES),
    "TOOLS_OF_K3S": "kubectl crictl ctr",
}


@dataclass(frozen=True, slots=True)
class Installation:
    """What there is of K3s on a machine, and what goes with it for good."""

    traces: Traces
    database: bool
    snapshots: int


def read_installation(seen: Observation) -> Installation:
    """Read what the probe prints."""
    return Installation(
        read_traces(seen), database=seen.flag("database"), snapshots=seen.number("snapshots")
    )


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """Nothing of K3s is on the node, but the volumes that its pods wrote to.

    Of the host's firewall only the chains of Kubernetes, CNI and flannel go, of its routes only
    those that flannel set, and of its iSCSI sessions only Longhorn's.
    """

    own: OwnNetwork
    name: str = UNINSTALLED
    title: str = "nothing of K3s is on the node"

    def probe(self) -> ShellProbe[Installation]:
        text = look_text(self.own) + shell(__package__, "look_for_files", **_VALUES)
        return ShellProbe(UNINSTALLED, text, read_installation)

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        others = [each.traces for each in look.every(self.probe()).values()]
        routes = flannels(seen.traces, self.own, others)
        if not (seen.traces.left or routes):
            return Satisfied()
        state = look.read(STATE)
        what = f"uninstall K3s {state.version}" if state.version else "remove what is left of K3s"
        costs = _costs(seen)
        return Change(
            f"{what}, and delete {costs}" if costs else what,
            (Run(self._removal(routes), timeout=_SECONDS),),
            reason=as_reason(seen.traces.left, routes),
            risk=Risk.DATA_LOSS if costs else Risk.RESTART,
        )

    def _removal(self, routes: list[Route]) -> str:
        """Return the script. K3s stops first, so that nothing comes back, and files go last."""
        return (
            shell(__package__, "stop_k3s")
            + clear_text(self.own, routes)
            + shell(__package__, "remove_files", **_VALUES)
        )


def _costs(seen: Installation) -> str:
    parts = ["its copy of the cluster's database"] if seen.database else []
    parts += [f"{seen.snapshots} etcd snapshots on it"] if seen.snapshots else []
    return " and ".join(parts)
