"""Which objects are picluster's: noted in the cluster, by part, before they are applied."""

from __future__ import annotations

import json
from collections.abc import Sequence

from picluster.kube.api import NOTES, Api, Object
from picluster.kube.apply import apply, ensure_namespace
from picluster.kube.errors import NotFound
from picluster.kube.kinds import object_path
from picluster.kube.objects import find, items
from picluster.steps.manifests.objects import PART_LABEL, Identity

_NAMESPACE = "picluster"
_PREFIX = "objects-of-"


def objects_of(api: Api, part: str) -> list[Identity]:
    """Return what was applied for a part, and not deleted since by picluster."""
    try:
        found: Object = api.call("GET", object_path(api, _manifest(part, ())))
        rows = json.loads((found.get("data") or {}).get("objects") or "[]")
        return [Identity(*map(str, row)) for row in rows]
    except (NotFound, ValueError, TypeError, RecursionError):
        return []


def note_objects(api: Api, part: str, listed: Sequence[Identity]) -> None:
    """Note what a part has, or is about to have."""
    ensure_namespace(api, _NAMESPACE)
    apply(api, _manifest(part, listed), force=True)


def parts_applied(api: Api) -> list[str]:
    """Return the parts that were ever applied to the cluster."""
    names = [item["metadata"]["name"] for item in items(api, NOTES)]
    return [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]


def is_ours(api: Api, which: Identity, part: str) -> bool:
    """Whether the object is there, and nobody made it theirs by taking the part's label off."""
    try:
        live = find(api, object_path(api, which.manifest)) or {}
    except NotFound:  # nor is its kind
        return False
    return ((live.get("metadata") or {}).get("labels") or {}).get(PART_LABEL) == part


def _manifest(part: str, listed: Sequence[Identity]) -> Object:
    rows = [[each.api_version, each.kind, each.namespace, each.name] for each in listed]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{_PREFIX}{part}",
            "namespace": _NAMESPACE,
            "labels": {PART_LABEL: "picluster"},
        },
        "data": {"objects": json.dumps(rows)},
    }
