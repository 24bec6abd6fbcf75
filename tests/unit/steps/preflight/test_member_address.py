"""A server with another address than its cluster knows it by is refused before anything else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.steps.looking import decide

from picluster.engine.probe import Observation
from picluster.engine.step import Blocked, Satisfied
from picluster.model import parse
from picluster.phases.preflight import nothing_more, preflight
from picluster.steps.preflight.member_address import MEMBERSHIP, AddressStays

CONFIG = (
    "advertise-client-urls: {}\nlisten-peer-urls: https://127.0.0.1:2380,https://10.0.0.9:2380\n"
)


def stays(wanted: str | None, *, alone: bool = False) -> AddressStays:
    return AddressStays("pi1", wanted, alone)


def test_a_member_that_moved_is_refused_with_every_way_out() -> None:
    decision = decide(stays("10.0.0.2"), "member=yes", "address=10.0.0.1")
    assert isinstance(decision, Blocked)
    assert "10.0.0.1" in decision.reason
    for way in ("give it back 10.0.0.1", "picluster node remove pi1", "picluster snapshot restore"):
        assert way in decision.fix


def test_the_only_server_cannot_join_anew_and_goes_back_to_a_snapshot() -> None:
    decision = decide(stays("10.0.0.2", alone=True), "member=yes", "address=10.0.0.1")
    assert isinstance(decision, Blocked)
    assert "node remove" not in decision.fix
    assert "picluster snapshot restore" in decision.fix


@pytest.mark.parametrize("lines", [("member=yes", "address=10.0.0.1"), ("member=yes",), ()])
def test_one_that_stayed_and_one_that_is_no_member_are_fine(lines: tuple[str, ...]) -> None:
    assert isinstance(decide(stays("10.0.0.1"), *lines), Satisfied)


def test_addresses_are_compared_as_such() -> None:
    decision = decide(stays("fd00::1"), "address=[fd00:0::1]")
    assert decision == Satisfied(detail="fd00::1")


def test_a_name_in_the_file_cannot_be_compared() -> None:
    assert isinstance(decide(stays("pi1.lan"), "address=10.0.0.1"), Satisfied)


def test_what_a_reset_of_the_membership_left_is_no_address() -> None:
    decision = decide(stays("10.0.0.2"), "address=127.0.0.1", "address=10.0.0.2")
    assert isinstance(decision, Satisfied)


@pytest.mark.parametrize(
    ("etcd", "k3s", "found"),
    [
        (CONFIG.format("https://10.0.0.1:2379"), "node-ip: 10.0.0.2\n", "10.0.0.1"),
        (CONFIG.format("https://[fd00::1]:2379"), "", "fd00::1"),
        ("", "node-ip: 10.0.0.2\n", "10.0.0.2"),
        ("", "node-ip: 'fd00::2'\n", "fd00::2"),
        (None, "node-ip: 10.0.0.2\n", ""),
    ],
)
def test_it_is_read_from_what_k3s_wrote(
    tmp_path: Path, etcd: str | None, k3s: str, found: str
) -> None:
    database = tmp_path / "etcd"
    if etcd is not None:
        database.mkdir()
        (database / "config").write_text(etcd)
    (tmp_path / "config.yaml").write_text(k3s)
    script = MEMBERSHIP.text.replace("/var/lib/rancher/k3s/server/db/etcd", str(database)).replace(
        "/etc/rancher/k3s/config.yaml", str(tmp_path / "config.yaml")
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert MEMBERSHIP.parse(Observation(out=done.stdout)).address == found


def checks(further: object = None) -> list[str]:
    """Return which nodes are checked for it, in the phase."""
    cluster = parse(
        "name: c\nnodes:\n- {name: pi1, address: 10.0.0.1, role: server}\n"
        "- {name: pi2, address: 10.0.0.2, role: agent}\n"
    ).cluster
    phase = preflight(cluster) if further is None else preflight(cluster, further)  # type: ignore[arg-type]
    names = [node.name for node in cluster.nodes]
    return [node for node in names if any(s.name == MEMBERSHIP.name for s in phase.steps_for(node))]


def test_servers_are_asked_before_anything_changes_but_not_for_a_restore() -> None:
    assert checks() == ["pi1"]
    assert checks(nothing_more) == []
