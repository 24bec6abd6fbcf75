"""A volume that is given up: its claim is made anew, so that its application starts with nothing.

Kubernetes keeps a claim bound for ever to the volume that it was bound to first, also when that is
gone with its node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from picluster.kube.api import FIELD_MANAGER, Api, Object, segment
from picluster.kube.apply import apply
from picluster.kube.objects import delete, find
from picluster.kube.removal import wait_until_gone

if TYPE_CHECKING:
    from picluster.engine.place import Progress

_OF_THE_BINDING = ("pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/")
_GONE_SECONDS = 180.0
"""Pods of a node that is gone are collected after a minute or so; until then they hold a claim."""


def give_up(
    api: Api, claim: tuple[str, str] | None, persistent_volume: str, progress: Progress
) -> None:
    """Delete a volume, and make its claim (namespace, name) again as it was asked for at first.

    The pods that use it are deleted; what runs them makes them again. An empty `persistent_volume`
    is left to the storage system that it belongs to. Data on disks is not touched. Raises
    `WaitFailed` if the claim does not go.
    """
    former = _deleted(api, *claim, progress) if claim else None
    if persistent_volume:
        delete(api, f"/api/v1/persistentvolumes/{segment(persistent_volume)}")
    if former is not None:
        _make(api, former)


def _deleted(api: Api, namespace: str, claim: str, progress: Progress) -> Object | None:
    """Delete a claim, wait until it is gone, and return it as it was; None if there was none."""
    path = f"{_claims(namespace)}/{segment(claim)}"
    former = find(api, path)
    if former is not None:
        delete(api, path)
        _delete_users(api, namespace, claim)
        what = f"the claim {namespace}/{claim}"
        wait_until_gone(api, path, former, what, progress, timeout=_GONE_SECONDS)
    return former


def _delete_users(api: Api, namespace: str, claim: str) -> None:
    """Delete the pods with a node that use the claim: as long as there are any, it does not go."""
    place = f"/api/v1/namespaces/{segment(namespace)}/pods"
    for pod in api.call("GET", place).get("items") or []:
        volumes = pod["spec"].get("volumes") or []
        names = [(each.get("persistentVolumeClaim") or {}).get("claimName") for each in volumes]
        if claim in names and pod["spec"].get("nodeName"):
            delete(api, f"{place}/{segment(pod['metadata']['name'])}")


def _make(api: Api, former: Object) -> None:
    """Make a claim again, unless what runs its pods has done so already.

    Of what picluster applied, only that is applied again: a field that others had filled in would
    else be taken away by the next `up`, which Kubernetes refuses for a claim.
    """
    wanted = as_asked_for(former)
    place = _claims(former["metadata"]["namespace"])
    if find(api, f"{place}/{segment(former['metadata']['name'])}") is not None:
        return
    applied = _fields_applied(former)
    if applied is None:
        api.call("POST", place, query={"fieldManager": FIELD_MANAGER}, body=wanted)
        return
    identity = {"name": former["metadata"]["name"], "namespace": former["metadata"]["namespace"]}
    own = _only(wanted, applied)
    metadata = {**own.get("metadata", {}), **identity}
    apply(api, {"apiVersion": "v1", "kind": wanted["kind"], **own, "metadata": metadata})


def _claims(namespace: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/persistentvolumeclaims"


def as_asked_for(claim: Object) -> Object:
    """Return a claim without what its binding has made of it. Pure."""
    meta = claim["metadata"]
    notes = {
        key: value
        for key, value in (meta.get("annotations") or {}).items()
        if not key.startswith(_OF_THE_BINDING)
    }
    kept = {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "labels": meta.get("labels"),
        "annotations": notes,
        "ownerReferences": meta.get("ownerReferences"),
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {key: value for key, value in kept.items() if value},
        "spec": {key: value for key, value in claim["spec"].items() if key != "volumeName"},
    }


def _fields_applied(claim: Object) -> Mapping[str, Any] | None:
    """Return which fields picluster applied, as Kubernetes records it (FieldsV1); None if none."""
    for entry in claim["metadata"].get("managedFields") or []:
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply"):
            fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
            return fields
    return None


def _only(value: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object that are listed (`f:NAME`, nested); lists as a whole."""
    found = {}
    for name, inner in fields.items():
        key = name.removeprefix("f:")
        if key in value:
            whole = not inner or not isinstance(value[key], Mapping)
            found[key] = value[key] if whole else _only(value[key], inner)
    return found
