"""Three bare nodes to a cluster: planned, made, left alone, repaired; and nothing secret seen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from picluster.model import load
from picluster.paths import cluster_state
from picluster.ssh.command_line import ssh_command
from tests.lab.bench import Bench, Pi, Result, differing, run
from tests.lab.kube import nodes_seen_by
from tests.lab.labs import rehearse

PHASES = ("preflight", "prepare", "k3s")
SPIED = "/run/spied-arguments"


@pytest.fixture(scope="module")
def three(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Three bare servers."""
    yield from rehearse("three", 3, 3, home, artifacts)


@pytest.fixture(scope="module")
def made(three: Bench) -> dict[str, Any]:
    """What was planned, what was done, and what was seen of secrets while it was done."""
    before = {node.name: node.tree() for node in three.nodes}
    plan = three.picluster("plan", "--json").document
    after = {node.name: node.tree() for node in three.nodes}
    spies = [node for node in three.nodes if spy(node)]
    result = three.picluster("up", "--json")
    return {
        "trees": (before, after),
        "plan": plan,
        "up": result,
        "seen": {node.name: node.read(SPIED) for node in spies},
    }


def spy(node: Pi) -> bool:
    """Note every process's arguments, many times a second, wherever the node goes."""
    node.sh(
        "cat >/etc/systemd/system/spy.service <<'UNIT'\n"
        "[Service]\nType=exec\nUMask=0077\nExecStart=/bin/sh -c 'while :; do ps -eo args >>"
        f"{SPIED}; sleep 0.1; done'\n[Install]\nWantedBy=multi-user.target\nUNIT\n"
        "systemctl daemon-reload && systemctl enable --now --quiet spy"
    )
    return True


def steps_of(entries: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(each["phase"], each["target"], each["step"]) for each in entries}


def changed(result: Result) -> set[tuple[str, str, str]]:
    """Every step that changed something in a run."""
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return steps_of([event for event in finished if event["outcome"] == "changed"])


def planned(bench: Bench) -> set[tuple[str, str]]:
    """Target and step of every change that a plan names."""
    document = bench.picluster("plan", "--json").document
    return {(each["target"], each["step"]) for each in document["changes"]}  # type: ignore[attr-defined]


def test_a_plan_leaves_every_node_as_it_is(made: dict[str, Any]) -> None:
    before, after = made["trees"]
    for node in before:
        ours = differing(before[node], after[node])
        assert not ours, f"the plan changed {sorted(ours)[:9]} on {node}"


def test_a_plan_names_all_that_is_done_later(made: dict[str, Any]) -> None:
    done = changed(made["up"])
    assert len(done) > len(PHASES) * 3
    unannounced = done - steps_of(made["plan"]["changes"])
    assert not unannounced, f"done and not planned: {sorted(unannounced)}"


def test_bare_nodes_become_a_cluster_of_voters(three: Bench, made: dict[str, Any]) -> None:
    seen = nodes_seen_by(three.node(1))
    assert {name: (node["ready"], node["voter"]) for name, node in seen.items()} == {
        node.name: ("True", "True") for node in three.nodes
    }


def test_nothing_secret_is_seen_anywhere(three: Bench, made: dict[str, Any]) -> None:
    first = three.node(1)
    token = first.read("/var/lib/rancher/k3s/server/token").strip()
    secret = token.rpartition(":")[2]
    assert len(secret) > 20
    said = {
        "what it printed": made["up"].said,
        "the plan": str(made["plan"]),
        **{f"the processes of {node}": text for node, text in made["seen"].items()},
    }
    assert all("picluster" in text or "sshd" in text for text in made["seen"].values())
    runs = cluster_state(three.lab.name) / "runs"
    said |= {str(path): path.read_text() for path in runs.rglob("*") if path.is_file()}
    leaking = [where for where, text in said.items() if secret in text]
    assert not leaking, f"the token is in {leaking}"
    for node in three.nodes:
        open_files = node.sh(
            f"grep -rlF -e {secret} /etc /var/lib /run /tmp /root 2>/dev/null "
            "| xargs -r stat -c '%a %n' | grep -v '00 ' || true"
        )
        assert open_files == "", f"readable by others on {node.name}: {open_files}"
        node.sh("systemctl disable --now --quiet spy; rm -f /etc/systemd/system/spy.service")


