"""Three servers and an agent that people depend on: losses, upgrades, a re-flashed first server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.lab import faults
from picluster.paths import cluster_state
from tests.lab.bench import Bench, Pi, kill
from tests.lab.kube import ask, create_namespace, fetched, nodes_seen_by
from tests.lab.labs import rehearse
from tests.lab.sampler import sampling

FIRST, PATCH, MINOR = "v1.33.5+k3s1", "v1.33.13+k3s2", "v1.34.11+k3s1"


@pytest.fixture(scope="module")
def fleet(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """Three servers and an agent, on an older version of K3s."""
    for bench in rehearse("fleet", 4, 3, home, artifacts, image=prepared_card):
        bench.file.write_text(bench.file.read_text() + f"  version: {FIRST}\n")
        bench.picluster("up")
        yield bench


def expect_whole(bench: Bench, version: str) -> None:
    """All four nodes are Ready at the version, nobody is cordoned, and the servers vote."""
    wanted = {
        node.name: {
            "ready": "True",
            "version": version,
            "voter": "True" if node.node.role == "server" else None,
            "cordoned": False,
        }
        for node in bench.nodes
    }
    assert nodes_seen_by(bench.node(2)) == wanted


def use_version(bench: Bench, version: str) -> None:
    lines = bench.file.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("  version:")]
    bench.file.write_text("\n".join([*kept, f"  version: {version}", ""]))


def labelled(bench: Bench, **labels: str) -> str:
    """Return the cluster file's lines of the nodes, each with its label `stage`."""
    nodes = [line for line in bench.file.read_text().splitlines() if line.startswith("  - {name:")]
    return "\n".join(
        line.replace("}", f", labels: {{stage: {labels[line.split()[2].rstrip(',')]}}}}}")
        if line.split()[2].rstrip(",") in labels
        else line
        for line in nodes
    )


def make_web(bench: Bench) -> None:
    """Have a Deployment of one pod."""
    labels = {"app": "web"}
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    bench.node(1).sh(ask("POST", deployments, json.dumps(body)))


def label_of(pi: Pi, node: str) -> str | None:
    found = fetched(pi, f"/api/v1/nodes/{node}")["metadata"]["labels"]
    return dict(found).get("stage")


def test_a_lost_agent_stops_only_itself_and_is_made_good_when_it_is_back(fleet: Bench) -> None:
    first, agent = fleet.node(1), fleet.node(4)
    former = labelled(fleet)
    agent.break_("power-off")
    with fleet.edited(former, labelled(fleet, **{first.name: "a", agent.name: "b"})):
        try:
            without = fleet.picluster("up", expect=4)
            restarted = fleet.picluster("restart", "--node", agent.name, expect=4)
        finally:
            agent.mend()
        assert f"up without {agent.name} (exit code 4): 1 change" in without.out
        assert f"next: picluster up -f {fleet.file}, once" in without.out
        assert restarted.out.count("cannot be reached over SSH") == 1
        assert label_of(first, first.name) == "a"
        assert label_of(first, agent.name) is None
        fleet.picluster("up")
        assert label_of(first, agent.name) == "b"
    fleet.picluster("up")


def test_a_lost_server_is_survived_and_no_second_one_is_touched(fleet: Bench) -> None:
    lost, second, agent = fleet.node(3), fleet.node(2), fleet.node(4)
    before = {node.name: node.starts_of_k3s() for node in fleet.nodes}
    former = labelled(fleet)
    lost.break_("power-off")
    try:
        assert nodes_seen_by(fleet.node(1)), "the API has to answer without one server"
        status = fleet.picluster("status", expect=4)
        assert "2 of 3 servers answer; the next loss stops the cluster" in status.out
        assert "cannot be reached over SSH" in status.out
        with fleet.edited(former, labelled(fleet, **{agent.name: "c"})):
            without = fleet.picluster("up", expect=4)
        assert f"up without {lost.name} (exit code 4): 1 change" in without.out
        assert label_of(second, agent.name) == "c"
        # What would disrupt servers is left, and the rest is done all the same.
        with (
            fleet.edited("domain:", "#domain:"),
            fleet.edited(former, labelled(fleet, **{agent.name: "d"})),
        ):
            held = fleet.picluster("up", expect=4)
        assert f"bring {lost.name} back first" in held.said, held.said
        assert label_of(second, agent.name) == "d"
        fleet.picluster("upgrade", expect=4)
        file = fleet.file.read_text()
        refused = fleet.picluster("upgrade", "--to", PATCH, expect=4)
        assert fleet.file.read_text() == file
        assert "servers change their version only while all of them are there" in refused.said
        for command in (
            ["restart"],
            ["restart", "--node", fleet.node(1).name],
            ["up", "--limit", fleet.node(2).name],
        ):
            with fleet.edited("domain:", "#domain:"):
                refused = fleet.picluster(*command, expect=None)
            assert refused.status in (4, 5), refused.said
            assert f"bring {lost.name} back first" in refused.said, refused.said
            assert "2 are needed" in refused.said
    finally:
        lost.mend()
    fleet.picluster("up", "--json")
    again = fleet.picluster("up", "--json").events[-1]
    assert all(tally["changed"] == 0 for tally in again["tallies"]), again  # type: ignore[attr-defined]
    after = {node.name: node.starts_of_k3s() for node in fleet.nodes}
    assert [name for name in before if before[name] != after[name]] == [lost.name]


