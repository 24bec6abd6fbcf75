"""A node leaves the cluster: pods first, then the machine's K3s, then what the cluster knows."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Place, Tools
from picluster.engine.step import Blocked, Change, Decision, Inferred, Risk, Run, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.errors import PiclusterError
from picluster.kube.api import segment
from picluster.kube.drain import pods_to_leave
from picluster.kube.glance import Glance
from picluster.kube.nodes import NodeState, delete_node, get_node
from picluster.kube.objects import delete, find
from picluster.kube.quorum import Refused, Ruling
from picluster.kube.reach import api_of
from picluster.steps.k3s.guard import QuorumGuard
from picluster.steps.k3s.maintenance import DrainNode
from picluster.steps.k3s.state import STATE

EVACUATED = "evacuated"
DEPARTED = "departed"

_STAYING = ("DaemonSet", "InstanceManager")
_STOP_SECONDS = 180.0
_GONE_SECONDS = 120.0
_UNASKABLE = Blocked(
    "the cluster's API does not answer, so the node cannot be taken out of it",
    "bring a majority of the servers up first; `journalctl -u k3s` on each says more",
)


@dataclass(frozen=True, slots=True)
class Presence:
    """What the cluster knows of a node: its object, how many pods could move, its password."""

    node: NodeState | None
    pods: int
    password: bool


@dataclass(frozen=True, slots=True)
class PresenceSeen:
    """What the cluster knows of a node; nothing while there is no API to ask."""

    presence: Presence | None


@dataclass(frozen=True, slots=True)
class AskPresence:
    """What the cluster knows of a node."""

    node: str
    name: str
    secret: bool = False

    def ask(self, tools: Tools) -> PresenceSeen:
        try:
            api = api_of(tools)
            seen = get_node(api, self.node)
            leaving = seen is not None and seen.ready
            pods = len(pods_to_leave(api, self.node, _STAYING)) if leaving else 0
            return PresenceSeen(
                Presence(seen, pods, find(api, _password_path(self.node)) is not None)
            )
        except PiclusterError:
            return PresenceSeen(None)


@dataclass(frozen=True, slots=True)
class AskGuard:
    """The quorum guard's ruling on a node that goes."""

    node: str
    name: str = "majority-stays"
    secret: bool = False

    def ask(self, tools: Tools) -> Ruling:
        return tools.get(QuorumGuard).on_removal(self.node)


@dataclass(frozen=True, slots=True)
class MajorityStays:
    """The cluster keeps its majority once a node is gone, by the quorum guard's ruling.

    The guard is asked again right before anything is done; this has a plan say what it would.
    """

    node: str
    name: str = "majority-stays"

    @property
    def title(self) -> str:
        return f"the cluster keeps its majority without {self.node}"

    def probe(self) -> AskGuard:
        return AskGuard(self.node)

    def decide(self, look: Look) -> Decision:
        ruling = look.read(self.probe())
        if isinstance(ruling, Refused):
            return Blocked(ruling.reason, ruling.fix)
        return Satisfied()


@dataclass(frozen=True, slots=True)
class Evacuated:
    """No pods that could be elsewhere are left on a node. `timeout` is in seconds.

    Longhorn's instance managers stay: one with the last good copy of a volume refuses to leave for
    ever, and whether that volume may be lost was asked before.
    """

    node: str
    timeout: float
    name: str = EVACUATED

    @property
    def title(self) -> str:
        return f"pods have left {self.node}"

    def probe(self) -> AskPresence:
        return AskPresence(self.node, self.name)

    def decide(self, look: Look) -> Decision:
        """Want it cordoned and empty; pods of a node that is down cannot be moved away."""
        seen = look.read(self.probe()).presence
        if seen is None:
            return _UNASKABLE
        if seen.node is None:
            return Satisfied(detail=f"{self.node} is not in the cluster")
        if not seen.node.ready:
            return Satisfied(
                warning=f"{self.node} is not Ready ({seen.node.ready_reason}): it is not drained, "
                "and Kubernetes starts its pods elsewhere once it is gone"
            )
        if seen.node.unschedulable and not seen.pods:
            return Satisfied()
        return Change(
            f"cordon and drain {self.node}",
            (DrainNode(self.node, "it leaves the cluster", self.timeout, _STAYING),),
            reason="it leaves the cluster",
            risk=Risk.DRAIN,
        )


