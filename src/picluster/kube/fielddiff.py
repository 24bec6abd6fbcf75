"""What differs between two versions of an object, field by field, for plans and recaps. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from picluster.secret import MASK

ABSENT: Final = "<absent>"
_SERVER_KEPT = frozenset(
    {"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"}
)
# An annotation of kubectl's holds a copy of the whole object.
_SECRET_PARTS = ("data", "stringData", "metadata.annotations")
_LIST_KEYS = ("name", "key", "type", "containerPort", "port", "mountPath", "ip")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: its path such as `spec.containers[web].image`, and the value before and after.

    A field that is not there is `ABSENT`.
    """

    path: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"


def field_diff(
    before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> tuple[FieldChange, ...]:
    """Compare two versions of an object; None before means that there was none.

    The server's bookkeeping and `status` are left out. Values of a Secret are masked, so that only
    the names of what changes can be seen.
    """
    secret = after.get("kind") == "Secret"
    old, new = _wanted_part(before or {}), _wanted_part(after)
    changes = _differences("", old, new)
    return tuple(_masked(change) if secret else change for change in changes)


def _wanted_part(manifest: Mapping[str, Any]) -> dict[str, Any]:
    part = {key: value for key, value in manifest.items() if key != "status"}
    meta = manifest.get("metadata") or {}
    part["metadata"] = {key: value for key, value in meta.items() if key not in _SERVER_KEPT}
    return part


def _differences(path: str, before: object, after: object) -> Iterator[FieldChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(inner, before.get(key, ABSENT), after.get(key, ABSENT))
    elif _is_list(before) and _is_list(after):
        old, new = _by_key(before), _by_key(after)
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(f"{path}[{key}]", old.get(key, ABSENT), new.get(key, ABSENT))
    elif before is not after and (before != after or type(before) is not type(after)):
        yield FieldChange(path, before, after)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _by_key(listed: Any) -> dict[str, object]:
    """Name a list's items by what identifies them, so that an insertion is one change, not many."""
    for key in _LIST_KEYS:
        names = [item.get(key) if isinstance(item, Mapping) else None for item in listed]
        if None not in names and len(set(map(str, names))) == len(names):
            return {str(name): item for name, item in zip(names, listed, strict=True)}
    return {str(index): item for index, item in enumerate(listed)}


def _masked(change: FieldChange) -> FieldChange:
    if not change.path.startswith(_SECRET_PARTS):
        return change
    return FieldChange(change.path, _mask(change.before), _mask(change.after))


def _mask(value: object) -> object:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, MASK)
    return value if value == ABSENT else MASK
