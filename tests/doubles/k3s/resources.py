"""Reading and changing objects as the Kubernetes API does: checks, versions, owners, deletion."""

from __future__ import annotations

import copy
import re
import uuid
from dataclasses import dataclass
from typing import Any

from . import patches
from .controllers import forget, settle
from .kinds import Kind
from .lifetime import marked_as_leaving
from .log import now
from .members import Transaction
from .store import Key, Object

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")


class ApiError(Exception):
    """An answer with a Status object."""

    def __init__(
        self, status: int, reason: str, message: str, details: Object | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.details = details

    def as_object(self) -> Object:
        """Return the Status."""
        found: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status,
        }
        return {**found, "details": self.details} if self.details else found


@dataclass(frozen=True, slots=True)
class Place:
    """What a request is about, and who asks: a kind, a namespace, a name, a subresource."""

    kind: Kind
    version: str
    namespace: str
    name: str
    sub: str
    manager: str

    @property
    def api_version(self) -> str:
        """Return `apiVersion` as objects show it."""
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version

    @property
    def resource(self) -> str:
        """Return the kind as messages name it: `deployments.apps`."""
        return f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural

    @property
    def key(self) -> Key:
        """Return the key in the store."""
        return (self.kind.group, self.kind.plural, self.namespace, self.name)

    def details(self, causes: list[Object] | None = None) -> Object:
        """Return the details of a Status."""
        found: Object = {"name": self.name, "group": self.kind.group, "kind": self.kind.plural}
        return {**found, "causes": causes} if causes else found

    def missing(self) -> ApiError:
        """Return the error for an object that is not there."""
        return ApiError(404, "NotFound", f'{self.resource} "{self.name}" not found', self.details())

    def invalid(self, field: str, why: str) -> ApiError:
        """Return the error for an object that is not valid."""
        message = f'{self.kind.name} "{self.name}" is invalid: {field}: {why}'
        causes = [{"reason": "FieldValueInvalid", "message": why, "field": field}]
        return ApiError(422, "Invalid", message, self.details(causes))


def create(change: Transaction, place: Place, body: Object) -> Object:
    """Make an object from a plain POST."""
    if change.get(place.key) is not None:
        message = f'{place.resource} "{place.name}" already exists'
        raise ApiError(409, "AlreadyExists", message, place.details())
    obj = _admitted(change, place, body)
    owner = (place.manager, "Update", "")
    _own(obj, patches.updated(None, obj, owner, keyed=not place.kind.custom), None, place)
    return _write(change, place, obj, None)


def update(change: Transaction, place: Place, body: Object) -> Object:
    """Replace an object by a PUT."""
    live = _live(change, place, body)
    return _changed(change, place, live, copy.deepcopy(body))


def patch(change: Transaction, place: Place, body: Any, kind: str) -> Object:
    """Change an object by a merge, strategic merge or JSON patch."""
    live = change.get(place.key)
    if live is None:
        raise place.missing()
    keyed = "strategic" in kind and not place.kind.custom
    try:
        if "json-patch" in kind:
            after = patches.json_patch(live, body)
        else:
            after = patches.merged(copy.deepcopy(live), body, keyed=keyed, nulls=True)
    except patches.BadPatch as problem:
        raise ApiError(422, "Invalid", str(problem), place.details()) from None
    if isinstance(body, dict) and "resourceVersion" not in (body.get("metadata") or {}):
        after["metadata"].pop("resourceVersion", None)
    _live(change, place, after)
    return _changed(change, place, live, after)


def apply(change: Transaction, place: Place, body: Object, *, force: bool) -> Object:
    """Server-side apply."""
    live = change.get(place.key)
    if live is None and place.sub:
        raise place.missing()
    want = _without_status(place, _pruned(copy.deepcopy(body)))
    want["metadata"].pop("managedFields", None)
    owner = (place.manager, "Apply", place.sub)
    base = live
    if live is None:
        want = _admitted(change, place, want)
        intent = {**_without_status(place, _pruned(body)), "metadata": dict(body["metadata"])}
        owned = {owner: set(patches.leaves(intent, keyed=not place.kind.custom))}
        result = want
    else:
        try:
            result, owned = patches.applied(
                base, want, owner, keyed=not place.kind.custom, force=force
            )
        except patches.ApplyConflict as conflict:
            raise _conflict(place, conflict) from None
        result["metadata"] = {**result["metadata"], **_identity(live)}
    _own(result, owned, live, place)
    if live is not None and _same(live, result):
        return live
    return _write(change, place, _admitted(change, place, result, live), live)


