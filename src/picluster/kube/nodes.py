"""Nodes as Kubernetes sees them, read into frozen data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from picluster.kube.api import Api, Object, segment
from picluster.kube.leases import Life, read_lives
from picluster.kube.objects import delete, find
from picluster.kube.times import moment

NODES = "/api/v1/nodes"
_ROLE = "node-role.kubernetes.io/"
_SERVER_ROLES = frozenset({"control-plane", "master", "etcd"})
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


@dataclass(frozen=True, slots=True, order=True)
class Taint:
    """A taint; key and effect together identify it. `time_added` is kept for the API's sake."""

    key: str
    value: str
    effect: str
    time_added: str = field(default="", compare=False)

    @property
    def identity(self) -> str:
        """What makes it the same taint, whatever its value: `key:effect`."""
        return f"{self.key}:{self.effect}"

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else self.identity


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as last reported. `voter` is None where K3s does not say (no embedded etcd, or old).

    `ready_reason` says why it is not ready; `voter_reason` is K3s's word, such as
    `MemberIsLearner`; both are about membership, not about life. `pressures` are the conditions
    that are true and should not be. `reported` is when the kubelet last wrote whether it is ready,
    in seconds since 1970 by the node's own clock: at its start, on a change, every five minutes.
    `given_up` is whether the node controller says that nobody knows how the node is. `life` is what
    its Lease says, None if that was not read.
    `pod_cidrs` are the networks that its pods have.
    """

    name: str
    ready: bool
    ready_reason: str = ""
    version: str = ""
    roles: frozenset[str] = frozenset()
    voter: bool | None = None
    voter_reason: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    pod_cidrs: tuple[str, ...] = ()
    unschedulable: bool = False
    pressures: tuple[str, ...] = ()
    reported: float | None = field(default=None, compare=False)
    given_up: bool = False
    life: Life | None = field(default=None, compare=False)
    resource_version: str = field(default="", compare=False)

    @property
    def is_server(self) -> bool:
        """Whether it runs the control plane or etcd."""
        return bool(self.roles & _SERVER_ROLES)

    @property
    def alive(self) -> bool:
        """Whether its kubelet was heard lately, as far as was asked.

        After a power cut of the whole cluster every node says Ready as it did before, until the
        node controller has waited for its time; the Lease does not.
        """
        return not self.given_up and (self.life is None or self.life.alive)

    @property
    def learner(self) -> bool:
        """Whether it is an etcd member that does not vote yet."""
        return self.voter is False and self.voter_reason == "MemberIsLearner"


def node_state(node: Mapping[str, Any]) -> NodeState:
    """Read one node object."""
    meta, spec, status = (node.get(part) or {} for part in ("metadata", "spec", "status"))
    labels: dict[str, str] = dict(meta.get("labels") or {})
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    ready = conditions.get("Ready", {})
    voter = conditions.get("EtcdIsVoter")
    return NodeState(
        name=meta.get("name", ""),
        ready=ready.get("status") == "True",
        ready_reason=_why_not_ready(ready),
        version=(status.get("nodeInfo") or {}).get("kubeletVersion", ""),
        roles=frozenset(key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)),
        voter=None if voter is None else voter.get("status") == "True",
        voter_reason="" if voter is None else voter.get("reason", ""),
        labels=labels,
        annotations=dict(meta.get("annotations") or {}),
        taints=tuple(_taint(each) for each in spec.get("taints") or []),
        addresses={each["type"]: each["address"] for each in status.get("addresses") or []},
        pod_cidrs=tuple(spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")])),
        unschedulable=bool(spec.get("unschedulable")),
        pressures=tuple(
            kind for kind in _PRESSURES if conditions.get(kind, {}).get("status") == "True"
        ),
        reported=moment(ready.get("lastHeartbeatTime")),
        given_up=ready.get("status") == "Unknown",
        resource_version=meta.get("resourceVersion", ""),
    )


def list_nodes(api: Api) -> dict[str, NodeState]:
    """Return all nodes of the cluster by name, with what their Leases say."""
    states = node_states(api)
    lives = read_lives(api)
    return {state.name: replace(state, life=lives.get(state.name)) for state in states}


def node_states(api: Api) -> list[NodeState]:
    """Return all nodes of the cluster in order of their names, without their Leases."""
    listed: Object = api.call("GET", NODES)
    return sorted(map(node_state, listed.get("items") or []), key=lambda state: state.name)


def get_node(api: Api, name: str) -> NodeState | None:
    """Return one node, without its Lease, or None if the cluster has none of that name."""
    found = find(api, node_path(name))
    return node_state(found) if found else None


def delete_node(api: Api, name: str) -> bool:
    """Take a node out of the cluster; K3s then also removes it as an etcd member.

    Returns whether there was one. Its machine would register again if its K3s still ran.
    """
    return delete(api, node_path(name))


def node_path(name: str) -> str:
    """Return the path of a node object."""
    return f"{NODES}/{segment(name)}"


def _why_not_ready(ready: Mapping[str, Any]) -> str:
    if ready.get("status") == "True":
        return ""
    if not ready:
        return "it has not reported yet"
    reason, message = ready.get("reason", ""), ready.get("message", "")
    return f"{reason}: {message}" if reason and message else reason or message or "unknown"


def _taint(taint: Mapping[str, Any]) -> Taint:
    return Taint(
        taint.get("key", ""),
        taint.get("value") or "",
        taint.get("effect", ""),
        taint.get("timeAdded") or "",
    )


def as_objects(taints: Iterable[Taint]) -> list[Object]:
    """Write taints as the API wants them."""
    written = []
    for taint in taints:
        item: Object = {"key": taint.key, "effect": taint.effect}
        if taint.value:
            item["value"] = taint.value
        if taint.time_added:
            item["timeAdded"] = taint.time_added
        written.append(item)
    return written
