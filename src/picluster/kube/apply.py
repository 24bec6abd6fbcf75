"""Server-side apply: say what should be, as field manager `picluster`, and learn what changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from picluster.kube.api import APPLY_PATCH, FIELD_MANAGER, Api, Object
from picluster.kube.errors import Conflict, NotFound
from picluster.kube.fielddiff import FieldChange, field_diff
from picluster.kube.kinds import object_path
from picluster.kube.objects import find

Outcome: TypeAlias = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying did, or would do.

    `checked` is False where a dry run had nothing to ask the server about, because the namespace or
    the kind of the object is itself still to come; `object` is then the manifest.
    """

    outcome: Outcome
    diff: tuple[FieldChange, ...]
    object: Object
    checked: bool = True


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that somebody else set: its path, and the other manager's name."""

    field: str
    manager: str

    def __str__(self) -> str:
        return f"{self.field} is managed by {self.manager}"


@dataclass(frozen=True, slots=True)
class Conflicted:
    """Nothing was applied, because these fields belong to others; `force=True` takes them over."""

    conflicts: tuple[FieldConflict, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.conflicts))


def apply(
    api: Api, manifest: Object, *, force: bool = False, dry_run: bool = False
) -> Applied | Conflicted:
    """Apply one object. Fields that picluster set before and that are no longer in it go away.

    `dry_run` has the server do everything but keep it: defaults, validation and admission included.
    Raises `NotFound` if its namespace or kind is not there (not in a dry run), `ApiRefused` if it
    is invalid.
    """
    try:
        path = object_path(api, manifest)
        before = find(api, path)
        after = _patch(api, path, manifest, force=force, dry_run=dry_run)
    except NotFound:
        if not dry_run:
            raise
        return Applied("created", field_diff(None, manifest), manifest, checked=False)
    except Conflict as conflict:
        owned = tuple(
            FieldConflict(cause.get("field", ""), _manager(cause.get("message", "")))
            for cause in conflict.causes
            if cause.get("reason") == "FieldManagerConflict"
        )
        if not owned:
            raise
        return Conflicted(owned)
    if before is None:
        return Applied("created", field_diff(None, after), after)
    diff = field_diff(before, after)
    return Applied("changed" if diff else "unchanged", diff, after)


def ensure_namespace(
    api: Api, name: str, *, labels: dict[str, str] | None = None, dry_run: bool = False
) -> Applied | Conflicted:
    """Make sure that a namespace exists, with these labels; labels of others stay."""
    metadata: Object = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    return apply(api, manifest, dry_run=dry_run)


def _patch(api: Api, path: str, manifest: Object, *, force: bool, dry_run: bool) -> Object:
    query = {"fieldManager": FIELD_MANAGER}
    if force:
        query["force"] = "true"
    if dry_run:
        query["dryRun"] = "All"
    applied: Object = api.call("PATCH", path, query=query, body=manifest, content_type=APPLY_PATCH)
    return applied


def _manager(message: str) -> str:
    """Take the name out of `conflict with "kubectl" using v1`."""
    quoted = re.search(r'"([^"]*)"', message)
    return quoted[1] if quoted else "somebody else"
