"""Generated secrets: made once, kept in the cluster, never made anew by a later run."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from picluster.engine.step import Blocked, Call, Change, Decision, Progress, Query, Satisfied
from picluster.engine.survey import Look
from picluster.kube.api import Api, Object, merge_patch, segment
from picluster.kube.apply import ensure_namespace
from picluster.kube.errors import ApiUnavailable, NotFound
from picluster.kube.reach import Reach
from picluster.secret import Secret, remember
from picluster.steps.manifests.objects import PART_LABEL

Generate = Callable[[Mapping[str, str]], Mapping[str, Secret]]
"""Makes values for the keys that are missing, given all that are there already."""


@dataclass(frozen=True, slots=True)
class SecretKept:
    """A Secret has all of its keys. What is in it stays, whatever a later run would make of it.

    `labels` and `annotations` are for a Secret that is made. `claims` are volume claims whose data
    is of no use without it: it is not made anew beside them.
    """

    name: str
    secret: str
    namespace: str
    part: str
    keys: tuple[str, ...]
    generate: Generate
    api: Reach
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """State what is true."""
        return f"the secret {self.namespace}/{self.secret} has every key"

    def probe(self) -> Query:
        """Read which keys there are; never their values."""
        return Query(self._keys)

    def decide(self, look: Look) -> Decision:
        """Want each key there."""
        present = look.own.value
        if isinstance(present, str):
            return Blocked(
                f"the secret {self.namespace}/{self.secret} is gone, and {present} is not",
                "restore the Secret from a backup, or delete the claim, AND ITS DATA, to begin "
                f"anew: kubectl -n {self.namespace} delete pvc {present}",
            )
        known = present if isinstance(present, list) else []
        missing = [key for key in self.keys if key not in known]
        if not missing:
            return Satisfied()
        return Change(
            f"generate {', '.join(missing)} in the secret {self.namespace}/{self.secret}",
            (Call("generating secrets", self._make),),
            reason="they are not there yet" if isinstance(present, list) else "it is not there yet",
            retry_safe=True,
        )

    def _keys(self) -> list[str] | str | None:
        """Return the keys; None if there is no Secret, or the claim that is there without one."""
        try:
            api = self.api.access()
            found = read_secret(api, self.namespace, self.secret)
            orphan = self._orphan(api) if found is None else None
        except ApiUnavailable:
            return None
        return sorted(found) if found is not None else orphan

    def _orphan(self, api: Api) -> str | None:
        for claim in self.claims:
            place = f"/api/v1/namespaces/{segment(self.namespace)}/persistentvolumeclaims"
            try:
                api.call("GET", f"{place}/{segment(claim)}")
            except NotFound:
                continue
            return claim
        return None

    def _make(self, progress: Progress) -> None:
        api = self.api.access()
        ensure_namespace(api, self.namespace, labels={PART_LABEL: self.part})
        there = read_secret(api, self.namespace, self.secret)
        present = there or {}
        missing = [key for key in self.keys if key not in present]
        made = self.generate(present)
        data = {key: _encoded(made[key]) for key in missing}
        path = f"/api/v1/namespaces/{segment(self.namespace)}/secrets"
        if there is not None:
            merge_patch(api, f"{path}/{segment(self.secret)}", {"data": data})
            return
        api.call("POST", path, query={"fieldManager": "picluster-secrets"}, body=self._new(data))

    def _new(self, data: Mapping[str, str]) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.secret,
                "namespace": self.namespace,
                "labels": {PART_LABEL: self.part, **dict(self.labels)},
                "annotations": dict(self.annotations),
            },
            "type": "Opaque",
            "data": dict(data),
        }


def read_secret(api: Api, namespace: str, name: str) -> dict[str, str] | None:
    """Return a Secret's values by key; None if there is none. They are kept out of every log."""
    try:
        found: Object = api.call(
            "GET", f"/api/v1/namespaces/{segment(namespace)}/secrets/{segment(name)}"
        )
    except NotFound:
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