def delete(change: Transaction, place: Place, body: Object) -> Object:
    """Take an object out, or mark it if it has finalizers."""
    live = change.get(place.key)
    if live is None:
        raise place.missing()
    wanted = body.get("preconditions") or {}
    for name, field in (("uid", "uid"), ("resourceVersion", "resourceVersion")):
        if wanted.get(name) and wanted[name] != live["metadata"].get(field):
            message = f"Precondition failed: {name} in precondition: {wanted[name]}"
            raise ApiError(409, "Conflict", message, place.details())
    if place.key[:2] == ("", "pods"):
        leaving = marked_as_leaving(live, body.get("deleteOptions") or body)
        if leaving is not None:
            return live if leaving == live else change.put(place.key, leaving)
    if live["metadata"].get("finalizers"):
        if "deletionTimestamp" in live["metadata"]:
            return live
        marked = copy.deepcopy(live)
        marked["metadata"]["deletionTimestamp"] = now()
        return change.put(place.key, marked)
    remove(change, place.key, live)
    details = {**place.details(), "uid": live["metadata"]["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def remove(change: Transaction, key: Key, live: Object) -> None:
    """Take an object out with all that depends on it."""
    change.delete(key)
    forget(change, key, live)
    for other, obj in list(change.store.objects.items()):
        if change.get(other) is None:
            continue
        owned = obj["metadata"].get("ownerReferences") or ()
        inside = key[1] == "namespaces" and other[2] == key[3]
        of_kind = (
            key[1] == "customresourcedefinitions"
            and other[:2] == (live["spec"]["group"], live["spec"]["names"]["plural"])
        )  # fmt: skip
        if inside or of_kind or any(ref["uid"] == live["metadata"]["uid"] for ref in owned):
            remove(change, other, obj)


def _live(change: Transaction, place: Place, body: Object) -> Object:
    live = change.get(place.key)
    if live is None:
        raise place.missing()
    meta = body.get("metadata") or {}
    version = meta.get("resourceVersion")
    if version and version != live["metadata"]["resourceVersion"]:
        message = (
            f'Operation cannot be fulfilled on {place.resource} "{place.name}": the object has '
            "been modified; please apply your changes to the latest version and try again"
        )
        raise ApiError(409, "Conflict", message, place.details())
    if meta.get("name", place.name) != place.name:
        raise place.invalid("metadata.name", "field is immutable")
    return live


def _changed(change: Transaction, place: Place, live: Object, after: Object) -> Object:
    if place.sub == "status":
        after = {**live, "status": after.get("status", {})}
    elif place.kind.status and "status" in live:
        after["status"] = live["status"]
    after = {**after, "metadata": {**(after.get("metadata") or {}), **_identity(live)}}
    after["metadata"]["managedFields"] = live["metadata"].get("managedFields", [])
    if _same(live, after):
        return live
    after = _admitted(change, place, after, live)
    owner = (place.manager, "Update", place.sub)
    _own(after, patches.updated(live, after, owner, keyed=not place.kind.custom), live, place)
    return _write(change, place, after, live)


def _write(change: Transaction, place: Place, obj: Object, live: Object | None) -> Object:
    meta = obj["metadata"]
    if live is not None:
        ignored = ("metadata", "status")
        spec = {key: value for key, value in obj.items() if key not in ignored}
        old = {key: value for key, value in live.items() if key not in ignored}
        if spec != old and "generation" in meta:
            meta["generation"] += 1
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            remove(change, place.key, live)
            return obj
    if place.sub != "status":
        obj = settle(change, place.key, obj)
    if live is not None and _same(live, obj):
        return live
    return change.put(place.key, obj)


def _admitted(
    change: Transaction, place: Place, body: Object, live: Object | None = None
) -> Object:
    """Check and complete an object."""
    obj = copy.deepcopy(body)
    kind = obj.get("kind", place.kind.name)
    if kind != place.kind.name or obj.get("apiVersion", place.api_version) != place.api_version:
        message = (
            f"the API version in the data ({obj.get('apiVersion')}, Kind={kind}) does not match "
            f"the expected API version ({place.api_version}, Kind={place.kind.name})"
        )
        raise ApiError(400, "BadRequest", message)
    obj["kind"], obj["apiVersion"] = place.kind.name, place.api_version
    meta = obj.setdefault("metadata", {})
    meta["name"] = place.name
    if place.namespace:
        meta["namespace"] = place.namespace
        if live is None and change.get(("", "namespaces", "", place.namespace)) is None:
            message = f'namespaces "{place.namespace}" not found'
            details = {"name": place.namespace, "kind": "namespaces"}
            raise ApiError(404, "NotFound", message, details)
    _check(place, obj)
    if live is None:
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        meta.pop("resourceVersion", None)
        if "spec" in obj or place.kind.custom:
            meta["generation"] = 1
        if place.kind.status and place.sub != "status" and not place.kind.custom:
            obj.setdefault("status", {})
    return obj


def _check(place: Place, obj: Object) -> None:
    rbac = place.kind.group == "rbac.authorization.k8s.io"
    if not rbac and not _NAME.match(place.name):
        why = f'Invalid value: "{place.name}": a lowercase RFC 1123 subdomain must consist of lower'
        raise place.invalid("metadata.name", f"{why} case alphanumeric characters, '-' or '.'")
    for name, value in (obj["metadata"].get("labels") or {}).items():
        if not isinstance(value, str) or len(value) > 63 or not _LABEL.match(value):
            raise place.invalid(
                "metadata.labels", f'Invalid value: "{value}": a valid label must be ({name})'
            )
    if place.kind.group == "apps" and place.kind.plural != "controllerrevisions":
        spec = obj.get("spec") or {}
        selector = (spec.get("selector") or {}).get("matchLabels") or {}
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        if not selector and not (spec.get("selector") or {}).get("matchExpressions"):
            raise place.invalid("spec.selector", "Required value")
        if any(labels.get(name) != value for name, value in selector.items()):
            why = f"Invalid value: {labels}: `selector` does not match template `labels`"
            raise place.invalid("spec.template.metadata.labels", why)


def _identity(live: Object) -> Object:
    fields = ("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation")
    kept = {field: live["metadata"][field] for field in fields if field in live["metadata"]}
    if "deletionTimestamp" in live["metadata"]:
        kept["deletionTimestamp"] = live["metadata"]["deletionTimestamp"]
    return kept


def _without_status(place: Place, body: Object) -> Object:
    if place.kind.status and place.sub != "status":
        return {key: value for key, value in body.items() if key != "status"}
    if place.sub == "status":
        kept = ("apiVersion", "kind", "metadata", "status")
        return {key: value for key, value in body.items() if key in kept}
    return body


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(inner) for key, inner in value.items() if inner is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def _own(
    obj: Object, owned: dict[patches.Owner, set[patches.Path]], live: Object | None, place: Place
) -> None:
    patches.write_owners(obj, owned, live, place.api_version)


def _same(live: Object, after: Object) -> bool:
    return live == after


def _conflict(place: Place, conflict: patches.ApplyConflict) -> ApiError:
    causes = []
    for path, owner in conflict.fields:
        using = f' with subresource "{owner[2]}"' if owner[2] else ""
        causes.append(
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{owner[0]}"{using} using {place.api_version}',
                "field": patches.shown(path),
            }
        )
    many = len(causes)
    first = f"{causes[0]['message']}: {causes[0]['field']}"
    lines = "\n".join(f"- {cause['message']}: {cause['field']}" for cause in causes)
    message = f"Apply failed with {many} conflict{'s' if many > 1 else ''}: "
    return ApiError(
        409, "Conflict", message + (lines if many > 1 else first), place.details(causes)
    )
