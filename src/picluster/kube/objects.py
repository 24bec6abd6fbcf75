"""Objects that may not be there: found or not, listed, deleted if there were any."""

from __future__ import annotations

from typing import Literal, TypeAlias

from picluster.kube.api import Api, Object
from picluster.kube.errors import NotFound

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]


def find(api: Api, path: str) -> Object | None:
    """Return an object, or None if there is none."""
    try:
        found: Object = api.call("GET", path)
    except NotFound:
        return None
    return found


def items(api: Api, path: str) -> list[Object]:
    """List a kind; one that the cluster does not have, such as Longhorn's, has no objects."""
    return (find(api, path) or {}).get("items") or []


def delete(api: Api, path: str, *, propagation: Propagation = "Background") -> bool:
    """Delete an object, and what belongs to it; return whether there was one."""
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    try:
        api.call("DELETE", path, body=body)
    except NotFound:
        return False
    return True