def test_a_second_run_opens_one_connection_a_node_and_changes_nothing(
    three: Bench, made: dict[str, Any]
) -> None:
    logins = "journalctl -u ssh -o cat | grep -c Accepted"
    before = [int(node.sh(logins)) for node in three.nodes]
    result = three.picluster("up", "--json")
    after = [int(node.sh(logins)) for node in three.nodes]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1, 1]
    last = result.events[-1]
    assert last["connections"] == len(three.nodes)
    assert last["scripts"] == len(three.nodes), "one look at each node is for all phases"
    assert changed(result) == set()
    three.picluster("plan", "--exit-code")
    assert "as the file says" in three.picluster("validate").out


DRIFTS = [
    ("rm /etc/sysctl.d/99-k3s.conf", {"sysctl-file"}),
    (
        "dd if=/dev/zero of=/swap bs=1M count=8 status=none && chmod 600 /swap && "
        "mkswap -q /swap && swapon /swap",
        {"swap"},
    ),
    ("DEBIAN_FRONTEND=noninteractive apt-get -y -q remove socat", {"packages"}),
    ("sed -i 's/three2/elsewhere/' /etc/hosts", {"hosts-file"}),
    ("systemctl stop k3s", {"k3s-member-started", "k3s-running"}),
    (
        "sed -i 's/^flannel-backend: .*/flannel-backend: host-gw/' /etc/rancher/k3s/config.yaml",
        {"k3s-config", "k3s-running"},
    ),
]


@pytest.mark.parametrize(("damage", "steps"), DRIFTS, ids=[min(each[1]) for each in DRIFTS])
def test_drift_is_named_and_only_it_is_repaired(
    three: Bench, made: dict[str, Any], damage: str, steps: set[str]
) -> None:
    victim = three.node(2)
    victim.sh(damage)
    wanted = {(victim.name, step) for step in steps}
    announced = planned(three)
    assert announced
    assert announced <= wanted, f"the plan also names {announced - wanted}"
    repaired = {(target, step) for _, target, step in changed(three.picluster("up", "--json"))}
    assert repaired
    assert repaired <= wanted, f"also changed: {repaired - wanted}"
    three.picluster("plan", "--exit-code")


def test_an_option_of_the_file_is_rolled_out_and_nothing_else(
    three: Bench, made: dict[str, Any]
) -> None:
    text = three.file.read_text()
    present = "fail-cgroupv1: false"  # on a computer with control groups of version 1
    wish = f"  kubelet_args: {{{present}, max-pods: 60}}\n"
    given = text.replace(f"  kubelet_args: {{{present}}}\n", wish)
    three.file.write_text(given if present in text else f"{text}  kubelet_args: {{max-pods: 60}}\n")
    wanted = {(node.name, step) for node in three.nodes for step in ("k3s-config", "k3s-running")}
    assert planned(three) == wanted
    result = three.picluster("up", "--json")
    assert {(target, step) for _, target, step in changed(result)} == wanted
    three.picluster("plan", "--exit-code")


def test_nodes_are_told_apart_in_the_recap(three: Bench, made: dict[str, Any]) -> None:
    recap = three.picluster("up").out
    for node in three.nodes:
        assert re.search(rf"✓ {node.name} +\d+ +0 +0 +0", recap), recap


def test_the_status_is_well_only_while_all_nodes_are(three: Bench, made: dict[str, Any]) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/status.json").read_text())
    well = three.picluster("status", "--json").document
    jsonschema.validate(well, schema)
    assert well["healthy"] is True
    assert [node["voter"] for node in well["nodes"]] == [True] * 3  # type: ignore[attr-defined]
    lost = three.node(3)
    lost.break_("cut")
    try:
        ill = three.picluster("status", "--json", expect=4).document
        shown = three.picluster("status", expect=4).out
    finally:
        lost.mend()
    jsonschema.validate(ill, schema)
    assert ill["healthy"] is False
    assert "cannot be reached" in shown
    assert "NOT healthy" in shown


def test_a_command_runs_on_all_nodes_and_a_shell_opens_on_one(
    three: Bench, made: dict[str, Any]
) -> None:
    exec_ = [sys.executable, "-m", "picluster", "exec", "--file", str(three.file)]
    said = run([*exec_, "--", "sh", "-c", "id -un; hostname"], 0).out.splitlines()
    assert {f"{node.name}: {node.name}" for node in three.nodes} <= set(said)
    assert said.count("three1: root") == 1
    failed = run([*exec_, "--node", "three2", "--", "false"], 1)
    assert "three2: ended with status 1" in failed.err
    assert "three1" not in failed.said

    cluster = load(three.file).cluster
    words = ssh_command(cluster, "three2", three.known_hosts)
    done = subprocess.run(
        [*words[:1], "-o", "BatchMode=yes", *words[1:], "hostname"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "three2", done.stderr
