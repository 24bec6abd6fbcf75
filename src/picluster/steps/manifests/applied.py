"""Objects are in the cluster as their manifests say, and those that left the manifests are gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from picluster.engine.step import (
    Blocked,
    Call,
    Change,
    Decision,
    Diff,
    Progress,
    Query,
    Satisfied,
)
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.errors import ActionFailed, PiclusterError
from picluster.kube.api import Api, Object
from picluster.kube.apply import Conflicted, apply, ensure_namespace
from picluster.kube.errors import ApiRefused, ApiUnavailable, NotFound
from picluster.kube.fielddiff import FieldChange
from picluster.kube.glance import Glance
from picluster.kube.kinds import kind_of, object_path
from picluster.kube.reach import Reach
from picluster.kube.removal import delete
from picluster.steps.manifests.objects import (
    DIGEST,
    PART_LABEL,
    Identity,
    as_stored,
    holds,
    identity,
    in_order,
    marked,
)

_INVENTORIES = "picluster"
_KEPT = ("Namespace", "CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume")
"""What data hangs on; it is never pruned."""
_STAYS = "no longer in the file; it stays, for data hangs on it"
_CRD_SECONDS = 120.0

Source = Callable[[], Sequence[Object]]
"""Returns the manifests. Raises a `PiclusterError` where they cannot be told."""


@dataclass(frozen=True, slots=True)
class ObjectSeen:
    """One object compared: nothing in `changes`, `conflicts` or `fresh` means that it is right."""

    which: Identity
    fresh: bool = False
    changes: tuple[FieldChange, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """All objects compared; `unknown` says why they could not be."""

    objects: tuple[ObjectSeen, ...] = ()
    stale: tuple[Identity, ...] = ()
    kept: tuple[Identity, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class ObjectsApplied:
    """The cluster has these objects, with every field that their manifests set.

    `part` names what they belong to; objects of the part that are no longer among them are deleted,
    except for those that hold data. `beside` are objects of the part that another step applies.
    With `force`, fields that somebody else set are taken over.
    """

    name: str
    title: str
    part: str
    source: Source
    api: Reach
    namespace: str = ""
    force: bool = False
    beside: tuple[Identity, ...] = ()

    def probe(self) -> Query:
        """Compare every object with the cluster's, by a dry run where they differ."""
        return Query(self.look, secret=True)

    def decide(self, look: Look) -> Decision:
        """Want them as they are written, and nobody else's fields in the way."""
        seen = look.own.value if isinstance(look.own.value, Seen) else Seen(unknown="not looked at")
        warning = ""
        if seen.kept:
            names = ", ".join(map(str, seen.kept))
            warning = f"no longer in the file, and left because data hangs on it: {names}"
        if seen.unknown:
            return self._change(f"apply {self.part}", seen.unknown, ())
        conflicts = [
            f"{each.which}: {conflict}" for each in seen.objects for conflict in each.conflicts
        ]
        if conflicts:
            return Blocked(
                "; ".join(conflicts),
                "leave those fields out, or take them over with --force-conflicts",
            )
        fresh = [each for each in seen.objects if each.fresh]
        changed = [each for each in seen.objects if each.changes and not each.fresh]
        if not (fresh or changed or seen.stale):
            return Satisfied(warning=warning)
        return self._change(_summary(self.part, fresh, changed, seen.stale), "", seen.objects, seen)

    def _change(
        self, summary: str, reason: str, objects: Sequence[ObjectSeen], seen: Seen | None = None
    ) -> Change:
        stale = seen.stale if seen else ()
        lines = [_lines(each) for each in objects if each.fresh or each.changes]
        lines += [f"{each}: no longer in the file; delete it" for each in stale]
        lines += [f"{each}: {_STAYS}" for each in (seen.kept if seen else ())]
        changed = [str(each.which) for each in objects if each.changes and not each.fresh]
        why = reason or ("differs: " + ", ".join(changed) if changed else "not in the cluster yet")
        if stale and not changed and not any(each.fresh for each in objects):
            why = "no longer in the file: " + ", ".join(map(str, stale))
        return Change(
            summary,
            (Call(f"applying {self.part}", self.apply),),
            reason=why,
            diff=Diff("", "\n".join(lines)) if lines else None,
            retry_safe=True,
        )

    # -------------------------------------------------------------- looking

    def _manifests(self) -> list[Object]:
        found = self.source()
        return in_order(marked(each, self.part, namespace=self.namespace) for each in found)

    def look(self) -> Seen:
        """Compare; changes nothing."""
        try:
            manifests = self._manifests()
        except Unsettled as error:
            return Seen(unknown=error.why)
        try:
            api = self.api.access()
            listed = objects_of(api, self.part)
            manifests = [_placed(api, each) for each in manifests]
            objects = tuple(_compare(api, each, force=self.force) for each in manifests)
            gone = sorted(set(listed) - {*map(identity, manifests), *self.beside})
            present = [each for each in gone if _is_ours(api, each, self.part)]
        except ApiUnavailable:
            return Seen(unknown="the cluster does not answer yet")
        stale = tuple(each for each in present if each.kind not in _KEPT)
        return Seen(objects, stale, tuple(each for each in present if each.kind in _KEPT))

    # -------------------------------------------------------------- doing

    def apply(self, progress: Progress) -> None:
        """Apply every object, then delete what is no longer among them."""
        api = self.api.access()
        manifests = [_placed(api, each) for each in self._manifests()]
        wanted = [*map(identity, manifests), *self.beside]
        before = objects_of(api, self.part)
        # Written first: whatever is cut off half-way is known to be ours.
        _write_inventory(
            api, self.part, [*wanted, *(each for each in before if each not in wanted)]
        )
        for number, each in enumerate(manifests, start=1):
            manifest = _placed(api, each)  # its kind may be there since a moment ago
            progress.follow(f"{number} of {len(manifests)}: {identity(manifest)}")
            self._apply_one(api, manifest, progress)
        left = [which for which in before if which not in wanted]
        for which in left:
            if which.kind not in _KEPT and _is_ours(api, which, self.part):
                progress.report(f"deleting {which}")
                delete(api, object_path(api, which.manifest))
        kept = [which for which in left if which.kind in _KEPT]
        _write_inventory(api, self.part, [*wanted, *kept])

    def _apply_one(self, api: Api, manifest: Object, progress: Progress) -> None:
        try:
            done = apply(api, manifest, force=self.force)
        except ApiRefused as error:
            raise ActionFailed(
                f"{identity(manifest)} was refused",
                why=error.why or error.what,
                fix="`picluster deploy --fix` makes anew what cannot be changed in place"
                if "immutable" in error.why or "Forbidden" in error.why
                else error.fix or "correct the manifest",
            ) from error
        if isinstance(done, Conflicted):
            raise ActionFailed(
                f"{identity(manifest)} was not applied: {done}",
                fix="leave those fields out, or take them over with --force-conflicts",
            )
        if manifest["kind"] == "CustomResourceDefinition":
            wait_until(
                f"{identity(manifest)} is not served",
                lambda: Glance(api).call("GET", object_path(api, manifest)),
                _established,
                timeout=_CRD_SECONDS,
                progress=progress,
                interval=0.5,
            )


