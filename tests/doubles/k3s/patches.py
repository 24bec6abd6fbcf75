"""How Kubernetes changes objects: the four kinds of patches, and who owns which field. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from .log import now
from .store import Object

Path: TypeAlias = tuple[str, ...]
"""`f:name` for a field, `k:{"name":"x"}` for an item of a keyed list."""
Owner: TypeAlias = tuple[str, str, str]
"""Manager, operation (Apply or Update), subresource."""

_NAMED = """containers initContainers ephemeralContainers volumes env webhooks imagePullSecrets
secrets"""
_KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_NAMED.split(), ("name",)),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "conditions": ("type",),
    "addresses": ("type",),
    "hostAliases": ("ip",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_PORTS = (("containerPort", "protocol"), ("port", "protocol"))
_UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{field}")
        for field in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ]
    ),
}


class BadPatch(Exception):
    """The patch does not fit the object."""


class ApplyConflict(Exception):
    """Others own fields that an apply would change: path and owner of each."""

    def __init__(self, fields: list[tuple[Path, Owner]]) -> None:
        super().__init__("apply conflict")
        self.fields = fields


def _list_keys(field: str, items: list[Any]) -> tuple[str, ...]:
    """Return which fields identify the items of a list; none if it counts as one value."""
    if not items or not all(isinstance(item, dict) for item in items):
        return ()
    candidates = _PORTS if field == "ports" else (_KEYS.get(field, ()),)
    for keys in candidates:
        if keys and all(keys[0] in item for item in items):
            return keys
    return ()


def _item_key(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    found = {key: item.get(key, "TCP" if key == "protocol" else "") for key in keys}
    return "k:" + json.dumps(found, sort_keys=True, separators=(",", ":"))


def leaves(value: Any, *, keyed: bool, path: Path = (), field: str = "") -> Iterator[Path]:
    """Return every field that is set, as paths. `keyed` is for kinds whose lists have keys."""
    if path in _UNOWNED or (path == ("f:metadata",) and not value):
        return
    if isinstance(value, dict) and (value or not path):
        for name, inner in value.items():
            yield from leaves(inner, keyed=keyed, path=(*path, f"f:{name}"), field=name)
    elif isinstance(value, list) and keyed and (keys := _list_keys(field, value)):
        for item in value:
            here = (*path, _item_key(item, keys))
            yield here
            yield from leaves(item, keyed=keyed, path=here)
    else:
        yield path


def value_at(value: Any, path: Path, field: str = "") -> Any:
    """Return what is at a path; None if there is nothing."""
    for step in path:
        if step.startswith("f:"):
            field = step[2:]
            value = value.get(field) if isinstance(value, dict) else None
        else:
            value = _find(value, step, field)
        if value is None:
            return None
    return value


def _find(items: Any, step: str, field: str) -> Any:
    if not isinstance(items, list):
        return None
    keys = _list_keys(field, items)
    return next((item for item in items if keys and _item_key(item, keys) == step), None)


def _identifies(path: Path) -> bool:
    """Whether the field is what the item of a keyed list around it is found by."""
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in json.loads(path[-2][2:])


def _remove(value: Any, path: Path, field: str = "") -> None:
    """Take out what is at a path, and maps that are empty then."""
    first, rest = path[0], path[1:]
    if first.startswith("f:"):
        name = first[2:]
        if not isinstance(value, dict) or name not in value:
            return
        if rest:
            _remove(value[name], rest, name)
        if not rest or value[name] in ({}, []):
            del value[name]
        return
    item = _find(value, first, field)
    if item is None:
        return
    if rest:
        _remove(item, rest)
    else:
        value.remove(item)


def merged(live: Any, change: Any, *, keyed: bool, nulls: bool, field: str = "") -> Any:
    """Return `live` with `change` merged into it; `nulls` delete, keyed lists merge by item."""
    if isinstance(change, dict):
        base = dict(live) if isinstance(live, dict) else {}
        for name, inner in change.items():
            if name.startswith("$"):
                continue
            if inner is None and nulls:
                base.pop(name, None)
            else:
                base[name] = merged(base.get(name), inner, keyed=keyed, nulls=nulls, field=name)
        return base
    if isinstance(change, list) and keyed and isinstance(live, list) and live:
        keys = _list_keys(field, [*live, *change]) or _taint_keys(field, nulls)
        if keys:
            return _merged_items(live, change, keys, nulls)
    return copy.deepcopy(change)


def _taint_keys(field: str, strategic: bool) -> tuple[str, ...]:
    return ("key",) if field == "taints" and strategic else ()


def _merged_items(live: list[Any], change: list[Any], keys: tuple[str, ...], nulls: bool) -> Any:
    if any(item.get("$patch") == "replace" for item in change):
        return [item for item in change if "$patch" not in item]
    found = {_item_key(item, keys): item for item in live}
    for item in change:
        key = _item_key(item, keys)
        if item.get("$patch") == "delete":
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), item, keyed=True, nulls=nulls)
    return list(found.values())


def json_patch(live: Any, operations: Any) -> Any:
    """Apply RFC 6902. Raises `BadPatch`."""
    document = copy.deepcopy(live)
    try:
        for operation in operations:
            document = _json_operation(document, operation)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as problem:
        raise BadPatch(f"the server rejected our request: {problem}") from None
    return document


def _json_operation(document: Any, operation: Mapping[str, Any]) -> Any:
    verb, path = operation["op"], operation["path"]
    if verb == "test":
        if _pointed(document, path) != operation["value"]:
            raise ValueError(f"testing value {path} failed")
        return document
    value = operation.get("value")
    if verb in ("move", "copy"):
        value = copy.deepcopy(_pointed(document, operation["from"]))
        if verb == "move":
            _point(document, operation["from"], "remove", None)
    if not path:
        return value
    _point(document, path, "add" if verb in ("move", "copy") else verb, value)
    return document


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _pointed(document: Any, pointer: str) -> Any:
    for step in _steps(pointer):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _point(document: Any, pointer: str, verb: str, value: Any) -> None:
    *way, last = _steps(pointer)
    for step in way:
        document = document[int(step)] if isinstance(document, list) else document[step]
    if isinstance(document, list):
        at = len(document) if last == "-" else int(last)
        if verb == "add":
            document.insert(at, value)
        elif verb == "replace":
            document[at] = value
        else:
            del document[at]
    elif verb == "remove" or (verb == "replace" and last not in document):
        del document[last]
    else:
        document[last] = value


# --- ownership ---------------------------------------------------------------------------------


def owners(live: Object) -> dict[Owner, set[Path]]:
    """Read `managedFields`."""
    found: dict[Owner, set[Path]] = {}
    for entry in live["metadata"].get("managedFields") or []:
        owner = (entry["manager"], entry["operation"], entry.get("subresource", ""))
        found[owner] = set(_decoded(entry.get("fieldsV1") or {}))
    return found


def _decoded(fields: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    if path and not fields:
        yield path
    for name, inner in fields.items():
        if name == ".":
            yield path
        else:
            yield from _decoded(inner, (*path, name))


def write_owners(
    obj: Object, found: Mapping[Owner, set[Path]], before: Object | None, version: str
) -> None:
    """Write `managedFields` into an object; entries that did not change keep their time."""
    old = (before or {"metadata": {}})["metadata"].get("managedFields") or []
    times = {
        (e["manager"], e["operation"], e.get("subresource", "")): (e["fieldsV1"], e["time"])
        for e in old
    }
    entries = []
    for owner, paths in sorted(found.items()):
        if not paths:
            continue
        fields = _encoded(paths)
        same = owner in times and times[owner][0] == fields
        entry: Object = {
            "manager": owner[0],
            "operation": owner[1],
            "apiVersion": version,
            "time": times[owner][1] if same else now(),
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        entries.append({**entry, "subresource": owner[2]} if owner[2] else entry)
    obj["metadata"]["managedFields"] = entries


def _encoded(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        here = tree
        for step in path:
            here = here.setdefault(step, {})
        if path[-1].startswith("k:"):
            here["."] = {}
    return tree


def applied(
    live: Object | None, want: Object, owner: Owner, *, keyed: bool, force: bool
) -> tuple[Object, dict[Owner, set[Path]]]:
    """Server-side apply. Raises `ApplyConflict`. Returns the object, and who owns what then."""
    paths = set(leaves(want, keyed=keyed))
    owned = owners(live) if live else {}
    others = {who: theirs for who, theirs in owned.items() if who != owner}
    conflicts = [
        (path, who)
        for who, theirs in others.items()
        for path in sorted(paths & theirs)
        if not path[-1].startswith("k:") and value_at(want, path) != value_at(live, path)
    ]
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    for path, who in conflicts:
        others[who].discard(path)
    result = merged(copy.deepcopy(live or {}), want, keyed=keyed, nulls=False)
    kept = set().union(*others.values()) if others else set()
    for path in sorted(owned.get(owner, set()) - paths - kept, key=len):
        if not _identifies(path) and not any(other[: len(path)] == path for other in kept | paths):
            _remove(result, path)
    return result, {**others, owner: paths}


def updated(
    before: Object | None, after: Object, owner: Owner, *, keyed: bool
) -> dict[Owner, set[Path]]:
    """Return who owns what after a plain write: the writer owns all that it changed."""
    owned = owners(before) if before else {}
    present = set(leaves(after, keyed=keyed))
    changed = {
        path
        for path in present
        if before is None
        or (
            value_at(before, path) is None
            if path[-1].startswith("k:")
            else value_at(before, path) != value_at(after, path)
        )
    }
    result = {who: (theirs & present) - changed for who, theirs in owned.items()}
    result[owner] = result.get(owner, set()) | changed
    return result


def shown(path: Path) -> str:
    """Write a path as Kubernetes does in messages: `.spec.ports[port=80,protocol="TCP"].name`."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            name = step[2:]
            text += f".{name}"
        else:
            pairs = json.loads(step[2:]).items()
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in pairs) + "]"
    return text
