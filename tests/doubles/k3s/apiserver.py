"""The Kubernetes API over the store: paths, lists, selectors, discovery and watches."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import kinds, resources, stamp
from .members import Cluster, NoQuorum, Transaction
from .resources import ApiError, Place
from .store import Compacted, Event, Object
from .troubles import LOG

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?$"
)
_SELF_NAMESPACED = {"status", "finalize"}
_MAX_WATCH = 1800.0
_BOOKMARK = 30.0


@dataclass(slots=True)
class Request:
    """One HTTP request. `user` is who asks: `admin`, `server`, `node` or nobody."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    user: str = ""

    def json(self) -> Any:
        """Return the body as data."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            raise ApiError(400, "BadRequest", "the stand-in reads JSON bodies only") from None

    @property
    def manager(self) -> str:
        """Return the field manager: the one named, or the program's name."""
        agent = self.headers.get("user-agent", "unknown")
        return self.query.get("fieldManager") or agent.partition("/")[0] or "unknown"


@dataclass(slots=True)
class Watch:
    """An answer that goes on: lines of JSON."""

    lines: Iterator[bytes] = field(repr=False)


def wants_watch(request: Request) -> bool:
    """Whether a request is a watch."""
    return request.method == "GET" and request.query.get("watch") in ("true", "1")