class Unsettled(PiclusterError):
    """Manifests that cannot be told yet, because an earlier step is still to be done."""


def _placed(api: Api, manifest: Object) -> Object:
    """Take the namespace from an object of a kind that has none."""
    if not manifest["metadata"].get("namespace"):
        return manifest
    try:
        kind = kind_of(api, manifest["apiVersion"], manifest["kind"])
    except NotFound:
        return manifest
    if kind.namespaced:
        return manifest
    meta = {key: value for key, value in manifest["metadata"].items() if key != "namespace"}
    return {**manifest, "metadata": meta}


def _established(crd: Object) -> Verdict:
    for condition in (crd.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Established" and condition.get("status") == "True":
            return Done()
    return Waiting("it is not established")


def _compare(api: Api, manifest: Object, *, force: bool) -> ObjectSeen:
    which = identity(manifest)
    try:
        live: Object = api.call("GET", object_path(api, manifest))
    except NotFound:
        return ObjectSeen(which, fresh=True)
    if holds(live, as_stored(manifest)):
        return ObjectSeen(which)
    tried = apply(api, manifest, force=force, dry_run=True)
    if isinstance(tried, Conflicted):
        return ObjectSeen(which, conflicts=tuple(map(str, tried.conflicts)))
    changes = tuple(each for each in tried.diff if DIGEST not in each.path)
    if tried.diff and not changes:
        # Only the manifest's text differs; recorded, so that it is not asked about again.
        changes = (FieldChange("(form of the manifest)", "another", "this"),)
    return ObjectSeen(which, changes=changes)


def _is_ours(api: Api, which: Identity, part: str) -> bool:
    try:
        live: Object = api.call("GET", object_path(api, which.manifest))
    except NotFound:
        return False
    return ((live.get("metadata") or {}).get("labels") or {}).get(PART_LABEL) == part


def _lines(seen: ObjectSeen) -> str:
    if seen.fresh:
        return f"{seen.which}: new"
    return "\n".join(f"{seen.which}: {change}" for change in seen.changes)


def _summary(
    part: str,
    fresh: Sequence[ObjectSeen],
    changed: Sequence[ObjectSeen],
    stale: Sequence[Identity],
) -> str:
    parts = [
        f"{verb} {len(which)}"
        for verb, which in (("create", fresh), ("change", changed), ("delete", stale))
        if which
    ]
    count = len(fresh) + len(changed) + len(stale)
    return f"{part}: {', '.join(parts)} object{'s' if count != 1 else ''}"


# ------------------------------------------------------------------ which objects are ours


def _inventory_manifest(part: str, listed: Sequence[Identity]) -> Object:
    rows = [[each.api_version, each.kind, each.namespace, each.name] for each in listed]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"objects-of-{part}",
            "namespace": _INVENTORIES,
            "labels": {PART_LABEL: "picluster"},
        },
        "data": {"objects": json.dumps(rows)},
    }