@dataclass(frozen=True, slots=True)
class Stopped(Inferred):
    """K3s on the node is stopped for good, so that it cannot join again once it is out."""

    unit: str
    name: str = "k3s-stopped"

    @property
    def title(self) -> str:
        return f"{self.unit}.service is stopped and does not start at boot"

    def decide(self, look: Look) -> Decision:
        state = look.read(STATE)
        if state.unit != self.unit or not (state.active or state.enabled):
            return Satisfied()
        return Change(
            f"stop {self.unit}.service",
            (Run(f"systemctl disable --now --quiet {self.unit}", timeout=_STOP_SECONDS),),
            reason="the node leaves the cluster",
            risk=Risk.RESTART,
        )


@dataclass(frozen=True, slots=True)
class DeleteNode:
    """Have the cluster forget a node: its object, with the etcd member, and its password."""

    node: str

    @property
    def title(self) -> str:
        return f"deleting {self.node}"

    def perform(self, place: Place) -> None:
        """Do it. Raises `WaitFailed` if something holds the node back."""
        api = api_of(place.tools)
        delete_node(api, self.node)
        wait_until(
            f"{self.node} leaves the cluster",
            lambda: get_node(Glance(api), self.node),
            _gone,
            timeout=_GONE_SECONDS,
            progress=place.progress,
            where=self.node,
            fix=f"`kubectl describe node {self.node}` names the finalizers that hold it",
        )
        delete(api, _password_path(self.node))


@dataclass(frozen=True, slots=True)
class Departed:
    """The cluster knows nothing of a node any more: no object, no etcd member, no password.

    K3s holds a server's node object back until its member has left etcd, so one that is gone is
    gone altogether. The password would refuse another machine of the same name.
    """

    node: str
    name: str = DEPARTED

    @property
    def title(self) -> str:
        return f"the cluster has forgotten {self.node}"

    def probe(self) -> AskPresence:
        return AskPresence(self.node, self.name)

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe()).presence
        if seen is None:
            return _UNASKABLE
        if seen.node is None and not seen.password:
            return Satisfied()
        return Change(
            f"delete {self.node} from the cluster",
            (DeleteNode(self.node),),
            reason="it is registered" if seen.node else "its node password is kept",
            risk=Risk.DATA_LOSS,
        )


@dataclass(frozen=True, slots=True)
class Fresh(Inferred):
    """The machine that is to replace a node holds no K3s data: it was re-flashed, or cleaned."""

    node: str
    name: str = "fresh-machine"

    @property
    def title(self) -> str:
        return f"{self.node} is a machine without K3s data"

    def decide(self, look: Look) -> Decision:
        """Refuse a machine that still is a member, and one that nobody has seen."""
        state = look.find(STATE, self.node)
        if state is None:
            return Blocked(
                f"{self.node} cannot be reached, so nobody can tell what is on it",
                f"connect it, and run this again; `picluster node remove {self.node}` gives it up",
                missing=(self.node,),
            )
        if state.in_cluster or state.joined:
            return Blocked(
                f"{self.node} still holds its K3s data, so there is nothing to replace",
                f"to repair it: `picluster up --limit {self.node}`; to start it "
                "over, uninstall K3s on it first (k3s-uninstall.sh, which deletes its data)",
            )
        return Satisfied()


def _gone(node: NodeState | None) -> Verdict:
    return Done() if node is None else Waiting(f"{node.name} is still registered")


def _password_path(node: str) -> str:
    return f"/api/v1/namespaces/kube-system/secrets/{segment(node)}.node-password.k3s"
