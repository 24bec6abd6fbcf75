"""Nodes leave a cluster, and a cluster leaves its nodes: what goes, what stays, what is said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied, Step
from picluster.engine.survey import Look
from picluster.lab import faults
from picluster.paths import cluster_state
from picluster.steps.k3s.leftovers import Cleared, OwnNetwork
from picluster.steps.k3s.state import STATE
from picluster.steps.k3s.uninstall import Uninstalled
from tests.lab.bench import Bench, Pi, differing, until
from tests.lab.kube import ask, fetched, nodes_seen_by
from tests.lab.labs import rehearse
from tests.lab.leftovers import DATA, FILES, OTHERS, RUNNING, VIP, Leftover

VOLUME = "/var/lib/rancher/k3s/storage/pvc-1_default_photos"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
OWN_RULE = "-A INPUT -p tcp -m tcp --dport 8123 -m comment --comment mine -j ACCEPT"
BACKENDS = ("wireguard-native", "host-gw", "vxlan")
OWN = OwnNetwork("10.42.0.0/16", frozenset(), VIP)


@pytest.fixture(scope="module")
def band(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """Three servers and an agent, prepared and with a cluster."""
    for bench in rehearse("band", 4, 3, home, artifacts, image=prepared_card):
        choose(bench, BACKENDS[0])
        bench.picluster("phase", "prepare")
        for node in bench.nodes:
            node.sh("apt-get install -y -q iptables >/dev/null")
        yield bench


@pytest.fixture
def littered(band: Bench) -> Iterator[Pi]:
    """A machine on which K3s, and others, left all that they can leave."""
    node = band.node(4)
    node.sh("apt-get install -y -q ipset nftables >/dev/null")
    node.sh("\n".join(["set -e", *(each.make for each in (OTHERS | FILES | RUNNING).values())]))
    node.sh(f"ip route add 10.42.1.0/24 via {band.node(1).address} dev eth0")
    yield node
    node.sh(f"rm -r {DATA}")
    node.restart()


def present(node: Pi, things: Mapping[str, Leftover]) -> set[str]:
    """Name those that are there."""
    checks = (
        f"if {{ {t.there}; }} >/dev/null 2>&1; then echo {quote(n)}; fi" for n, t in things.items()
    )
    return set(node.sh("\n".join(checks)).splitlines())


def decided(step: Step, node: Pi, bench: Bench) -> Decision:
    """Ask a node as picluster does, and return what the step decides."""
    probe = step.probe()
    assert isinstance(probe, ShellProbe)
    asked = (probe, STATE)  # what K3s there is stands in every phase beside the step
    seen = {each.name: each.parse(Observation(out=node.sh(each.text))) for each in asked}
    other = Observation(out=f"address={bench.node(1).address}\nsnapshots=0\n")
    others = {"other": {probe.name: probe.parse(other)}}
    return step.decide(Look(node.name, step.name, {node.name: seen, **others}))


def make_so(step: Step, node: Pi, bench: Bench) -> str:
    """Do what the step decides; return its reason."""
    decision = decided(step, node, bench)
    assert isinstance(decision, Change), decision
    for action in decision.actions:
        assert isinstance(action, Run)
        node.sh(f"set -e\n{action.script}")
    return decision.reason


def test_all_that_k3s_leaves_is_seen_and_removed_and_nothing_of_others(
    littered: Pi, band: Bench
) -> None:
    everything = RUNNING | FILES | OTHERS
    assert present(littered, everything) == set(everything), "not all could be made"
    reason = make_so(Cleared(OWN), littered, band)
    assert reason.startswith(
        f"K3s is not installed, and there are the route to 10.42.1.0/24 via {band.node(1).address}"
    )
    assert not present(littered, RUNNING), "left over"
    assert "10.42.1.0/24" not in littered.sh("ip route")
    assert decided(Cleared(OWN), littered, band) == Satisfied()
    assert {"configuration", "K3s's data"} <= present(littered, FILES), "up removes no files"

    make_so(Uninstalled(OWN), littered, band)
    assert not present(littered, FILES), "left over"
    assert decided(Uninstalled(OWN), littered, band) == Satisfied()
    assert present(littered, OTHERS) == set(OTHERS), "somebody else's is gone"


@pytest.fixture(scope="module")
def prepared(band: Bench) -> dict[str, dict[str, str]]:
    """Every node's card after `prepare`."""
    return {node.name: node.tree() for node in band.nodes}


@pytest.fixture(scope="module")
def backends() -> Iterator[str]:
    return iter(BACKENDS)


@pytest.fixture
def made(band: Bench, prepared: dict[str, dict[str, str]], backends: Iterator[str]) -> Bench:
    """A whole cluster; after a reset there is another one, with another of flannel's backends.

    The machines are not rebooted in between: what one K3s leaves is in the way of the next.
    """
    if not band.node(1).holds("test -e /usr/local/bin/k3s"):
        choose(band, next(backends))
    band.picluster("up")
    return band


