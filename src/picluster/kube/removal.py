"""Waiting until deleted objects are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.kube.api import Api, Object
from picluster.kube.glance import Glance
from picluster.kube.objects import Propagation, delete, find

if TYPE_CHECKING:
    from picluster.engine.place import Progress


def delete_and_wait(
    api: Api,
    path: str,
    what: str,
    progress: Progress,
    *,
    timeout: float = 180.0,
    propagation: Propagation = "Background",
) -> None:
    """Delete an object and wait until it is gone. Raises `WaitFailed`."""
    former = find(api, path)
    if former is not None and delete(api, path, propagation=propagation):
        wait_until_gone(api, path, former, what, progress, timeout=timeout)


def wait_until_gone(
    api: Api, path: str, former: Object, what: str, progress: Progress, *, timeout: float
) -> None:
    """Wait until an object is gone, or another one has its name. Raises `WaitFailed`.

    A StatefulSet makes a claim again as soon as the former one is gone.
    """

    def gone() -> bool:
        present = find(Glance(api), path)
        return present is None or present["metadata"]["uid"] != former["metadata"]["uid"]

    wait_until(
        f"{what} does not go",
        gone,
        _gone,
        timeout=timeout,
        progress=progress,
        interval=0.5,
        fix="see what holds it: `kubectl get -o yaml` shows its finalizers",
    )


def _gone(gone: bool) -> Verdict:
    return Done() if gone else Waiting("it is being deleted")
