"""Whatever a node prints, a parser returns facts or says `Unreadable`: one bad node fails alone."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.everything import EVERYTHING, steps

from picluster.engine.observe import observe
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Fact
from picluster.engine.survey import Look
from picluster.errors import PiclusterError, Unreadable
from picluster.facts.clock import CLOCK
from picluster.kube.api import Object
from picluster.queries.doctor import checks_of
from picluster.steps.doctor.disks import DISKS, ROOM
from picluster.steps.doctor.finding import Light
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.guard import QuorumGuard

with tempfile.TemporaryDirectory() as made:
    ASKED = {
        probe.name: probe for _, step in steps(Path(made)) if (probe := step.probe()) is not None
    }
PROBES = {name: probe for name, probe in ASKED.items() if isinstance(probe, ShellProbe)}
LIVE = {name: probe for name, probe in ASKED.items() if not isinstance(probe, ShellProbe)}
CHECKS = {check.name: check for node in EVERYTHING.nodes for check in checks_of(EVERYTHING, node)}

WORDS = [
    "²",
    "--5",
    "-",
    "",
    "yes",
    "é",
    "AAA",
    "/ 1 2 3 4",
    "root / ext4 /dev/sda2 rw sda usb - 1 2",
    "10.0.0.1",
    "1e999",
    "nan",
    "{}",
    "[1]",
]
VALUES = (
    st.sampled_from(WORDS)
    | st.integers().map(str)
    | st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "replace"))
    | st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
)


def answers(text: str) -> st.SearchStrategy[str]:
    """Lines of the keys that a probe's text prints, with any values; and any bytes."""
    keys = sorted(set(re.findall(r"([A-Za-z_.]+)=", text))) or ["key"]
    line = st.builds("{}={}".format, st.sampled_from(keys), VALUES) | VALUES
    return st.lists(line, max_size=8).map("\n".join)


def test_the_areas_are_all_fed() -> None:
    assert {
        "vitals",
        "system",
        "clock",
        "swap",
        "packages",
        "hostname",
        "k3s-state",
        "evidence",
        "disks",
        "k3s",
    } <= set(PROBES)
    assert {"cluster-nodes", "parts", "stored-data", "k3s-ready"} <= set(LIVE)
    assert len(PROBES) > 60
    assert len(LIVE) > 20


@pytest.mark.parametrize("name", sorted(PROBES))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_answer_is_facts_or_unreadable(name: str, data: st.DataObject) -> None:
    probe = PROBES[name]
    out, status = data.draw(answers(probe.text)), data.draw(st.sampled_from([0, 1, 127]))
    with contextlib.suppress(Unreadable):
        assert probe.parse(Observation(status, out)) is not None, "its facts are never None"


WORDS_OF_THE_API = (
    "items metadata name namespace spec status annotations labels conditions type reason nodeName "
    "containers image data capacity addresses volumes ownerReferences kind apiVersion"
)
NAMES = st.sampled_from(WORDS_OF_THE_API.split())
PLAIN = st.sampled_from([None, True, 0, -1, 1e999, "", "x", "1Gi", "2020-01-01T00:00:00Z"])
OBJECTS = st.dictionaries(
    NAMES,
    st.recursive(
        PLAIN,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=8,
    ),
    max_size=4,
)
LISTS = st.builds(lambda items: {"items": items}, st.lists(OBJECTS, min_size=1, max_size=2))


@dataclass
class AnyApi:
    """An API that answers anything."""

    drawn: Callable[[], Object]

    def call(self, *_: object, **__: object) -> Object:
        return self.drawn()

    def at(self, _: str) -> AnyApi:
        return self


@pytest.mark.parametrize("name", sorted(LIVE))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_an_api_answers_is_facts_or_one_kind_of_failure(
    name: str, data: st.DataObject
) -> None:
    probe = LIVE[name]
    sessions = Sessions(ShellNodes(Path("/nonexistent")))
    link: Any = AnyApi(lambda: data.draw(LISTS | OBJECTS))
    api = ClusterApi((), sessions, Path("/nonexistent"), link)
    tools = Tools(sessions, api, QuorumGuard(("pi1", "pi2"), api, sessions))
    with contextlib.suppress(PiclusterError):
        seen = observe(sessions, tools, "pi1", [Fact("asked", "", probe)], 1)
        assert Look("pi1", name, {"pi1": seen}).find(probe) is not None, "its facts are never None"


@pytest.mark.parametrize("name", sorted(CHECKS))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_doctor_judges_any_answer_or_says_that_it_is_unreadable(
    name: str, data: st.DataObject
) -> None:
    check = CHECKS[name]
    probes = {probe.name: probe for probe in (DISKS, CLOCK, ROOM.probe, check.probe)}
    seen = {}
    with contextlib.suppress(Unreadable):
        for each, probe in probes.items():
            out = data.draw(answers(probe.text))
            seen[each] = probe.parse(Observation(out=out))
        finding = check.judge(Look("pi1", name, {"pi1": seen}))
        assert bool(finding.fix) is (finding.light in (Light.WARNING, Light.PROBLEM))
