"""The administrator's password is no longer the one that every OpenTAKServer starts with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.manifests import administrator_job
from picluster.engine.step import Call, Change, Decision, Progress, Query, Satisfied
from picluster.engine.survey import Look
from picluster.kube.api import merge_patch, segment
from picluster.kube.errors import ApiUnavailable, NotFound
from picluster.kube.reach import Reach
from picluster.kube.removal import delete, delete_and_wait
from picluster.kube.rollout import Workload, wait_for_rollouts
from picluster.model.opentakserver import OpenTakServer
from picluster.secret import Secret
from picluster.steps.manifests.secrets import read_secret

ADMINISTRATOR_SET = "administrator-password"

_SET = "picluster.dev/administrator-password"
"""The annotation that tells which password was set: a part of its digest."""


@dataclass(frozen=True, slots=True)
class AdministratorPassword:
    """The generated password was set once; what the user changes it to later is left alone.

    It is set by the application's own command, in a Job: a hash that is written to the database by
    hand locks the administrator out. `image` tells the server's image, `disclose` shows the
    password to the user, once; `timeout` is in seconds.
    """

    ots: OpenTakServer
    image: Callable[[], str]
    api: Reach
    disclose: Callable[[Secret], None]
    timeout: float
    name: str = ADMINISTRATOR_SET
    title: str = "the administrator of OpenTAKServer has a password of its own"

    def probe(self) -> Query:
        """Read whether it was set; the password itself is seen nowhere."""
        return Query(self._look)

    def decide(self, look: Look) -> Decision:
        """Want it set."""
        if look.own.value is True:
            return Satisfied()
        return Change(
            "set the administrator's password to the generated one",
            (Call("setting the administrator's password", self._set),),
            reason="it is still the one that everybody knows",
            retry_safe=True,
        )

    def _look(self) -> bool:
        try:
            values = read_secret(self.api.access(), self.ots.namespace, credentials.NAME) or {}
            mark = self._mark()
        except ApiUnavailable:
            return False
        password = values.get(credentials.ADMINISTRATOR_PASSWORD)
        return password is not None and mark == _digest(password)

    def _path(self) -> str:
        return f"/api/v1/namespaces/{segment(self.ots.namespace)}/secrets/{credentials.NAME}"

    def _mark(self) -> str:
        try:
            found = self.api.access().call("GET", self._path())
        except NotFound:
            return ""
        return str((found["metadata"].get("annotations") or {}).get(_SET) or "")

    def _set(self, progress: Progress) -> None:
        api = self.api.access()
        job = administrator_job(self.ots, self.image())
        workload = Workload("Job", self.ots.namespace, job["metadata"]["name"])
        # One of a run that was cut off cannot be changed.
        delete_and_wait(api, workload.path, str(workload), progress)
        jobs = workload.path.rpartition("/")[0]
        api.call("POST", jobs, query={"fieldManager": "picluster"}, body=job)
        wait_for_rollouts(api, [workload], timeout=self.timeout, progress=progress)
        values = read_secret(api, self.ots.namespace, credentials.NAME) or {}
        password = values[credentials.ADMINISTRATOR_PASSWORD]
        merge_patch(api, self._path(), {"metadata": {"annotations": {_SET: _digest(password)}}})
        delete(api, workload.path)
        self.disclose(Secret(password))


def _digest(password: str) -> str:
    return hashlib.sha256(f"administrator:{password}".encode()).hexdigest()[:16]
