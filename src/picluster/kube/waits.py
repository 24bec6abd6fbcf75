"""Waiting for an observed condition, telling meanwhile what is observed.

A judge is a pure function from what was observed to a verdict, so what counts as done can be tested
without waiting for anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from picluster.errors import WaitFailed
from picluster.kube.errors import ApiUnavailable
from picluster.kube.nodes import NodeState

if TYPE_CHECKING:
    from picluster.engine.step import Progress

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Done:
    """It is as wanted."""

    state: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `state` is what is observed, in a few words: `2 of 3 nodes Ready`."""

    state: str


@dataclass(frozen=True, slots=True)
class Hopeless:
    """It will not become so by waiting longer."""

    why: str
    fix: str = ""


Verdict: TypeAlias = Done | Waiting | Hopeless
NodesJudge: TypeAlias = Callable[[Mapping[str, NodeState]], Verdict]


def wait_until(
    what: str,
    observe: Callable[[], Seen],
    judge: Callable[[Seen], Verdict],
    *,
    timeout: float,
    progress: Progress,
    interval: float = 2.0,
    where: str = "",
    fix: str = "",
    evidence: Callable[[], str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Seen:
    """Observe every `interval` seconds until the judge says `Done`; return that observation.

    It looks at least once, and once more when `timeout` seconds are over. The API being away counts
    as waiting, for it restarts with the servers. The state is reported when it changes. `evidence`
    is asked, once, for what to quote in a failure, such as events.

    Raises `WaitFailed` at the time limit or when the judge sees no hope, and whatever
    `progress.sleep` raises when the user stops the run.
    """
    deadline = clock() + timeout
    reported = ""
    while True:
        late = clock() >= deadline
        verdict, seen = _look(observe, judge)
        if isinstance(verdict, Done):
            assert seen is not None  # noqa: S101  # done means that it was observed
            return seen[0]
        if isinstance(verdict, Hopeless):
            raise WaitFailed(
                f"{what}: it will not happen",
                where=where,
                why=verdict.why,
                fix=verdict.fix or fix,
                evidence=evidence() if evidence else "",
            )
        if late:
            raise WaitFailed(
                f"{what}: not within {timeout:.0f} s",
                where=where,
                why=f"last seen: {verdict.state}",
                fix=fix,
                evidence=evidence() if evidence else "",
            )
        if verdict.state != reported:
            progress.report(verdict.state)
            reported = verdict.state
        progress.sleep(max(0.0, min(interval, deadline - clock())))


def _look(
    observe: Callable[[], Seen], judge: Callable[[Seen], Verdict]
) -> tuple[Verdict, tuple[Seen] | None]:
    try:
        seen = observe()
    except ApiUnavailable as away:
        return Waiting(f"the API is away: {away.why}"), None
    return judge(seen), (seen,)


def node_ready(name: str, version: str = "", *, voter: bool = False) -> NodesJudge:
    """Judge one node: registered, Ready, of this kubelet version if one is given.

    `voter` also wants it to vote in etcd, where the version of K3s says who does.
    """

    def judge(nodes: Mapping[str, NodeState]) -> Verdict:
        missing = _missing(nodes.get(name), version, voter=voter)
        return Waiting(f"{name} {missing}") if missing else Done(f"{name} is Ready")

    return judge


def all_ready(
    names: Collection[str], version: str = "", *, voters: Collection[str] = ()
) -> NodesJudge:
    """Judge several nodes at once, as `node_ready` does each; `voters` are those that must vote."""

    def judge(nodes: Mapping[str, NodeState]) -> Verdict:
        missing = {
            name: text
            for name in names
            if (text := _missing(nodes.get(name), version, voter=name in voters))
        }
        ready = f"{len(names) - len(missing)} of {len(names)} nodes Ready"
        if not missing:
            return Done(ready)
        return Waiting(ready + "; " + ", ".join(f"{name} {text}" for name, text in missing.items()))

    return judge


def node_gone(name: str) -> NodesJudge:
    """Judge that a node is no longer in the cluster."""

    def judge(nodes: Mapping[str, NodeState]) -> Verdict:
        return Waiting(f"{name} is still registered") if name in nodes else Done(f"{name} is gone")

    return judge


def _missing(node: NodeState | None, version: str, *, voter: bool) -> str:
    """Say what a node still lacks; empty if nothing."""
    if node is None:
        return "has not registered"
    if not node.ready:
        return f"is not Ready ({node.ready_reason})"
    if version and node.version != version:
        return f"still reports {node.version or 'no version'}, not {version}"
    if voter and node.voter is False:
        return f"does not vote in etcd yet ({node.voter_reason or 'no reason given'})"
    return ""