def objects_of(api: Api, part: str) -> list[Identity]:
    """Return what was applied for a part, and not deleted since by picluster."""
    try:
        found: Object = api.call("GET", object_path(api, _inventory_manifest(part, ())))
        rows = json.loads((found.get("data") or {}).get("objects") or "[]")
        return [Identity(*map(str, row)) for row in rows]
    except (NotFound, ValueError, TypeError):
        return []


def _write_inventory(api: Api, part: str, listed: Sequence[Identity]) -> None:
    ensure_namespace(api, _INVENTORIES)
    apply(api, _inventory_manifest(part, listed), force=True)


def parts_applied(api: Api) -> list[str]:
    """Return the parts that were ever applied to the cluster."""
    try:
        listed = api.call("GET", f"/api/v1/namespaces/{_INVENTORIES}/configmaps")
    except NotFound:
        return []
    names = [item["metadata"]["name"] for item in listed.get("items") or []]
    return [name.removeprefix("objects-of-") for name in names if name.startswith("objects-of-")]


@dataclass(frozen=True, slots=True)
class PartsGone:
    """Applications that left the cluster file leave the cluster, except for what holds data.

    `known` are those of the file, `own` the parts that picluster manages otherwise: they stay.
    """

    name: str
    title: str
    known: tuple[str, ...]
    own: tuple[str, ...]
    api: Reach

    def probe(self) -> Query:
        """Look for parts that nobody asks for any more, and for what is left of them."""
        return Query(self._look)

    def decide(self, look: Look) -> Decision:
        """Want none of them left."""
        seen = look.own.value if isinstance(look.own.value, dict) else {}
        lines = [f"{each}: delete it" for found in seen.values() for each in found.stale]
        kept = [str(each) for found in seen.values() for each in found.kept]
        warning = f"of apps that left the file, data is kept: {', '.join(kept)}" if kept else ""
        stays = f"; keep {', '.join(kept)}" if kept else ""
        if not lines:
            return Satisfied(warning=warning)
        names = ", ".join(part for part, found in seen.items() if found.stale)
        return Change(
            f"remove {names}: delete {len(lines)} object{'s' if len(lines) != 1 else ''}{stays}",
            (Call(f"removing {names}", self._remove),),
            reason="no longer in the file",
            diff=Diff("", "\n".join(lines)),
            retry_safe=True,
        )

    def _left(self, api: Api) -> list[ObjectsApplied]:
        keep = {*self.known, *self.own}
        return [
            ObjectsApplied(f"gone-{part}", f"{part} is gone", part, tuple, self.api)
            for part in parts_applied(api)
            if part not in keep
        ]

    def _look(self) -> dict[str, Seen]:
        try:
            return {step.part: step.look() for step in self._left(self.api.access())}
        except ApiUnavailable:
            return {}

    def _remove(self, progress: Progress) -> None:
        for step in self._left(self.api.access()):
            step.apply(progress)
