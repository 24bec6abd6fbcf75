"""One cluster's life on a real K3s, told in order: each test goes on where the last one ended.

After each chapter picluster's own words (`status`, `validate`, `doctor`) are held to what the API
says, asked on a server and without picluster.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from picluster.lab import faults
from picluster.paths import cluster_state
from tests.lab.bench import Bench, Pi
from tests.lab.kube import nodes_seen_by
from tests.real.release import Release, use

_HOME_OF_VOLUMES = "/var/lib/rancher/k3s/storage"


def asks(pi: Pi, *arguments: str) -> Any:
    return json.loads(pi.sh(f"k3s kubectl {' '.join(arguments)} -o json"))


def first_up(case: Bench) -> Pi:
    """A server whose K3s answers."""
    servers = [node for node in case.nodes if node.node.role == "server"]
    return next(node for node in servers if node.holds("k3s kubectl get --raw /readyz"))


def agree(case: Bench, version: str) -> None:
    """Everybody is Ready at the version, servers vote, and picluster says just that."""
    seen = nodes_seen_by(first_up(case))
    members = {node.name: node.node.role for node in case.nodes if node.name in seen}
    assert seen == {
        name: {
            "ready": "True",
            "version": version,
            "voter": "True" if role == "server" else None,
            "cordoned": False,
        }
        for name, role in members.items()
    }
    status: Any = case.picluster("status", "--json").document
    told = {row["name"]: (row["ready"], row["version"]) for row in status["nodes"]}
    assert told == dict.fromkeys(members, (True, version))
    case.picluster("validate")
    doctor: Any = case.picluster("doctor", "--json", expect=None).document
    ill = [
        (node["name"], row["check"], row["evidence"])
        for node in doctor["nodes"]
        for row in node["findings"]
        # The disk is this computer's, and that of all nodes at once: no news of them.
        if row["light"] == "problem" and row["check"] != "disk-speed"
    ]
    assert not ill, f"the doctor sees trouble in a cluster that is well: {ill}"


@pytest.fixture(autouse=True)
def stops_at_the_first_failure(request: pytest.FixtureRequest) -> None:
    """What comes after a chapter that went wrong would tell nothing."""
    if request.session.testsfailed:
        pytest.skip("an earlier chapter failed")


def test_bare_nodes_become_a_cluster(case: Bench, release: Release) -> None:
    case.picluster("up", seconds=1800)
    agree(case, release.version)


def test_a_second_run_finds_nothing_to_do(case: Bench) -> None:
    starts = [node.starts_of_k3s() for node in case.nodes]
    assert "nothing to do" in case.picluster("up").said
    case.picluster("plan", "--exit-code")
    assert [node.starts_of_k3s() for node in case.nodes] == starts


def test_the_application_is_reached_through_every_node(case: Bench) -> None:
    for node in case.nodes:
        said = node.sh(f"curl -sS --retry 5 --retry-all-errors http://{node.address}:30088/log")
        assert said == "started\n"


def test_drift_is_repaired(case: Bench, release: Release) -> None:
    first, agent = case.node(1), case.node(4)
    first.sh(
        "sed -i 's/^write-kubeconfig-mode.*/write-kubeconfig-mode: \"0644\"/' "
        "/etc/rancher/k3s/config.yaml"
    )
    agent.sh("systemctl disable --now k3s-agent")
    planned = case.picluster("plan").out
    assert "write-kubeconfig-mode" in planned
    case.picluster("up", seconds=900)
    agree(case, release.version)


def test_a_rolling_restart_leaves_everything_well(case: Bench, release: Release) -> None:
    before = {node.name: node.starts_of_k3s() for node in case.nodes}
    case.picluster("restart", seconds=900)
    after = {node.name: node.starts_of_k3s() for node in case.nodes}
    assert not [name for name in before if before[name] == after[name]]
    agree(case, release.version)


def test_a_server_that_loses_its_power_is_said_and_comes_back(
    case: Bench, release: Release
) -> None:
    lost = case.node(3)
    lost.break_("power-off")
    try:
        said = case.picluster("status", expect=4).out
        assert "the next loss stops the cluster" in said
        assert "without" in case.picluster("up", expect=4).out
    finally:
        lost.mend()
    case.picluster("up", seconds=900)
    agree(case, release.version)


def test_a_snapshot_is_gone_back_to(case: Bench, release: Release) -> None:
    first = case.node(1)
    first.sh("k3s kubectl create namespace precious")
    case.picluster("snapshot", "save", "--name", "good")
    first.sh("k3s kubectl delete namespace precious")
    first.sh("k3s kubectl create namespace regretted")
    case.picluster("snapshot", "restore", "good", "--yes", seconds=1800)
    names = {each["metadata"]["name"] for each in asks(case.node(2), "get", "namespaces")["items"]}
    assert "precious" in names
    assert "regretted" not in names
    agree(case, release.version)


def test_an_upgrade_goes_from_one_release_to_the_next(
    case: Bench, release: Release, following: Release
) -> None:
    use(case, release, following)
    case.picluster("upgrade", seconds=1800)
    agree(case, following.version)
    kept = cluster_state(case.lab.name) / "snapshots"
    assert list(kept.glob("before-*")), "the data has to be saved first"
    assert "nothing to do" in case.picluster("upgrade").said


def test_a_reflashed_server_takes_its_place_again(case: Bench) -> None:
    first = case.node(1)
    version = str(nodes_seen_by(case.node(2))[first.name]["version"])
    claim = asks(case.node(2), "get", "pods", "-n", "store")["items"][0]
    volume = ["--lose-volume", "store/data-store-0"]
    consent = volume if claim["spec"]["nodeName"] == first.name else []
    faults.reflash(case.lab, first.node)
    first.wait()
    case.picluster("up", expect=4)
    replaced = ("node", "replace", first.name, "--accept-new-host-keys", *consent)
    case.picluster(*replaced, seconds=1800)
    agree(case, version)


def test_a_node_is_removed_only_with_consent_to_what_it_alone_has(case: Bench) -> None:
    agent = case.node(4)
    pod = asks(case.node(1), "get", "pods", "-n", "store")["items"][0]
    alone = pod["spec"]["nodeName"] == agent.name
    if alone:
        refused = case.picluster("node", "remove", agent.name, "--yes", expect=5).said
        assert "store/data-store-0" in refused
    consent = ["--lose-volume", "store/data-store-0"] if alone else []
    case.picluster("node", "remove", agent.name, "--yes", *consent, seconds=900)
    assert agent.name not in nodes_seen_by(case.node(1))
    assert agent.status("test -e /usr/local/bin/k3s") != 0


def test_a_reset_leaves_nothing_of_k3s(case: Bench) -> None:
    case.picluster("reset", "--yes", seconds=900)
    for node in case.nodes:
        assert node.status("test -e /usr/local/bin/k3s") != 0
        links = node.sh("ip -o link").split()
        assert not [link for link in links if link.startswith(("flannel", "cni0", "kube-"))]
        assert "/var/lib/kubelet/pods" not in node.sh("cat /proc/mounts")
