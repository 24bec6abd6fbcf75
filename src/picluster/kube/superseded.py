"""Pods that hold their StatefulSet up: of an older version of it, and never ready.

A StatefulSet replaces its pods one after the other, and waits for each to be ready before the next
is touched, the broken one too: a version that never ran is not replaced by one that would. That is
Kubernetes' documented behaviour, and the pod has to be deleted by hand
(kubernetes.io/docs/concepts/workloads/controllers/statefulset, "Forced rollback").
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from typing import Any

from picluster.kube.pods import PodState
from picluster.kube.troubles import Trouble


class MayGo(enum.Enum):
    """Which pods that hold their StatefulSet up may be deleted."""

    NOBODY = "nobody"
    """Whose pods they are has not agreed."""
    IDLE = "idle"
    """What does nothing at the moment.

    What runs may be a database in the middle of its first start, which must not be cut off; it may
    become ready yet, and is then replaced by Kubernetes.
    """
    ANYBODY = "anybody"
    """The user asked for it."""

    def allows(self, pod: PodState) -> bool:
        """Whether this one may, as observed."""
        return self is MayGo.ANYBODY or (self is MayGo.IDLE and _is_idle(pod))


def _is_idle(pod: PodState) -> bool:
    return not any(container.running for container in pod.containers)


def holding_up(live: Mapping[str, Any], pods: Sequence[PodState]) -> tuple[PodState, ...]:
    """Return the pods that a StatefulSet waits for, and whose version it wants no more; pure.

    None where Kubernetes replaces them itself (`Parallel`), was told not to (`OnDelete`, a
    partition), or has not seen the present specification yet.
    """
    spec, status = live.get("spec") or {}, live.get("status") or {}
    meta = live.get("metadata") or {}
    strategy = spec.get("updateStrategy") or {}
    wanted = status.get("updateRevision") or ""
    seen = int(status.get("observedGeneration") or 0) >= int(meta.get("generation") or 0)
    ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    if not (wanted and seen and ordered) or strategy.get("type", "RollingUpdate") == "OnDelete":
        return ()
    first = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    first += int((spec.get("ordinals") or {}).get("start") or 0)
    of_this = re.compile(rf"{re.escape(str(meta.get('name', '')))}-(\d+)")
    return tuple(
        pod
        for pod in pods
        if (number := of_this.fullmatch(pod.name)) and int(number[1]) >= first
        if pod.revision not in ("", wanted)
        if pod.never_ready and not pod.leaving
    )


def trouble_with(pod: PodState) -> Trouble:
    """Say what a pod that holds its StatefulSet up means, and what to do about it."""
    by_hand = f"kubectl -n {pod.namespace} delete pod {pod.name}"
    return Trouble(
        "older version",
        "it is of an older version that was never ready, and Kubernetes does not replace it",
        f"delete it, volumes stay: `picluster deploy --fix`, or `{by_hand}`",
        lasting=_is_idle(pod),
    )