def choose(bench: Bench, backend: str) -> None:
    kept = [line for line in bench.file.read_text().splitlines() if "flannel_backend" not in line]
    at = kept.index("k3s:") + 1
    bench.file.write_text("\n".join([*kept[:at], f"  flannel_backend: {backend}", *kept[at:], ""]))


def network_of_k3s(node: Pi) -> list[str]:
    """Name what there is of the pods' network."""
    look = "ip route; ip -o link | awk '{print $2}'; ls /run/netns; pgrep -af ^/var/lib/; true"
    lines = node.sh(look)
    marks = ("10.42.", "cni", "flannel", "containerd-shim")
    return [line for line in lines.splitlines() if any(mark in line for mark in marks)]


def contexts(bench: Bench) -> set[str]:
    file = Path.home() / ".kube" / "config"
    listed = yaml.safe_load(file.read_text())["contexts"] if file.exists() else []
    return {each["name"] for each in listed or []}


def leave_traces(node: Pi) -> None:
    """A volume with data, and a rule of the user's own beside those of Kubernetes."""
    node.sh(f"mkdir -p {VOLUME} && echo holiday >{VOLUME}/photo")
    node.sh(f"iptables {OWN_RULE}")
    assert {"KUBE-SERVICES", "FLANNEL-POSTRTG"} <= set(node.sh("iptables-save -t nat").split())


def test_up_clears_what_a_k3s_removed_by_hand_left_and_tells_so(
    band: Bench, prepared: dict[str, dict[str, str]], backends: Iterator[str]
) -> None:
    one, two = band.nodes[:2]
    left = {one: f"10.42.11.0/24 via {two.address}", two: f"10.42.12.0/24 via {one.address}"}
    for node, route in left.items():
        node.sh(f"ip route add {route} dev eth0; ip link add cni0 type bridge")
    foreign = f"10.42.9.0/24 via {band.lab.gateway} dev eth0"
    two.sh(f"ip route add {foreign}")
    choose(band, next(backends))
    refused = band.picluster("up", expect=5)
    assert f"ip route del {foreign}" in refused.said, "how to remove it"
    assert "10.42.11.0/24" not in refused.said, "what is K3s's own is no refusal"
    two.sh(f"ip route del {foreign}")
    assert "clear what a former K3s left" in band.picluster("plan").out
    band.picluster("up")
    assert not [route for node, route in left.items() if route in node.sh("ip route")]


def test_without_a_terminal_nothing_is_destroyed_unless_yes_is_said(made: Bench) -> None:
    before = nodes_seen_by(made.node(1))
    for command in (["reset"], ["node", "remove", made.node(4).name]):
        refused = made.picluster(*command, expect=2)
        assert "--yes" in refused.said
    made.picluster("reset", "--dry-run", "--data")
    assert nodes_seen_by(made.node(1)) == before


def test_a_reset_leaves_what_was_there_before_and_the_volumes(
    made: Bench, prepared: dict[str, dict[str, str]]
) -> None:
    assert made.lab.name in contexts(made)
    for node in made.nodes:
        leave_traces(node)
    done = made.picluster("reset", "--yes")
    assert VOLUME.rsplit("/", 1)[0] in done.out, "what is kept has to be named"
    for node in made.nodes:
        assert not network_of_k3s(node), f"left on {node.name}"
        rules = node.sh("iptables-save; ip6tables-save")
        assert OWN_RULE in rules, f"{node.name} lost a rule of the user's own"
        assert not any(word in rules for word in ("KUBE-", "FLANNEL-", "CNI-")), rules
        assert node.read(f"{VOLUME}/photo") == "holiday\n"
        changed = {
            path for path in differing(prepared[node.name], node.tree()) if not stays(made, path)
        }
        assert not changed, f"{node.name}: {sorted(changed)}"
    assert made.lab.name not in contexts(made)
    assert not (cluster_state(made.lab.name) / "token").exists()

    again = made.picluster("reset", "--yes")
    assert "nothing to do" in again.said
    named = made.picluster("reset", "--data", "--dry-run").out
    assert f"DELETE the volumes of local-path in {VOLUME.rsplit('/', 1)[0]}" in named
    made.picluster("reset", "--data", "--yes")
    assert all(node.status("test -e /var/lib/rancher/k3s/storage") != 0 for node in made.nodes)


def stays(bench: Bench, path: str) -> bool:
    """Whether a path is that of a volume, or of a directory that Debian brings itself."""
    name, *kind = path.split()[:2]
    place = name.partition("/./")[2]
    if kind == ["d"] and path.startswith("system/") and (Path(bench.lab.base) / place).is_dir():
        return True
    return path.startswith("storage/") and (place == "rancher/k3s" or "k3s/storage" in place)


