"""Preflight: each check refuses what cannot work, warns of what may, and never changes anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import lay, run_with
from tests.unit.steps.looking import answered, printed

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Decision, Satisfied, Step
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.steps.k3s.leftovers import OwnNetwork
from picluster.steps.preflight.clock import Clock
from picluster.steps.preflight.identity import IDENTITY, HostNames, MachineIdentity, OwnIdentity
from picluster.steps.preflight.machine import (
    FREE_ROOM,
    MEMORY,
    SYSTEM,
    FreeDisk,
    Memory,
    MemoryCgroupKnown,
    MemoryInstalled,
    OperatingSystem,
)
from picluster.steps.preflight.network import (
    NEIGHBOURS,
    AddressIsItsOwn,
    Listening,
    Neighbours,
    NothingInTheWay,
    PortsFree,
    RegistryPortFree,
    ports_of,
)

GIB = 1024**3
OWN = OwnNetwork("10.42.0.0/16", frozenset({"10.0.0.1", "10.0.0.2"}))
SERVICES = "10.43.0.0/16"
PI_OS = ("user=0", "init=systemd", "apt=yes", "arch=arm64", "kernel=aarch64", "pretty=Pi OS")
ADDRESS = AddressIsItsOwn("10.0.0.1", OWN, SERVICES)
ALONE = NothingInTheWay("vxlan")
PORTS = PortsFree((6443, 10250))
SS = 'listens=LISTEN 0 4096 *:6443 *:* users:(("{}",pid=7,fd=3))'


def decide(step: Step, *lines: str, **others: str) -> Decision:
    texts = {"pi1": "\n".join(lines)} | others
    survey = {node: answered([step], *text.split("\n")) for node, text in texts.items()}
    return step.decide(Look("pi1", step.name, survey))


def kib(gib: float) -> str:
    return f"kib={int(gib * 1024 * 1024)}"


def free(root: float, rest: float = 100) -> tuple[str, str]:
    return f"free={int(root * GIB)} /", f"free={int(rest * GIB)} /var/lib"


ROUTED = "default=eth0"
LEFT_OVER = "route=10.42.1.0/24 via 10.0.0.2 dev eth0"


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (OperatingSystem(), PI_OS),
        (Memory(True), (kib(3.7),)),
        (Memory(False), (kib(0.9),)),
        (FreeDisk(), free(20)),
        (FreeDisk(), free(8)),
        (MemoryCgroupKnown(), ("memory=yes",)),
        (
            ADDRESS,
            ("address=::1", "address=10.0.0.1", ROUTED, "route=default", "route=10.0.0.0/24"),
        ),
        (AddressIsItsOwn("pi1.local", OWN, SERVICES), ("address=10.0.0.1", ROUTED)),
        (AddressIsItsOwn("fd00::1", OWN, SERVICES), ("address=fd00::1", ROUTED, "route=fd00::/64")),
        (PORTS, ()),
        (PORTS, ("k3s=yes", SS.format("python3"))),
        (PORTS, (SS.format("k3s-server"),)),
        (ADDRESS, ("address=10.0.0.1", ROUTED, "route=0.0.0.0/1 via 10.8.0.1 dev tun0")),
        (ADDRESS, ("address=10.0.0.1", ROUTED, "route=10.42.1.0/24 dev cni0 proto kernel")),
        (ADDRESS, ("address=10.0.0.1", ROUTED, "k3s=yes", "route=10.42.1.0/24 dev tunl0")),
        (ALONE, ()),
        (ALONE, ("firewall=ufw", "ufw=off")),
    ],
)
def test_a_fit_node_passes_without_a_word(step: Step, lines: tuple[str, ...]) -> None:
    decision = decide(step, *lines)
    assert isinstance(decision, Satisfied)
    assert decision.warning == ""


@pytest.mark.parametrize(
    ("step", "lines", "warning"),
    [
        (Memory(True), (kib(1.1),), "little for a server"),
        (Memory(True), (), "could not be read"),
        (FreeDisk(), free(20, 7), "7.0 GiB free in /var/lib"),
        (FreeDisk(), free(2), "2.0 GiB free in / is little"),
        (FreeDisk(), (), "could not be read"),
        (MemoryCgroupKnown(), ("memory=no",), "reboots"),
        (ADDRESS, ("address=10.0.0.1", "route=10.0.0.0/24"), "no default route"),
        (ALONE, ("firewall=nftables",), "nftables is active"),
    ],
)
def test_what_may_go_wrong_is_told(step: Step, lines: tuple[str, ...], warning: str) -> None:
    decision = decide(step, *lines)
    assert isinstance(decision, Satisfied)
    assert warning in decision.warning


@pytest.mark.parametrize(
    ("step", "lines", "reason"),
    [
        (OperatingSystem(), ("user=1000", *PI_OS[1:]), "do not run as root"),
        (OperatingSystem(), ("user=0", "init=init", *PI_OS[2:]), "not systemd"),
        (OperatingSystem(), (*PI_OS[:2], *PI_OS[3:]), "Pi OS has no apt"),
        (OperatingSystem(), (*PI_OS[:3], "arch=armhf", "kernel=aarch64"), "kernel is 64-bit"),
        (OperatingSystem(), (*PI_OS[:3], "arch=armhf", "kernel=armv7l"), "armhf, and"),
        (Memory(True), (kib(0.7),), "too little for a server"),
        (Memory(False), (kib(0.3),), "too little for an agent"),
        (FreeDisk(), free(1.5), "only 1.5 GiB free in /"),
        (ADDRESS, ("address=10.0.0.9",), "does not have the address 10.0.0.1"),
        (ADDRESS, ("address=10.0.0.1", "route=10.0.0.0/8"), "overlaps 10.42.0.0/16"),
        (ADDRESS, ("address=10.0.0.1", "route=10.43.7.1"), "overlaps 10.43.0.0/16"),
        (ADDRESS, ("address=10.0.0.1", f"{LEFT_OVER} proto dhcp"), "overlaps 10.42.0.0/16"),
        (PORTS, (SS.format("nginx"),), "6443 (nginx)"),
        (ALONE, ("kubernetes=k0scontroller",), "k0scontroller"),
        (OwnIdentity(), ("machine_id=",), "no machine id"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(
    step: Step, lines: tuple[str, ...], reason: str
) -> None:
    decision = decide(step, *lines)
    assert isinstance(decision, Blocked)
    assert reason in decision.reason
    assert decision.fix


def test_a_route_that_k3s_left_is_named_and_is_no_refusal() -> None:
    decision = decide(ADDRESS, "address=10.0.0.1", ROUTED, LEFT_OVER)
    assert isinstance(decision, Satisfied)
    assert "left over from K3s: 10.42.1.0/24 via 10.0.0.2 dev eth0" in decision.detail
    assert decision.warning == "", "the k3s phase removes it, and then it is no more so"


def test_a_gateway_may_be_any_address_that_a_node_says_it_has() -> None:
    by_name = AddressIsItsOwn("pi1.local", OwnNetwork("10.42.0.0/16", frozenset()), SERVICES)
    decision = decide(by_name, "address=10.0.0.1", ROUTED, LEFT_OVER, pi2="address=10.0.0.2")
    assert isinstance(decision, Satisfied)
    assert isinstance(decide(by_name, "address=10.0.0.1", ROUTED, LEFT_OVER), Blocked)


def test_a_route_that_only_may_be_k3ss_is_refused_with_how_to_remove_it() -> None:
    foreign = LEFT_OVER.replace("10.0.0.2", "10.0.0.99")
    decision = decide(ADDRESS, "address=10.0.0.1", foreign)
    assert isinstance(decision, Blocked)
    assert "`ip route del 10.42.1.0/24 via 10.0.0.99 dev eth0`" in decision.fix
    assert "choose another k3s.cluster_cidr" in decision.fix
    own = decide(ADDRESS, "address=10.0.0.1", "route=10.43.0.0/20 via 10.0.0.2 dev eth0")
    assert isinstance(own, Blocked)
    assert own.fix == "choose another k3s.service_cidr"


@pytest.mark.parametrize(
    ("backend", "ports"),
    [("vxlan", "UDP 8472"), ("wireguard-native", "UDP 51820"), ("host-gw", ""), ("none", "")],
)
def test_a_firewall_is_told_the_ports_of_the_backend_in_use(backend: str, ports: str) -> None:
    decision = decide(NothingInTheWay(backend), "firewall=ufw")
    assert isinstance(decision, Satisfied)
    assert ports in decision.warning
    assert bool(ports) == ("UDP" in decision.warning)


@pytest.mark.parametrize(
    ("twin", "what"),
    [
        ("machine_id=a\nhost_key=y", "machine id"),
        ("machine_id=x\nhost_key=b", "SSH host key"),
        ("machine_id=x\nhost_key=y\ninitiator=iqn.c", "iSCSI initiator name"),
    ],
)
def test_twins_are_named_both(twin: str, what: str) -> None:
    own = ("machine_id=a", "host_key=b", "initiator=iqn.c")
    decision = decide(OwnIdentity(), *own, pi2=twin)
    assert isinstance(decision, Blocked)
    assert decision.reason == f"pi1 has the same {what} as pi2"
    assert decide(OwnIdentity(), *own, pi2="machine_id=x\nhost_key=y") == Satisfied()


def test_a_host_name_that_prepare_does_not_set_must_be_the_nodes_own() -> None:
    refused = decide(HostNames(False), "name=pi", pi2="name=pi", pi3="name=x")
    assert isinstance(refused, Blocked)
    assert refused.reason == "pi1 has the same host name, pi, as pi2"
    assert isinstance(decide(HostNames(True), "name=pi", pi2="name=pi"), Satisfied)
    assert isinstance(decide(HostNames(False), "name=pi1", pi2="name=pi"), Satisfied)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (Memory(True), "kib=²"),
        (Memory(False), "kib=--5"),
        (FreeDisk(), "free=² /"),
        (FreeDisk(), "free=1x /var"),
        (PORTS, "k3s=perhaps"),
        (OperatingSystem(), "apt=²"),
    ],
)
def test_nonsense_fails_the_node_and_no_decision(step: Step, line: str) -> None:
    probe = step.probe()
    assert isinstance(probe, ShellProbe)
    with pytest.raises(Unreadable):
        printed(probe, line)


def test_the_scripts_run_and_their_answers_are_read(tmp_path: Path) -> None:
    """On this machine, with a systemd that knows one foreign Kubernetes and one firewall."""
    systemctl = "for unit; do echo Names=$unit.service; case $unit in\n"
    systemctl += "k0sworker|ufw) echo ActiveState=active ;; esac; echo; done"
    answers = {}
    units = tmp_path / "etc/systemd/system"
    lay(units, {"k0sworker.service": "", "kubelet.service": "", "ufw.service": ""})
    for probe in (IDENTITY, NEIGHBOURS, SYSTEM, MEMORY, FREE_ROOM):
        text = probe.text.replace("/etc/systemd/system", str(units))
        done = run_with(tmp_path, text, systemctl=systemctl)
        answers[probe.name] = probe.parse(Observation(out=done.stdout))
    assert answers["neighbours"] == Neighbours(("k0sworker",), ("ufw",))
    assert isinstance(answers["identity"], MachineIdentity)
    assert MemoryInstalled(None) != answers["memory"]
    assert "/" in answers["disk"].free


def test_only_servers_of_several_need_etcds_ports() -> None:
    assert ports_of(is_server=False, is_ha=True) == (10250,)
    assert ports_of(is_server=True, is_ha=False) == (6443, 10250)
    assert ports_of(is_server=True, is_ha=True) == (6443, 10250, 2379, 2380)


@pytest.mark.parametrize(
    "step",
    [
        *(OperatingSystem(), Memory(True), FreeDisk(), MemoryCgroupKnown(), Clock(), OwnIdentity()),
        *(HostNames(True), ADDRESS, PORTS, ALONE),
    ],
    ids=lambda step: step.name,
)
def test_probes_are_posix_shell(step: Step) -> None:
    probe = step.probe()
    assert isinstance(probe, ShellProbe)
    subprocess.run(["sh", "-n"], input=probe.text, text=True, check=True)


@pytest.mark.parametrize(
    ("listens", "docker", "found"),
    [
        ("", "echo 5000/tcp -\\> 0.0.0.0:5000", Listening()),
        ("LISTEN 0 9 *:5000 *:*", "", Listening(("LISTEN 0 9 *:5000 *:*",))),
        (
            "LISTEN 0 9 *:5000 *:*",
            "[ $2 != picluster-registry ] || echo 5000/tcp -\\> 0.0.0.0:5000",
            Listening(("LISTEN 0 9 *:5000 *:*",), ours=("5000/tcp -> 0.0.0.0:5000",)),
        ),
        (
            "LISTEN 0 9 *:5000 *:*",
            "[ $2 = picluster-registry ] || echo 5000/tcp -\\> 0.0.0.0:5000",
            Listening(("LISTEN 0 9 *:5000 *:*",), ours=("5000/tcp -> 0.0.0.0:5000",)),
        ),
    ],
    ids=["nobody", "a stranger", "the registry", "what stands in while garbage is collected"],
)
def test_whose_the_registrys_port_is_is_asked_only_if_somebody_has_it(
    tmp_path: Path, listens: str, docker: str, found: Listening
) -> None:
    probe = RegistryPortFree(5000).probe()
    script = f"ask() {{ eval {quote(probe.text)}\n}}; ask"
    done = run_with(tmp_path, script, ss=f"echo '{listens}'", docker=docker)
    assert probe.parse(Observation(out=done.stdout)) == found
