"""The doctor on real nodes: bare, well, and with everything wrong that a Pi is known for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.lab.bench import Bench, Pi, differing
from tests.lab.labs import rehearse

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/doctor.json").read_text())
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def ward(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Two bare nodes: a server and an agent."""
    yield from rehearse("ward", 2, 1, home, artifacts)


@pytest.fixture(scope="module")
def bare(ward: Bench) -> dict[str, Any]:
    """What the doctor says of bare nodes, and the nodes' files before and after."""
    before = {node.name: node.tree() for node in ward.nodes}
    document = examined(ward)
    return {
        "document": document,
        "trees": (before, {node.name: node.tree() for node in ward.nodes}),
    }


@pytest.fixture(scope="module")
def well(ward: Bench, bare: dict[str, Any]) -> Bench:
    """The same nodes with a cluster."""
    ward.picluster("up")
    return ward


def examined(bench: Bench, *options: str, expect: int = 0) -> dict[str, Any]:
    document = bench.picluster("doctor", "--json", *options, expect=expect).document
    jsonschema.validate(document, SCHEMA)
    return document


def rows(document: dict[str, Any], node: Pi) -> Rows:
    """One node's findings by check."""
    patient = next(each for each in document["nodes"] if each["name"] == node.name)
    return {row["check"]: row for row in patient["findings"]}


def lit(document: dict[str, Any], node: Pi, light: str) -> set[str]:
    return {check for check, row in rows(document, node).items() if row["light"] == light}


def test_a_look_is_one_script_a_node_and_leaves_every_file_as_it_is(bare: dict[str, Any]) -> None:
    document = bare["document"]
    assert (document["connections"], document["scripts"]) == (2, 2)
    before, after = bare["trees"]
    for node in before:
        ours = differing(before[node], after[node])
        assert not ours, f"the doctor changed {sorted(ours)[:9]} on {node}"


def test_bare_nodes_have_no_problem_and_are_told_what_up_will_do(
    ward: Bench, bare: dict[str, Any]
) -> None:
    for node in ward.nodes:
        assert lit(bare["document"], node, "problem") == set()
        found = rows(bare["document"], node)
        assert found["packages"]["fixable"] is True
        assert "reboot" in found["memory-cgroup"]["held"]
        assert found["k3s"]["light"] == "not-applicable"
        assert found["power"]["light"] == "not-applicable"


def test_a_cluster_that_is_well_has_no_problem_and_nothing_to_mend(well: Bench) -> None:
    document = examined(well)
    for node in well.nodes:
        found = rows(document, node)
        assert lit(document, node, "problem") == set()
        assert [check for check, row in found.items() if row["fixable"]] == []
        assert found["k3s"]["light"] == found["memory-cgroup"]["light"] == "ok"
    assert rows(document, well.node(1))["certificates"]["light"] == "ok"
    assert "NOTE: K3s stand-in" in well.picluster("doctor").out


HALF_CONFIGURED = """
mkdir -p /tmp/half/DEBIAN
printf 'Package: half\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' \
  >/tmp/half/DEBIAN/control
printf '#!/bin/sh\\n[ -e /tmp/half-may-go-on ]\\n' >/tmp/half/DEBIAN/postinst
chmod 755 /tmp/half/DEBIAN/postinst
dpkg-deb --build /tmp/half /tmp/half.deb >/dev/null
dpkg -i /tmp/half.deb >/dev/null 2>&1 && exit 1
touch /tmp/half-may-go-on
"""
FAULTS = {
    "swap": "dd if=/dev/zero of=/swap bs=1M count=8 status=none && chmod 600 /swap && "
    "mkswap -q /swap && swapon /swap",
    "packages": HALF_CONFIGURED,
    "modules-file": "rm /etc/modules-load.d/k3s.conf",
    "sysctl-file": "rm /etc/sysctl.d/99-k3s.conf",
    "hosts-file": "sed -i 's/ward1/elsewhere/' /etc/hosts",
    "cmdline": "echo cgroup_enable=memory >>/boot/firmware/cmdline.txt",
    "k3s": "systemctl stop k3s-agent",
}
"""What is done to the second node, by the check that has to tell of it."""

