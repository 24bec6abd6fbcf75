"""Machines nearby: read from what this computer knows, cleaned, joined, and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from picluster.discovery import (
    Candidate,
    candidates,
    from_arp,
    from_avahi,
    from_hosts,
    is_pi_mac,
    label,
    merged,
    node_name,
    usable,
)

ARP = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         9c:05:d6:11:22:33     *        eth0
192.168.1.31     0x1         0x2         dc:a6:32:aa:bb:cc     *        eth0
192.168.1.30     0x1         0x6         D8:3A:DD:00:00:01     *        eth0
192.168.1.32     0x1         0x0         00:00:00:00:00:00     *        eth0
192.168.1.33     0x1         0x0         b8:27:eb:00:00:02     *        eth0
"""

AVAHI = """\
+;eth0;IPv4;attic\\032\\091dc\\058a6\\05832\\058aa\\058bb\\058cc\\093;_workstation._tcp;local
=;eth0;IPv6;attic\\032\\091dc\\058a6\\05832\\058aa\\058bb\\058cc\\093;_workstation._tcp;local;\
attic.local;fe80::dea6:32ff:feaa:bbcc;9;
=;eth0;IPv4;attic\\032\\091dc\\058a6\\05832\\058aa\\058bb\\058cc\\093;_workstation._tcp;local;\
attic.local;192.168.1.31;9;
=;eth0;IPv4;desk\\032\\091a0:36:9f:00:00:01\\093;_workstation._tcp;local;desk.local;192.168.1.9;9;
=;eth0;IPv4;raspberrypi-2;_workstation._tcp;local;raspberrypi-2.local;192.168.1.40;9;"a;b"
"""


def test_only_raspberry_pis_that_answered_are_taken_from_the_arp_table() -> None:
    assert from_arp(ARP) == [
        Candidate("192.168.1.31", is_pi=True),
        Candidate("192.168.1.30", is_pi=True),
    ]


@pytest.mark.parametrize("text", ["", "nonsense", "one\ntwo three", "head\n1.2.3.4 a zz b c d"])
def test_an_arp_table_that_is_none_holds_nobody(text: str) -> None:
    assert from_arp(text) == []


def test_avahi_gives_names_and_addresses_that_can_be_used() -> None:
    assert from_avahi(AVAHI) == [
        Candidate("192.168.1.31", "attic", is_pi=True),
        Candidate("192.168.1.9", "desk"),
        Candidate("192.168.1.40", "raspberrypi-2", is_pi=True),
    ]


@pytest.mark.parametrize("text", ["", "=;;;", "=;eth0;IPv4;x;t;local;host;no-address;9;"])
def test_avahi_output_that_is_cut_short_holds_nobody(text: str) -> None:
    assert from_avahi(text) == []


def test_what_is_announced_cannot_steer_the_terminal() -> None:
    line = "=;eth0;IPv4;x;_workstation._tcp;local;\x1b[2Jevil.local;192.168.1.9;9;"
    assert from_avahi(line) == [Candidate("192.168.1.9")]


def test_a_name_that_resolves_is_a_candidate() -> None:
    found = from_hosts("192.168.1.40    raspberrypi.local\n")
    assert found == [Candidate("192.168.1.40", "raspberrypi", is_pi=True)]
    assert from_hosts("") == from_hosts("\n\n") == from_hosts("192.168.1.40\n") == []


def test_one_machine_is_offered_once_with_all_that_is_known() -> None:
    found = [
        Candidate("192.168.1.9", "desk"),
        Candidate("192.168.1.31", "attic"),
        Candidate("fd00::31", "attic", is_pi=True),
        Candidate("192.168.1.31", is_pi=True),
        Candidate("192.168.1.4", is_pi=True),
    ]
    assert merged(found) == [
        Candidate("192.168.1.4", is_pi=True),
        Candidate("192.168.1.31", "attic", is_pi=True),
        Candidate("192.168.1.9", "desk"),
    ]


def test_addresses_are_in_order_of_their_numbers() -> None:
    found = merged([Candidate("10.0.0.10"), Candidate("fd00::1"), Candidate("10.0.0.9")])
    assert [each.address for each in found] == ["10.0.0.9", "10.0.0.10", "fd00::1"]


@pytest.mark.parametrize(
    ("name", "number", "taken", "expected"),
    [
        ("attic", 1, [], "attic"),
        ("attic", 2, ["attic"], "pi2"),
        ("", 2, ["pi2", "pi3"], "pi4"),
        ("raspberrypi", 1, [], "pi1"),
        ("raspberrypi-2", 1, [], "pi1"),
        ("42", 1, [], "pi1"),
    ],
)
def test_a_node_gets_a_name_that_is_its_own(
    name: str, number: int, taken: Sequence[str], expected: str
) -> None:
    assert node_name(Candidate("10.0.0.9", name), number, taken) == expected


@pytest.mark.parametrize(
    "mac",
    ["28:cd:c1", "2c:cf:67", "88:a2:9e", "B8:27:EB", "d8:3a:dd", "dc:a6:32", "e4:5f:01"],
)
def test_raspberry_pis_blocks_are_known(mac: str) -> None:
    assert is_pi_mac(f"{mac}:00:00:01")


@pytest.mark.parametrize("mac", ["3a:35:41", "8c:1f:64", "00:16:3e"])
def test_other_blocks_are_not_raspberry_pis(mac: str) -> None:
    assert not is_pi_mac(f"{mac}:00:00:01")


@pytest.mark.parametrize("text", ["", "pi.local", "fe80::1", "127.0.0.1", "224.0.0.1", "0.0.0.0"])
def test_an_address_that_others_cannot_use_is_left_out(text: str) -> None:
    assert usable(text) == ""


def test_names_are_taken_without_their_domain() -> None:
    assert label("Attic.local") == label("attic") == "attic"
    assert label("at tic") == label("-attic") == label("") == ""


def test_everything_that_can_be_asked_is_asked_and_joined(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(ARP)
    asked: list[str] = []

    def ask(program: Sequence[str]) -> str:
        asked.append(program[0])
        return AVAHI if program[0] == "avahi-browse" else "192.168.1.40 raspberrypi.local\n"

    found = candidates(ask, table)
    assert asked == ["avahi-browse", "getent"]
    assert [(each.address, each.name) for each in found if each.is_pi] == [
        ("192.168.1.30", ""),
        ("192.168.1.31", "attic"),
        ("192.168.1.40", "raspberrypi-2"),
    ]


def test_a_computer_without_any_of_it_finds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert candidates(arp_table=tmp_path / "none") == []


def test_the_output_of_local_programs_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "getent"
    program.write_text("#!/bin/sh\necho '10.0.0.40 raspberrypi.local'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = candidates(arp_table=tmp_path / "none")
    assert found == [Candidate("10.0.0.40", "raspberrypi", is_pi=True)]
