"""One StorageClass is the default: with two, it would be chance where a volume is made."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Call, Change, Decision, Progress, Query, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.kube.api import Object, merge_patch, segment
from picluster.kube.errors import ApiUnavailable
from picluster.kube.glance import Glance
from picluster.steps.manifests.applied import Reach

_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class DefaultClass:
    """This class, and no other one, is the default; K3s makes local-path one at every upgrade."""

    wanted: str
    api: Reach
    name: str = "default-class"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.wanted} is the only default StorageClass"

    def probe(self) -> Query:
        """Read which classes there are, and which are default."""
        return Query(self._look)

    def decide(self, look: Look) -> Decision:
        """Want exactly the one."""
        seen = look.own.value if isinstance(look.own.value, dict) else {}
        others = sorted(name for name, default in seen.items() if default and name != self.wanted)
        if seen.get(self.wanted) and not others:
            return Satisfied()
        reasons = [] if seen.get(self.wanted) else [f"{self.wanted} is not the default"]
        reasons += [f"{name} is default too" for name in others]
        return Change(
            f"make {self.wanted} the only default StorageClass",
            (Call("setting the default StorageClass", self._settle),),
            reason="; ".join(reasons),
            retry_safe=True,
        )

    def _look(self) -> dict[str, bool] | None:
        try:
            return self._classes()
        except ApiUnavailable:
            return None

    def _classes(self) -> dict[str, bool]:
        listed: Object = Glance(self.api.access()).call("GET", _CLASSES)
        return {item["metadata"]["name"]: _is_default(item) for item in listed.get("items") or []}

    def _settle(self, progress: Progress) -> None:
        seen = wait_until(
            f"there is no StorageClass {self.wanted}",
            self._classes,
            self._is_there,
            timeout=_SECONDS,
            progress=progress,
            fix="Longhorn's manager makes it: look at the pods of longhorn-system",
        )
        for name, default in seen.items():
            if default != (name == self.wanted):
                value = str(name == self.wanted).lower()
                patch = {"metadata": {"annotations": {_DEFAULT: value}}}
                merge_patch(self.api.access(), f"{_CLASSES}/{segment(name)}", patch)

    def _is_there(self, seen: dict[str, bool]) -> Verdict:
        return Done() if self.wanted in seen else Waiting(f"no StorageClass {self.wanted} yet")


def _is_default(item: Object) -> bool:
    notes = item["metadata"].get("annotations") or {}
    beta = "storageclass.beta.kubernetes.io/is-default-class"
    return "true" in (notes.get(_DEFAULT), notes.get(beta))