SAFE = {"swap", "packages", "modules-file", "sysctl-file", "hosts-file"}


@pytest.fixture(scope="module")
def twin(well: Bench) -> Iterator[Pi]:
    """The second node with all of it, and with the first one's machine id."""
    first, victim = well.nodes
    own = victim.read("/etc/machine-id").strip()
    for damage in FAULTS.values():
        victim.sh(damage)
    victim.sh(f"echo {first.read('/etc/machine-id').strip()} >/etc/machine-id")
    yield victim
    victim.sh(f"echo {own} >/etc/machine-id")
    victim.sh("sed -i 2d /boot/firmware/cmdline.txt")
    well.picluster("up")


@pytest.fixture(scope="module")
def ill(well: Bench, twin: Pi) -> dict[str, Any]:
    """What the doctor says of that."""
    return examined(well, expect=1)


def test_each_fault_is_named_with_evidence_and_fix(
    well: Bench, twin: Pi, ill: dict[str, Any]
) -> None:
    found = rows(ill, twin)
    named = lit(ill, twin, "problem") | lit(ill, twin, "warning")
    assert {*FAULTS, "identity"} <= named
    assert {"cmdline", "k3s", "identity"} <= lit(ill, twin, "problem")
    for check, words in {
        "swap": "/swap is on",
        "packages": "interrupted",
        "cmdline": "has 2 lines",
        "k3s": "k3s-agent is inactive",
        "identity": "the same machine id as ward1",
    }.items():
        assert words in found[check]["evidence"], found[check]
        assert found[check]["fix"], found[check]
    assert "identity" in lit(ill, well.node(1), "problem"), "the other twin is not told"


def test_one_node_can_be_asked_about_and_its_twin_is_seen_all_the_same(
    well: Bench, twin: Pi
) -> None:
    document = examined(well, "--node", twin.name, expect=1)
    assert [each["name"] for each in document["nodes"]] == [twin.name]
    assert "identity" in lit(document, twin, "problem")


def test_fix_mends_what_is_safe_and_names_what_it_leaves_alone(
    well: Bench, twin: Pi, ill: dict[str, Any]
) -> None:
    shown = well.picluster("doctor", "--fix", expect=1)
    assert "left alone:\n" in shown.out
    assert f"{twin.name}: its own machine id and host key: " in shown.out
    after = examined(well, expect=1)
    still = lit(after, twin, "problem") | lit(after, twin, "warning")
    assert not still & SAFE, f"not mended: {still & SAFE}"
    assert {"cmdline", "k3s", "identity"} <= still, "it did more than what is safe"
    assert twin.sh("dpkg --audit") == ""
    assert twin.sh("tail -n +2 /proc/swaps") == ""


def test_fix_with_json_says_what_it_mended(well: Bench, twin: Pi, ill: dict[str, Any]) -> None:
    twin.sh("rm -f /etc/sysctl.d/99-k3s.conf")
    document = examined(well, "--fix", expect=1)
    assert {"node": twin.name, "check": "sysctl-file"} in document["mended"]
    assert rows(document, twin)["sysctl-file"]["light"] == "ok"


def test_a_full_card_is_a_problem_of_that_node_alone(well: Bench) -> None:
    full = well.node(1)
    full.break_("fill-disk")
    try:
        document = examined(well, expect=1)
    finally:
        full.mend()
    assert "room" in lit(document, full, "problem")
    assert "room" not in lit(document, well.node(2), "problem")


def test_a_node_that_is_away_is_told_beside_the_others(well: Bench) -> None:
    lost = well.node(2)
    lost.break_("cut")
    try:
        document = examined(well, expect=4)
        shown = well.picluster("doctor", expect=4).out
    finally:
        lost.mend()
    there, away = document["nodes"]
    assert (there["reached"], away["reached"]) == (True, False)
    assert there["findings"]
    assert away["error"]
    assert f"{lost.name}: cannot be reached" in shown
