"""The administrator's password is no longer the one that every OpenTAKServer starts with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.manifests import administrator_job
from picluster.engine.place import Brought, Place, Tools
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.kube.api import Api, merge_patch, segment
from picluster.kube.errors import ApiUnavailable
from picluster.kube.objects import delete, find
from picluster.kube.reach import api_of
from picluster.kube.removal import delete_and_wait
from picluster.kube.rollout import wait_for_rollouts
from picluster.kube.workload import Workload
from picluster.model.opentakserver import OpenTakServer
from picluster.secret import Secret
from picluster.steps.manifests.secrets import read_secret

ADMINISTRATOR_SET = "administrator-password"

_SET = "picluster.dev/administrator-password"
"""The annotation that tells which password was set: a part of its digest."""


class ServerImage(Protocol):
    """Tells the server's image; data, as a frozen dataclass is."""

    def server_image(self, tools: Tools) -> str:
        """Return it. Raises `Unsettled` while the registry does not have it."""


@dataclass(frozen=True, slots=True)
class PasswordSet:
    """Whether the generated password was set; the password itself is seen nowhere."""

    namespace: str
    name: str = ADMINISTRATOR_SET
    secret: bool = False

    def ask(self, tools: Tools) -> bool:
        """Compare the mark of what was set with the password; no, while there is no answer."""
        try:
            api = api_of(tools)
            values = read_secret(api, self.namespace, credentials.NAME) or {}
            mark = _mark(api, self.namespace)
        except ApiUnavailable:
            return False
        password = values.get(credentials.ADMINISTRATOR_PASSWORD)
        return password is not None and mark == _digest(password)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that was generated, and whose it is."""

    whose: str
    password: Secret


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Set the generated password by the application's own command, in a Job.

    A hash that is written to the database by hand locks the administrator out. It brings the
    password back for the user to see, once; `timeout` is in seconds.
    """

    ots: OpenTakServer
    image: ServerImage
    timeout: float
    title: str = "setting the administrator's password"

    def perform(self, place: Place) -> None:
        """Set it, and note which. Raises `WaitFailed` if the Job fails."""
        api, namespace = api_of(place.tools), self.ots.namespace
        job = administrator_job(self.ots, self.image.server_image(place.tools))
        workload = Workload("Job", namespace, job["metadata"]["name"])
        # One of a run that was cut off cannot be changed.
        delete_and_wait(api, workload.path, str(workload), place.progress)
        jobs = workload.path.rpartition("/")[0]
        api.call("POST", jobs, query={"fieldManager": "picluster"}, body=job)
        wait_for_rollouts(api, [workload], timeout=self.timeout, progress=place.progress)
        values = read_secret(api, namespace, credentials.NAME) or {}
        password = values[credentials.ADMINISTRATOR_PASSWORD]
        note = {"metadata": {"annotations": {_SET: _digest(password)}}}
        merge_patch(api, _path(namespace), note)
        delete(api, workload.path)
        whose = f"OpenTAKServer's {credentials.ADMINISTRATOR}"
        place.tools.get(Brought).add(NewPassword(whose, Secret(password)))


@dataclass(frozen=True, slots=True)
class AdministratorPassword:
    """The generated password was set once; what the user changes it to later is left alone.

    `timeout` is in seconds.
    """

    ots: OpenTakServer
    image: ServerImage
    timeout: float
    name: str = ADMINISTRATOR_SET
    title: str = "the administrator of OpenTAKServer has a password of its own"

    def probe(self) -> PasswordSet:
        return PasswordSet(self.ots.namespace)

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        return Change(
            "set the administrator's password to the generated one",
            (SetPassword(self.ots, self.image, self.timeout),),
            reason="it is still the one that everybody knows",
        )


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/secrets/{credentials.NAME}"


def _mark(api: Api, namespace: str) -> str:
    found = find(api, _path(namespace)) or {"metadata": {}}
    return str((found["metadata"].get("annotations") or {}).get(_SET) or "")


def _digest(password: str) -> str:
    return hashlib.sha256(f"administrator:{password}".encode()).hexdigest()[:16]
