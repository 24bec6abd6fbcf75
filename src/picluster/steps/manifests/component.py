"""A part of what runs in the cluster: its objects, compared with their manifests and applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from picluster.engine.place import Place, Progress, Tools
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.errors import ActionFailed, PiclusterError
from picluster.kube.api import Api, Object
from picluster.kube.apply import Conflicted, apply
from picluster.kube.errors import ApiRefused, ApiUnavailable, NotFound
from picluster.kube.fielddiff import FieldChange
from picluster.kube.glance import Glance
from picluster.kube.kinds import kind_of, object_path
from picluster.kube.objects import delete, find
from picluster.kube.reach import api_of
from picluster.steps.manifests.inventory import is_ours, note_objects, objects_of
from picluster.steps.manifests.objects import (
    DIGEST,
    Identity,
    as_stored,
    holds,
    identity,
    in_order,
    marked,
)

KEPT = ("Namespace", "CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume")
"""What data hangs on; it is never pruned."""

_CRD_SECONDS = 120.0


class Unsettled(PiclusterError):
    """Manifests that cannot be told yet, because an earlier step is still to be done."""


class Source(Protocol):
    """Tells the manifests of a part; data that says where they are, as a frozen dataclass does."""

    def __call__(self, tools: Tools) -> Sequence[Object]:
        """Return them. Raises `Unsettled`, or a `PiclusterError` where they cannot be told."""


@dataclass(frozen=True, slots=True)
class ObjectSeen:
    """One object compared: nothing in `changes`, `conflicts` or `fresh` means that it is right."""

    which: Identity
    fresh: bool = False
    changes: tuple[FieldChange, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartSeen:
    """All objects compared; `unknown` says why they could not be.

    `stale` are no longer among the manifests and are to go; `kept` stay for the data on them.
    """

    objects: tuple[ObjectSeen, ...] = ()
    stale: tuple[Identity, ...] = ()
    kept: tuple[Identity, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What belongs together under one name, and where its manifests come from.

    `namespace` is for manifests that name none; `beside` are objects of the part that another step
    applies. With `force`, fields that somebody else set are taken over. `warning` is what the user
    is to know about where the manifests come from.
    """

    name: str
    source: Source
    namespace: str = ""
    force: bool = False
    beside: tuple[Identity, ...] = ()
    warning: str = ""

    def look(self, tools: Tools) -> PartSeen:
        """Compare every object with the cluster's, by a dry run where they differ."""
        try:
            manifests = self._manifests(tools)
        except Unsettled as error:
            return PartSeen(unknown=error.why)
        try:
            api = api_of(tools)
            listed = objects_of(api, self.name)
            manifests = [_placed(api, each) for each in manifests]
            objects = tuple(_compare(api, each, force=self.force) for each in manifests)
            gone = sorted(set(listed) - {*map(identity, manifests), *self.beside})
            present = [each for each in gone if is_ours(api, each, self.name)]
        except ApiUnavailable:
            return PartSeen(unknown="the cluster does not answer yet")
        stale = tuple(each for each in present if each.kind not in KEPT)
        return PartSeen(objects, stale, tuple(each for each in present if each.kind in KEPT))

    def apply(self, place: Place) -> None:
        """Apply every object, then delete what is no longer among them. Raises `ActionFailed`."""
        api, progress = api_of(place.tools), place.progress
        manifests = [_placed(api, each) for each in self._manifests(place.tools)]
        wanted = [*map(identity, manifests), *self.beside]
        before = objects_of(api, self.name)
        # Noted first: whatever is cut off half-way is known to be ours.
        note_objects(api, self.name, [*wanted, *(each for each in before if each not in wanted)])
        for number, each in enumerate(manifests, start=1):
            manifest = _placed(api, each)  # its kind may be there since a moment ago
            progress.follow(f"{number} of {len(manifests)}: {identity(manifest)}")
            self._apply_one(api, manifest, progress)
        left = [which for which in before if which not in wanted]
        for which in left:
            if which.kind not in KEPT and is_ours(api, which, self.name):
                progress.report(f"deleting {which}")
                delete(api, object_path(api, which.manifest))
        note_objects(api, self.name, [*wanted, *(which for which in left if which.kind in KEPT)])

    def _manifests(self, tools: Tools) -> list[Object]:
        found = self.source(tools)
        return in_order(marked(each, self.name, namespace=self.namespace) for each in found)

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
        live = find(api, object_path(api, manifest))
    except NotFound:  # nor is its kind
        live = None
    if live is None:
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
