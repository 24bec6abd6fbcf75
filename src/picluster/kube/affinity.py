"""Which nodes the required node affinity of a volume allows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from picluster.kube.nodes import NodeState

HOSTNAME = "kubernetes.io/hostname"


def fitting(required: Mapping[str, Any], nodes: Collection[NodeState]) -> frozenset[str]:
    """Return the allowed nodes by name; those named by their host's name that are gone included.

    A selector's terms are alternatives, and all of a term has to hold
    (https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity).
    """
    terms = required.get("nodeSelectorTerms") or []
    present = {node.name for node in nodes if any(_fits(term, node) for term in terms)}
    known = {node.labels.get(HOSTNAME, node.name) for node in nodes}
    named = {
        value
        for term in terms
        for one in term.get("matchExpressions") or []
        if one.get("key") == HOSTNAME and one.get("operator") == "In"
        for value in one.get("values") or []
    }
    return frozenset(present | (named - known))


def _fits(term: Mapping[str, Any], node: NodeState) -> bool:
    labels, fields = {HOSTNAME: node.name, **node.labels}, {"metadata.name": node.name}
    by_label, by_field = term.get("matchExpressions") or [], term.get("matchFields") or []
    return all(_holds(one, labels) for one in by_label) and all(
        _holds(one, fields) for one in by_field
    )


def _holds(requirement: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    """Judge one requirement; one whose operator is not known holds nowhere."""
    judge = _OPERATORS.get(str(requirement.get("operator")))
    value, wanted = values.get(requirement["key"]), requirement.get("values") or []
    return judge is not None and judge(value, wanted)


def _number(value: str | None = None) -> float:
    """Read a number; what is none compares with nothing."""
    return float(value) if value is not None and value.isdecimal() else float("nan")


_OPERATORS: dict[str, Callable[[str | None, Sequence[str]], bool]] = {
    "In": lambda value, wanted: value in wanted,
    "NotIn": lambda value, wanted: value not in wanted,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, wanted: _number(value) > _number(*wanted),
    "Lt": lambda value, wanted: _number(value) < _number(*wanted),
}