def test_a_rolling_restart_keeps_two_servers_at_every_moment(fleet: Bench, tmp_path: Path) -> None:
    before = {node.name: node.starts_of_k3s() for node in fleet.nodes}
    with sampling(fleet, [node.name for node in fleet.nodes[:3]], tmp_path) as samples:
        fleet.picluster("restart")
    still = [node.name for node in fleet.nodes if node.starts_of_k3s() == before[node.name]]
    assert not still, f"not restarted: {still}"
    assert len(samples.most_away) <= 1, f"away at once: {samples.most_away}"


def test_an_upgrade_that_is_killed_goes_on_where_it_stopped(fleet: Bench, tmp_path: Path) -> None:
    servers, agent = [node.name for node in fleet.nodes[:3]], fleet.node(4).name
    make_web(fleet)
    with sampling(fleet, servers, tmp_path) as samples:
        with fleet.begin("upgrade", "--to", PATCH) as under_way:
            wait_for_line(under_way, f"{servers[1]}: install K3s")
            kill(under_way)
        assert nodes_seen_by(fleet.node(1))[servers[0]]["version"] == PATCH
        assert f"version: {PATCH}" in fleet.file.read_text(), "what is half done is not forgotten"
        done = fleet.picluster("upgrade")
    assert f"{servers[0]}: install" not in done.said, "the first server was done already"
    assert f"{agent}: wait until what ran before {agent} was drained runs again" in done.said
    kept = cluster_state(fleet.lab.name) / "snapshots"
    assert list(kept.glob("before-v1.33.13-k3s2-*/token")), "the data has to be saved first"
    expect_whole(fleet, PATCH)
    assert len(samples.most_away) <= 1, f"away at once: {samples.most_away}"
    assert "nothing to do" in fleet.picluster("upgrade").said


def test_an_agent_that_does_not_come_back_stops_the_upgrade_with_the_cause(fleet: Bench) -> None:
    agent = fleet.node(4)
    use_version(fleet, MINOR)
    agent.sh("mkdir -p /etc/rancher/k3s/config.yaml.d")
    agent.sh("echo 'no-such-option: 1' >/etc/rancher/k3s/config.yaml.d/90-broken.yaml")
    failed = fleet.picluster("upgrade", expect=1)
    assert "does not know an option" in failed.said
    assert agent.name in failed.said
    agent.sh("rm /etc/rancher/k3s/config.yaml.d/90-broken.yaml")
    fleet.picluster("upgrade")
    expect_whole(fleet, MINOR)


def test_skipping_a_minor_and_going_back_are_refused(fleet: Bench) -> None:
    before = nodes_seen_by(fleet.node(1))
    assert "going back" in fleet.picluster("upgrade", "--to", FIRST, expect=5).said
    assert f"version: {MINOR}" in fleet.file.read_text()
    use_version(fleet, "v1.36.1+k3s1")
    assert "skips no minor" in fleet.picluster("up", expect=5).said
    planned = fleet.picluster("upgrade", "--dry-run").out
    assert "by way of v1.35.8+k3s1" in planned, planned
    use_version(fleet, MINOR)
    assert nodes_seen_by(fleet.node(1)) == before


def test_a_reflashed_first_server_takes_its_place_again(fleet: Bench) -> None:
    first, second = fleet.node(1), fleet.node(2)
    ca = second.sh("sha256sum /var/lib/rancher/k3s/server/tls/server-ca.crt")
    second.sh(create_namespace("kept"))
    faults.reflash(fleet.lab, first.node)
    first.wait()
    refused = fleet.picluster("up", expect=4)
    assert f"picluster node replace {first.name}" in refused.said
    assert f"SECURITY: {first.name}" in refused.out
    fleet.picluster("node", "replace", first.name, "--accept-new-host-keys")
    expect_whole(fleet, MINOR)
    assert first.sh("sha256sum /var/lib/rancher/k3s/server/tls/server-ca.crt") == ca
    first.sh("k3s kubectl get namespace kept")
    assert "nothing to do" in fleet.picluster("up").said


def test_a_fresh_card_under_an_old_name_is_refused_before_it_joins(fleet: Bench) -> None:
    agent = fleet.node(4)
    fleet.reflash(agent)
    refused = fleet.picluster("up", expect=5)
    assert f"picluster node replace {agent.name}" in refused.said
    assert agent.status("test -e /usr/local/bin/k3s") != 0
    fleet.picluster("node", "replace", agent.name, "--accept-new-host-keys")
    expect_whole(fleet, MINOR)


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read what a run prints until a line has the text."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"the run ended without {text!r}:\n{''.join(seen)}")