class Api:
    """Answers requests for `/api`, `/apis` and `/version` on the leader; watches on any member."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store = cluster.store

    def answer(self, request: Request) -> tuple[int, Object | str] | Watch:
        """Answer one request. Raises `ApiError`, `NotLeading` or `NoQuorum`."""
        fixed = self._discovery(request.path.rstrip("/"))
        if fixed is not None and request.method == "GET":
            return 200, fixed
        place = self._place(request)
        if wants_watch(request):
            return Watch(self._watch(place, request))
        if request.method == "GET":
            if place.sub == "log":
                return 200, self._log(place)
            return 200, self._one(place) if place.name else self._list(place, request)
        return self._write(place, request)

    def _place(self, request: Request) -> Place:
        path = request.path.rstrip("/")
        match = _PATH.match(path)
        if match is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        group, version = match["group"] or "", match["core"] or match["version"]
        plural, name, sub = match["plural"], match["name"] or "", match["sub"] or ""
        namespace = match["namespace"] or ""
        if namespace and plural in _SELF_NAMESPACED and not name:  # /namespaces/x/status
            plural, name, sub, namespace = "namespaces", namespace, plural, ""
        if group == "events.k8s.io":
            group = ""
        kind = kinds.find(self.store, group, "v1" if not group else version, plural)
        if kind is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        if name and kind.namespaced and not namespace:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return Place(kind, version, namespace, name, sub, request.manager)

    def _shown(self, place: Place, obj: Object) -> Object:
        return {**obj, "apiVersion": place.api_version}

    def _one(self, place: Place) -> Object:
        obj = self.store.objects.get(place.key)
        if obj is None:
            raise place.missing()
        if place.sub == "scale":
            replicas = obj.get("spec", {}).get("replicas", 1)
            return {
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": obj["metadata"],
                "spec": {"replicas": replicas},
                "status": {"replicas": replicas},
            }
        return self._shown(place, obj)

    def _log(self, place: Place) -> str:
        notes = self._one(place)["metadata"].get("annotations") or {}
        return str(notes.get(LOG, ""))

    def _list(self, place: Place, request: Request) -> Object:
        wanted = selector(request.query)
        found = self.store.listed(place.kind.group, place.kind.plural, place.namespace)
        with self.store.changed:
            version = self.store.version
        items = [self._shown(place, obj) for _, obj in found if wanted(obj)]
        return {
            "apiVersion": place.api_version,
            "kind": f"{place.kind.name}List",
            "metadata": {"resourceVersion": str(version)},
            "items": items,
        }

    def _write(self, place: Place, request: Request) -> tuple[int, Object]:
        dry = request.query.get("dryRun") == "All"
        act, status = self._action(place, request)
        before = self.store.objects.get(place.key)

        def change(transaction: Transaction) -> Object:
            return act(transaction)

        obj = self.cluster.transact(change, keep=not dry)
        if request.method == "PATCH" and before is None:
            status = 201
        return status, obj

    def _action(  # noqa: PLR0911 - one return for each verb
        self, place: Place, request: Request
    ) -> tuple[Callable[[Transaction], Object], int]:
        body = request.json()
        kind = request.headers.get("content-type", "")
        match request.method:
            case "POST" if place.sub == "eviction":
                return (lambda change: resources.delete(change, place, body)), 201
            case "POST" if not place.name:
                made = self._named(place, body)
                return (lambda change: resources.create(change, made, body)), 201
            case "PUT" if place.name:
                return (lambda change: resources.update(change, place, body)), 200
            case "PATCH" if place.sub == "scale":
                inner = Place(place.kind, place.version, place.namespace, place.name, "", "scale")
                return (lambda change: resources.patch(change, inner, body, "merge")), 200
            case "PATCH" if place.name and "apply-patch" in kind:
                self._need_manager(request)
                force = request.query.get("force") in ("true", "1")
                return (lambda change: resources.apply(change, place, body, force=force)), 200
            case "PATCH" if place.name and "patch" in kind:
                return (lambda change: resources.patch(change, place, body, kind)), 200
            case "PATCH":
                raise ApiError(415, "UnsupportedMediaType", f"cannot patch with {kind}")
            case "DELETE" if place.name:
                return (lambda change: resources.delete(change, place, body or {})), 200
            case "DELETE":
                return self._delete_all(place, request), 200
        raise ApiError(405, "MethodNotAllowed", "the server does not allow this method here")

    def _delete_all(self, place: Place, request: Request) -> Callable[[Transaction], Object]:
        wanted = selector(request.query)

        def act(change: Transaction) -> Object:
            listed = self.store.listed(place.kind.group, place.kind.plural, place.namespace)
            for key, obj in listed:
                if wanted(obj):
                    resources.remove(change, key, obj)
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

        return act

    def _named(self, place: Place, body: Object) -> Place:
        meta = body.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = f"{meta['generateName']}{time.time_ns() % 10**9:x}"
        if not meta.get("name"):
            raise place.invalid("metadata.name", "Required value: name or generateName is required")
        return Place(place.kind, place.version, place.namespace, meta["name"], "", place.manager)

    def _need_manager(self, request: Request) -> None:
        if not request.query.get("fieldManager"):
            message = "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value"
            raise ApiError(422, "Invalid", message)

    # --- discovery ------------------------------------------------------------------------------

    def _discovery(self, path: str) -> Object | None:  # noqa: PLR0911 - one for each path
        match path.split("/")[1:]:
            case ["version"]:
                return version_info()
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            case ["apis"]:
                groups = [self._group(name) for name in self._groups()]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
            case ["apis", group] if group in self._groups():
                return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}
            case ["api", "v1"]:
                return self._resources("", "v1")
            case ["apis", group, version] if version in self._groups().get(group, ()):
                return self._resources(group, version)
        return None

    def _groups(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind in kinds.kinds(self.store):
            versions = found.setdefault(kind.group, []) if kind.group else []
            versions += [version for version in kind.versions if version not in versions]
        return found

    def _group(self, name: str) -> Object:
        versions = [
            {"groupVersion": f"{name}/{version}", "version": version}
            for version in self._groups()[name]
        ]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def _resources(self, group: str, version: str) -> Object:
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": kinds.discovery(self.store, group, version),
        }

    # --- watches --------------------------------------------------------------------------------

    def _watch(self, place: Place, request: Request) -> Iterator[bytes]:  # noqa: C901 - one loop
        wanted = selector(request.query)
        if place.name:
            wanted = selector({"fieldSelector": f"metadata.name={place.name}"})
        given = request.query.get("resourceVersion", "")
        deadline = time.monotonic() + float(request.query.get("timeoutSeconds") or _MAX_WATCH)
        with self.store.changed:
            since = int(given) if given not in ("", "0") else self.store.version
            present = list(self.store.listed(place.kind.group, place.kind.plural, place.namespace))
        if given in ("", "0"):
            for _, obj in present:
                if wanted(obj):
                    yield _line("ADDED", self._shown(place, obj))
        marks = request.query.get("allowWatchBookmarks") in ("true", "1")
        bookmark = time.monotonic() + _BOOKMARK
        while time.monotonic() < deadline:
            if not self.cluster.has_quorum:
                return
            try:
                events = self.store.events_after(since)
            except Compacted:
                gone = ApiError(410, "Expired", f"too old resource version: {since}")
                yield _line("ERROR", gone.as_object())
                return
            for event in events:
                since = event.version
                shown = _as_seen(event, place, wanted)
                if shown is not None:
                    yield _line(shown[0], self._shown(place, shown[1]))
            if marks and time.monotonic() > bookmark:
                bookmark = time.monotonic() + _BOOKMARK
                meta = {"resourceVersion": str(max(since, self.store.version))}
                mark = {"kind": place.kind.name, "metadata": meta}
                yield _line("BOOKMARK", self._shown(place, mark))
            with self.store.changed:
                if self.store.version <= since:
                    self.store.changed.wait(0.5)
            yield b""  # lets the connection notice that the client hung up


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def _as_seen(
    event: Event, place: Place, wanted: Callable[[Object], bool]
) -> tuple[str, Object] | None:
    """Return an event as a watcher with a selector sees it."""
    group, plural, namespace, _ = event.key
    if (group, plural) != (place.kind.group, place.kind.plural):
        return None
    if place.namespace and namespace != place.namespace:
        return None
    before = event.before is not None and wanted(event.before)
    after = event.kind != "DELETED" and wanted(event.object)
    if after:
        return ("MODIFIED" if before else "ADDED"), event.object
    return ("DELETED", event.object) if before else None


def selector(query: dict[str, str]) -> Callable[[Object], bool]:
    """Return a test for `labelSelector` and `fieldSelector`."""
    labels = _requirements(query.get("labelSelector", ""))
    fields = _requirements(query.get("fieldSelector", ""))

    def wanted(obj: Object) -> bool:
        own = obj["metadata"].get("labels") or {}
        return all(test(own.get(name)) for name, test in labels) and all(
            test(_field(obj, name)) for name, test in fields
        )

    return wanted


def _field(obj: Object, path: str) -> str:
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _requirements(text: str) -> list[tuple[str, Callable[[str | None], bool]]]:
    return [_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _requirement(text: str) -> tuple[str, Callable[[str | None], bool]]:
    match = re.match(r"(\S+)\s+(in|notin)\s*\(([^)]*)\)$", text)
    if match:
        values = {value.strip() for value in match[3].split(",")}
        within = match[2] == "in"
        return match[1], lambda found: (found in values) == within
    for sign, equal in (("!=", False), ("==", True), ("=", True)):
        name, found, value = text.partition(sign)
        if found:
            return name.strip(), partial(_equals, value.strip(), equal)
    if text.startswith("!"):
        return text[1:], lambda found: found is None
    return text, lambda found: found is not None


def _equals(value: str, wanted: bool, found: str | None) -> bool:
    return (found == value) == wanted


def version_info() -> Object:
    """Return what `/version` says."""
    major, minor = stamp.VERSION.lstrip("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": stamp.VERSION,
        "gitTreeState": "clean",
        "gitCommit": "stand-in",
        "compiler": "stand-in",
        "platform": "linux/" + (stamp.ARCH or "amd64"),
    }


def unavailable() -> ApiError:
    """Return what the API says without a majority."""
    return ApiError(503, "ServiceUnavailable", "etcdserver: no leader (stand-in)")


__all__ = ["Api", "ApiError", "NoQuorum", "Request", "Watch", "selector", "unavailable"]
