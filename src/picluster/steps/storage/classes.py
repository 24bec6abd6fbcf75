"""One StorageClass is the default: with two, it would be chance where a volume is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.kube.api import Api, Object, merge_patch, segment
from picluster.kube.errors import ApiUnavailable
from picluster.kube.glance import Glance
from picluster.kube.reach import api_of

_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Classes:
    """The StorageClasses by name, and whether each is a default; none while there is no API."""

    defaults: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageClasses:
    """Which classes there are, and which are default."""

    name: str = "default-class"
    secret: bool = False

    def ask(self, tools: Tools) -> Classes:
        try:
            return _read(api_of(tools))
        except ApiUnavailable:
            return Classes()


STORAGE_CLASSES = StorageClasses()


@dataclass(frozen=True, slots=True)
class MakeDefault:
    """Wait until a StorageClass is there, and make it the only default."""

    wanted: str
    title: str = "setting the default StorageClass"

    def perform(self, place: Place) -> None:
        """Do it. Raises `WaitFailed` if nothing makes the class."""
        api = api_of(place.tools)
        seen = wait_until(
            f"there is no StorageClass {self.wanted}",
            lambda: _read(Glance(api)),
            self._is_there,
            timeout=_SECONDS,
            progress=place.progress,
            fix="Longhorn's manager makes it: look at the pods of longhorn-system",
        )
        for name, default in seen.defaults.items():
            if default != (name == self.wanted):
                value = str(name == self.wanted).lower()
                patch = {"metadata": {"annotations": {_DEFAULT: value}}}
                merge_patch(api, f"{_CLASSES}/{segment(name)}", patch)

    def _is_there(self, seen: Classes) -> Verdict:
        there = self.wanted in seen.defaults
        return Done() if there else Waiting(f"no StorageClass {self.wanted} yet")


@dataclass(frozen=True, slots=True)
class DefaultClass:
    """This class, and no other one, is the default; K3s makes local-path one at every upgrade."""

    wanted: str
    name: str = STORAGE_CLASSES.name

    @property
    def title(self) -> str:
        return f"{self.wanted} is the only default StorageClass"

    def probe(self) -> StorageClasses:
        return STORAGE_CLASSES

    def decide(self, look: Look) -> Decision:
        seen = look.read(STORAGE_CLASSES).defaults
        others = sorted(name for name, default in seen.items() if default and name != self.wanted)
        if seen.get(self.wanted) and not others:
            return Satisfied()
        reasons = [] if seen.get(self.wanted) else [f"{self.wanted} is not the default"]
        reasons += [f"{name} is default too" for name in others]
        return Change(
            f"make {self.wanted} the only default StorageClass",
            (MakeDefault(self.wanted),),
            reason="; ".join(reasons),
        )


def _read(api: Api) -> Classes:
    listed: Object = api.call("GET", _CLASSES)
    return Classes(
        {item["metadata"]["name"]: _is_default(item) for item in listed.get("items") or []}
    )


def _is_default(item: Object) -> bool:
    notes = item["metadata"].get("annotations") or {}
    beta = "storageclass.beta.kubernetes.io/is-default-class"
    return "true" in (notes.get(_DEFAULT), notes.get(beta))
