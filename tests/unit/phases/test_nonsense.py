"""Whatever a node prints, a parser returns facts or says `Unreadable`: one bad node fails alone."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import site_on

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.facts.clock import CLOCK
from picluster.model import parse
from picluster.phases.catalog import PHASES
from picluster.phases.preflight import preflight
from picluster.queries.doctor import borrowed_from, checks_of
from picluster.steps.doctor.disks import DISKS, ROOM
from picluster.steps.doctor.finding import Light
from picluster.steps.evidence import EVIDENCE
from picluster.steps.vitals import VITALS

CLUSTER = parse(
    """\
name: all
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: server}
  - {name: pi3, address: 10.0.0.3, role: server}
  - {name: pi4, address: 10.0.0.4, role: agent}
registry: {node: pi4}
longhorn: {}
prepare: {timezone: Etc/UTC, locale: en_GB.UTF-8}
"""
).cluster


def probes() -> Iterator[ShellProbe[Any]]:
    """Yield the shell probes of every phase and of the doctor."""
    yield from (VITALS, EVIDENCE)
    yield from (check.probe for node in CLUSTER.nodes for check in checks_of(CLUSTER, node))
    with tempfile.TemporaryDirectory() as made:
        here = Path(made)
        site = site_on(ShellNodes(here / "nodes"), CLUSTER, here)
        phases = [preflight(CLUSTER), *(PHASES[name](site) for name in ("prepare", "k3s"))]
        steps = [
            step for phase in phases for each in phase.targets() for step in phase.steps_for(each)
        ]
        for node in CLUSTER.nodes:
            steps += borrowed_from(CLUSTER, node)
        for step in steps:
            probe = step.probe()
            if isinstance(probe, ShellProbe):
                yield probe


PROBES = {probe.name: probe for probe in probes()}
CHECKS = {check.name: check for node in CLUSTER.nodes for check in checks_of(CLUSTER, node)}

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
        "evidence",
        "disks",
        "k3s",
        "system",
        "clock",
        "swap",
        "packages",
        "hostname",
    } <= set(PROBES)
    assert len(PROBES) > 20


@pytest.mark.parametrize("name", sorted(PROBES))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_answer_is_facts_or_unreadable(name: str, data: st.DataObject) -> None:
    probe = PROBES[name]
    out = data.draw(answers(probe.text))
    with contextlib.suppress(Unreadable):
        probe.parse(Observation(out=out))


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
            seen[each] = Observation(value=probe.parse(Observation(out=out)))
        finding = check.judge(Look("pi1", name, {"pi1": seen}))
        assert bool(finding.fix) is (finding.light in (Light.WARNING, Light.PROBLEM))
