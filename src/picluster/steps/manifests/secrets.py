"""Generated secrets: made once, kept in the cluster, never made anew by a later run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from picluster.engine.place import Place, Tools
from picluster.engine.step import Blocked, Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.kube.api import Api, Object, merge_patch, segment
from picluster.kube.apply import ensure_namespace
from picluster.kube.errors import ApiUnavailable
from picluster.kube.objects import find
from picluster.kube.reach import api_of
from picluster.secret import Secret, remember
from picluster.steps.manifests.objects import PART_LABEL


class Recipe(Protocol):
    """How the values of a Secret are made; data, as a frozen dataclass is."""

    def make(self, present: Mapping[str, str]) -> Mapping[str, Secret]:
        """Make those of the keys that are missing, given all that are there already."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Secret that is to have these keys.

    `labels` and `annotations` are for a Secret that is made. `claims` are volume claims whose data
    is of no use without it: it is not made anew beside them.
    """

    secret: str
    namespace: str
    part: str
    keys: tuple[str, ...]
    recipe: Recipe
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    claims: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.secret}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a Secret has, never their values.

    `exists` says whether there is such a Secret; `orphan` is a claim that is there without it.
    """

    exists: bool
    keys: frozenset[str] = frozenset()
    orphan: str = ""


@dataclass(frozen=True, slots=True)
class KeysOf:
    """Which keys a Secret has, and whether data is there that wants it."""

    name: str
    wanted: Wanted
    secret: bool = False

    def ask(self, tools: Tools) -> Keys:
        """Read it; while the cluster does not answer, it is not there."""
        try:
            api = api_of(tools)
            found = read_secret(api, self.wanted.namespace, self.wanted.secret)
            orphan = self._orphan(api) if found is None else ""
        except ApiUnavailable:
            return Keys(False)
        return Keys(found is not None, frozenset(found or ()), orphan)

    def _orphan(self, api: Api) -> str:
        place = f"/api/v1/namespaces/{segment(self.wanted.namespace)}/persistentvolumeclaims"
        there = (each for each in self.wanted.claims if find(api, f"{place}/{segment(each)}"))
        return next(there, "")


@dataclass(frozen=True, slots=True)
class GenerateSecrets:
    """Make values for the keys that a Secret lacks at that time."""

    wanted: Wanted
    title: str = "generating secrets"

    def perform(self, place: Place) -> None:
        """Make them. Raises `ApiUnavailable`, `ApiRefused`."""
        api, wanted = api_of(place.tools), self.wanted
        ensure_namespace(api, wanted.namespace, labels={PART_LABEL: wanted.part})
        there = read_secret(api, wanted.namespace, wanted.secret)
        present = there or {}
        missing = [key for key in wanted.keys if key not in present]
        made = wanted.recipe.make(present)
        data = {key: _encoded(made[key]) for key in missing}
        path = f"/api/v1/namespaces/{segment(wanted.namespace)}/secrets"
        if there is not None:
            merge_patch(api, f"{path}/{segment(wanted.secret)}", {"data": data})
            return
        body = self._new(data)
        api.call("POST", path, query={"fieldManager": "picluster-secrets"}, body=body)

    def _new(self, data: Mapping[str, str]) -> Object:
        wanted = self.wanted
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": wanted.secret,
                "namespace": wanted.namespace,
                "labels": {PART_LABEL: wanted.part, **dict(wanted.labels)},
                "annotations": dict(wanted.annotations),
            },
            "type": "Opaque",
            "data": dict(data),
        }


@dataclass(frozen=True, slots=True)
class SecretKept:
    """A Secret has all of its keys. What is in it stays, whatever a later run would make of it."""

    name: str
    wanted: Wanted

    @property
    def title(self) -> str:
        return f"the secret {self.wanted} has every key"

    def probe(self) -> KeysOf:
        return KeysOf(self.name, self.wanted)

    def decide(self, look: Look) -> Decision:
        present, wanted = look.read(self.probe()), self.wanted
        if present.orphan:
            return Blocked(
                f"the secret {wanted} is gone, and {present.orphan} is not",
                "restore the Secret from a backup, or delete the claim, AND ITS DATA, to begin "
                f"anew: kubectl -n {wanted.namespace} delete pvc {present.orphan}",
            )
        missing = [key for key in wanted.keys if key not in present.keys]
        if not missing:
            return Satisfied()
        return Change(
            f"generate {', '.join(missing)} in the secret {wanted}",
            (GenerateSecrets(wanted),),
            reason="they are not there yet" if present.exists else "it is not there yet",
        )


def read_secret(api: Api, namespace: str, name: str) -> dict[str, str] | None:
    """Return a Secret's values by key; None if there is none. They are kept out of every log."""
    found = find(api, f"/api/v1/namespaces/{segment(namespace)}/secrets/{segment(name)}")
    if found is None:
        return None
    values = {}
    for key, text in (found.get("data") or {}).items():
        values[key] = base64.b64decode(text).decode("utf-8", "replace")
        remember(values[key])
    return values


def _encoded(secret: Secret) -> str:
    encoded = base64.b64encode(secret.reveal().encode()).decode()
    remember(encoded)
    return encoded
