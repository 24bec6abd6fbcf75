"""When each node was last heard of: its Lease, which a kubelet renews every ten seconds.

A kubelet writes the status of its node only when something in it changes, and every five minutes
(`nodeStatusReportFrequency`), so the times in there do not say whether it lives. The node
controller goes by the Lease too (kubernetes.io/docs/concepts/architecture/nodes, "Node
heartbeats").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picluster.kube.api import Api, Object, segment
from picluster.kube.objects import find
from picluster.kube.times import moment

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_KUBELETS_DURATION = 40.0  # nodeLeaseDurationSeconds, where a Lease does not say it

UNCERTAINTY = 10.0
"""Seconds by which the clocks of servers may differ. With it, a node is given up after as long as
the node controller takes since Kubernetes 1.32 (`--node-monitor-grace-period`, 50 s)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A node's Lease. Times are in seconds since 1970.

    `renewed` is by the node's clock; `written` by that of the API server that stored the renewal,
    None where it did not record it. `lasts` is for how many seconds one renewal counts.
    """

    node: str
    renewed: float
    written: float | None = None
    lasts: float = _KUBELETS_DURATION


@dataclass(frozen=True, slots=True)
class Life:
    """How long nothing was heard of a node, in seconds, and how long its silence is no news."""

    silent: float
    lasts: float

    @property
    def alive(self) -> bool:
        """Whether its silence may be over before anybody has to worry."""
        return self.silent <= self.lasts + UNCERTAINTY


def lease_of(lease: Mapping[str, Any]) -> Lease | None:
    """Read one Lease object; None for one that was never renewed."""
    meta, spec = lease.get("metadata") or {}, lease.get("spec") or {}
    renewed = moment(spec.get("renewTime"))
    if renewed is None:
        return None
    stored = [moment(each.get("time")) for each in meta.get("managedFields") or []]
    return Lease(
        node=meta.get("name", ""),
        renewed=renewed,
        written=max((each for each in stored if each is not None), default=None),
        lasts=float(spec.get("leaseDurationSeconds") or _KUBELETS_DURATION),
    )


def life_of(lease: Lease, now: float) -> Life | None:
    """Judge a Lease at a time of the API server's; None if no clock can be right.

    A node whose clock is wrong lives all the same: what counts is when its renewal arrived, and
    its own word only where that is younger. A time to come is nobody's.
    """
    times = [each for each in (lease.renewed, lease.written) if each is not None]
    past = [each for each in times if each <= now + UNCERTAINTY]
    return Life(max(0.0, now - max(past)), lease.lasts) if past else None


def read_lease(api: Api, node: str) -> Lease | None:
    """Return one node's Lease, or None if there is none."""
    found = find(api, f"{LEASES}/{segment(node)}")
    return lease_of(found) if found else None


def read_lives(api: Api) -> dict[str, Life]:
    """Return how long each node has been silent, of those that are known to have spoken."""
    listed: Object = api.call("GET", LEASES)
    now = api.clock
    if now is None:
        return {}
    leases = filter(None, map(lease_of, listed.get("items") or []))
    lives = {lease.node: life_of(lease, now) for lease in leases}
    return {node: life for node, life in lives.items() if life is not None}