def test_a_reset_goes_on_without_a_node_that_is_off_and_says_so(made: Bench) -> None:
    off, rest = made.node(4), made.nodes[:3]
    assert f"via {off.address}" in rest[0].sh("ip route"), "flannel's host-gw has set no routes"
    off.break_("power-off")
    try:
        partly = made.picluster("phase", "reset", "--yes", expect=4)
        assert off.name in partly.said
        assert made.lab.name in contexts(made), "credentials stay while a node has the cluster"
        for node in rest:
            assert node.status("test -e /usr/local/bin/k3s") != 0, f"{node.name} still has K3s"
            assert not network_of_k3s(node), f"left on {node.name}"
    finally:
        faults.mend(made.lab, off.node)
    until(lambda: off.holds("systemctl is-active --quiet ssh && test ! -e /run/nologin"))
    made.picluster("reset", "--yes")
    assert off.status("test -e /usr/local/bin/k3s") != 0
    assert not [left for node in made.nodes if (left := network_of_k3s(node))]
    assert made.lab.name not in contexts(made)


def database_on(bench: Bench, node: Pi) -> None:
    """A StatefulSet whose only volume is on this node, by K3s' own storage class."""
    first = bench.node(1)
    others = [each.name for each in bench.nodes if each.name != node.name]
    labels = {"app": "db"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "db", "image": "db"}]},
        },
        "volumeClaimTemplates": [
            {"metadata": {"name": "data"}, "spec": {"storageClassName": "local-path"}}
        ],
    }
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}}
    make = ask("POST", SETS, json.dumps({**body, "spec": spec}))
    for closed in (True, None):
        cordon = json.dumps({"spec": {"unschedulable": closed}})
        first.sh("".join(ask("PATCH", f"/api/v1/nodes/{name}", cordon) for name in others))
        if closed:
            first.sh(make)
            until(lambda: pod_of_database(bench)["spec"].get("nodeName") == node.name)


def pod_of_database(bench: Bench) -> dict[str, Any]:
    return fetched(bench.node(1), "/api/v1/namespaces/default/pods/db-0")


def test_a_node_is_taken_out_and_can_come_back(made: Bench) -> None:
    """Not with the only copy of somebody's data, unless its volume is given up by name."""
    first, third, agent = made.node(1), made.node(3), made.node(4)
    database_on(made, agent)
    pod = pod_of_database(made)["metadata"]["uid"]
    refused = made.picluster("node", "remove", agent.name, "--yes", expect=5)
    assert f"{agent.name} has the only copy of default/data-db-0" in refused.said
    assert "StatefulSet default/db could not start on any other node" in refused.said
    assert "`--lose-volume default/data-db-0`" in refused.said
    assert pod_of_database(made)["metadata"]["uid"] == pod
    assert not nodes_seen_by(first)[agent.name]["cordoned"]
    give_up = ["--lose-volume", "default/data-db-0"]
    planned = made.picluster("node", "remove", agent.name, "--dry-run", *give_up)
    assert "give up default/data-db-0" in planned.out
    for command, node in (
        (["node", "remove", agent.name, *give_up], agent),
        (["reset", "--node", third.name, *give_up], third),
    ):
        made.picluster(*command, "--yes")
        assert node.name not in nodes_seen_by(first)
        assert node.status("test -e /var/lib/rancher/k3s/server") != 0
        assert node.status("test -e /usr/local/bin/k3s") != 0
        assert "nothing to do" in made.picluster(*command, "--yes").said
    until(lambda: pod_of_database(made)["status"]["phase"] == "Running")
    assert pod_of_database(made)["spec"]["nodeName"] in {first.name, made.node(2).name}
    first.sh(ask("DELETE", f"{SETS}/db"))
    voters = {name: node["voter"] for name, node in nodes_seen_by(first).items()}
    assert voters == {first.name: "True", made.node(2).name: "True"}
    refused = made.picluster("node", "remove", made.node(2).name, "--yes", expect=5)
    assert "a cluster of two cannot spare either" in refused.said
    made.picluster("up")
    assert set(nodes_seen_by(first)) == {node.name for node in made.nodes}


def test_a_node_that_is_broken_or_no_more_in_the_file_is_forgotten(made: Bench) -> None:
    first, agent = made.node(1), made.node(4)
    agent.break_("power-off")
    try:
        gone = made.picluster("node", "remove", agent.name, "--yes")
        assert f"{agent.name} cannot be reached" in gone.said
        assert agent.name not in nodes_seen_by(first)
    finally:
        agent.mend()
    made.picluster("up")
    lines = made.file.read_text()
    kept = [line for line in lines.splitlines() if f"name: {agent.name}," not in line]
    made.file.write_text("\n".join([*kept, ""]))
    stale = f"10.42.200.0/24 via {made.lab.gateway} dev eth0"
    first.sh(f"ip route add {stale}")
    try:
        assert agent.name in made.picluster("up").said, "a stranger has to be reported"
        assert stale not in first.sh("ip route"), "a way to a node that is gone"
        assert "10.42.1.0/24" in first.sh("ip route"), "the ways to the others stay"
        made.picluster("node", "remove", agent.name, "--yes")
        assert agent.name not in nodes_seen_by(first)
    finally:
        made.file.write_text(lines)
