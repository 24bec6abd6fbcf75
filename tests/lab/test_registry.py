"""The registry on real Docker: made once, changed without losing data, pulled from by every node.

K3s is the stand-in, which has no containerd: nodes pull with curl, and say so.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picluster.lab import registry_image
from picluster.model.k3s import DEFAULT_VERSION
from picluster.paths import cluster_state
from tests.lab.bench import Bench, Pi, Result
from tests.lab.labs import rehearse

USER, PASSWORD = "builder", 'hunter2 "x\\y" $z'
THEIR_CONFIG = {"log-driver": "local", "insecure-registries": ["mirror.lan:5000"]}
PLAIN = "  node: reg2\n"
SECURED = f"{PLAIN}  tls: true\n  username: {USER}\n  password: env:REGISTRY_PASSWORD\n"


@pytest.fixture(scope="module")
def reg(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """A server, and an agent with somebody's own daemon.json that is to be the registry's node."""
    served = home / "served"
    shutil.copytree(artifacts, served)
    with (served / "NOTICE").open("a") as notice:
        notice.write(registry_image.NOTICE)
    for bench in rehearse("reg", 2, 1, home, served, image=prepared_card):
        airgap = home / "airgap"
        shutil.copytree(served / DEFAULT_VERSION, airgap)
        shutil.copy(served / "install.sh", airgap)
        registry_image.build(bench.lab.base, airgap / registry_image.ARCHIVE)
        text = bench.file.read_text()
        bench.file.write_text(f"{text}  airgap_dir: {airgap}\nregistry:\n{PLAIN}")
        theirs = json.dumps(THEIR_CONFIG)
        bench.node(2).sh(f"mkdir -p /etc/docker && echo '{theirs}' >/etc/docker/daemon.json")
        yield bench


@pytest.fixture(scope="module")
def made(reg: Bench) -> Result:
    return reg.picluster("up", "--json")


def changed(result: Result) -> set[tuple[str, str]]:
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return {(str(e["target"]), str(e["step"])) for e in finished if e["outcome"] == "changed"}


def container(node: Pi) -> str:
    return node.sh("docker container inspect -f '{{.Id}}' picluster-registry").strip()


def images(bench: Bench) -> dict[str, Any]:
    listed: Any = bench.picluster("registry", "list", "--json").document["images"]
    return {f"{each['repository']}:{each['tag']}": each for each in listed}


def push(node: Pi, name: str, where: str = "reg2:5000") -> None:
    """Push Docker's own image of the registry under another name, as a build would its own."""
    node.sh(f"docker tag registry:2 {where}/{name} && docker push -q {where}/{name}")


def fetch(node: Pi, bench: Bench, name: str, options: str = "") -> str:
    """Pull an image's layers from a node as its registries.yaml says; return their digests."""
    registries = node.read("/etc/rancher/k3s/registries.yaml")
    found = re.search(r"reg2:\d+:\n +endpoint:\n +- (\S+)", registries)
    assert found, registries
    repository, _, tag = name.partition(":")
    accept = "Accept: application/vnd.docker.distribution.manifest.v2+json"
    base = f"{found[1]}/v2/{repository}"
    manifest = node.sh(f"curl -fsS {options} -H '{accept}' {base}/manifests/{tag}")
    layers = [layer["digest"] for layer in json.loads(manifest)["layers"]]
    for digest in layers:
        got = node.sh(f"curl -fsSL {options} {base}/blobs/{digest} | sha256sum").split()[0]
        assert f"sha256:{got}" == digest
    return " ".join(layers)


def test_the_plan_names_all_that_is_done(reg: Bench) -> None:
    document: Any = reg.picluster("plan", "--json").document
    announced = {(each["target"], each["step"]) for each in document["changes"]}
    assert ("reg2", "docker-engine") in announced
    assert "lab-made" in " ".join(document["notices"])
    unannounced = changed(reg.picluster("up", "--json")) - announced
    assert not unannounced


def test_a_second_run_changes_nothing_and_keeps_the_container(reg: Bench, made: Result) -> None:
    before = container(reg.node(2))
    result = reg.picluster("up", "--json")
    assert changed(result) == set()
    assert container(reg.node(2)) == before
    last = result.events[-1]
    assert last["connections"] == last["scripts"] == len(reg.nodes), "one look for all phases"
    reg.picluster("plan", "--exit-code")


def test_what_is_open_to_everybody_is_said_by_validate(reg: Bench, made: Result) -> None:
    said = reg.picluster("validate").out
    assert "everybody on the network can read and replace its images" in said
    assert "the port of the registry is free: the registry runs" in said


def test_what_was_in_daemon_json_is_still_there(reg: Bench, made: Result) -> None:
    node = reg.node(2)
    config = json.loads(node.read("/etc/docker/daemon.json"))
    assert config["log-driver"] == "local"
    assert config["insecure-registries"] == [
        "mirror.lan:5000",
        "reg2:5000",
        "reg2.lab.internal:5000",
        f"{node.address}:5000",
    ]
    assert json.loads(node.read("/etc/docker/daemon.json.picluster-backup")) == THEIR_CONFIG


def test_what_is_pushed_can_be_pulled_from_every_node(reg: Bench, made: Result) -> None:
    push(reg.node(2), "lab/pushed:1")
    for node in reg.nodes:
        assert fetch(node, reg, "lab/pushed:1").startswith("sha256:")


def test_each_node_says_how_it_pulled(reg: Bench, made: Result) -> None:
    result = reg.picluster("phase", "registry", "--json")
    details = {
        str(event["target"]): str(event["detail"])
        for event in result.events
        if event["event"] == "StepFinished" and event["step"] == "image-pulled"
    }
    assert set(details) == {node.name for node in reg.nodes}
    assert all("stand-in" in detail for detail in details.values())


def test_a_registry_that_stopped_is_started_again(reg: Bench, made: Result) -> None:
    node = reg.node(2)
    before = container(node)
    node.sh("docker stop -t 2 picluster-registry")
    assert ("reg2", "registry-container") in changed(reg.picluster("up", "--json"))
    assert container(node) == before


def test_a_node_that_cannot_pull_fails_with_the_reason(reg: Bench, made: Result) -> None:
    first = reg.node(1)
    address = reg.node(2).address
    rule = f"OUTPUT -d {address} -p tcp --dport 5000 -j REJECT"
    first.sh("DEBIAN_FRONTEND=noninteractive apt-get -y -qq install iptables >/dev/null")
    first.sh(f"iptables -I {rule}")
    try:
        failed = reg.picluster("phase", "registry", expect=1)
    finally:
        first.sh(f"iptables -D {rule}")
    assert "reg1" in failed.said
    assert "curl: (7)" in failed.said
    reg.picluster("phase", "registry")


def test_another_port_makes_the_container_anew_and_keeps_its_data(reg: Bench, made: Result) -> None:
    node = reg.node(2)
    push(node, "lab/kept:1")
    before = container(node)
    with reg.edited(PLAIN, f"{PLAIN}  port: 5001\n"):
        done = changed(reg.picluster("up", "--json"))
        assert ("reg2", "registry-container") in done
        assert ("reg2", "registry-image") not in done
        assert container(node) != before
        assert "lab/kept:1" in images(reg)
        for each in reg.nodes:
            assert fetch(each, reg, "lab/kept:1")
        reg.picluster("plan", "--exit-code")
    reg.picluster("up")
    assert "lab/kept:1" in images(reg)


def test_the_images_are_listed_with_their_sizes(reg: Bench, made: Result) -> None:
    push(reg.node(2), "lab/listed:1")
    found = images(reg)["lab/listed:1"]
    assert found["size"] > 1_000_000
    assert found["digest"].startswith("sha256:")
    text = reg.picluster("registry", "list").out
    assert re.search(r"lab/listed:1 +\d+\.\d MB +sha256:", text)
    assert "lab-made" in text


def test_garbage_is_collected_and_what_is_used_stays(reg: Bench, made: Result) -> None:
    node = reg.node(2)
    push(node, "lab/used:1")
    before = container(node)
    node.sh(
        "at=/var/lib/picluster-registry/docker/registry/v2/blobs/sha256/00/"
        "00000000000000000000000000000000000000000000000000000000000000aa\n"
        "mkdir -p $at && head -c 3000000 /dev/urandom >$at/data"
    )
    said = reg.picluster("registry", "gc").out
    assert re.search(r"freed 3\.\d MB", said), said
    assert container(node) == before
    assert fetch(reg.node(1), reg, "lab/used:1")
    assert node.sh("docker ps -a --format '{{.Names}}'").split() == ["picluster-registry"]
    push(node, "lab/after:1")
    reg.picluster("plan", "--exit-code")


def test_a_collection_that_was_cut_off_is_repaired(reg: Bench, made: Result) -> None:
    node = reg.node(2)
    before = container(node)
    node.sh(
        "docker stop -t 2 picluster-registry && "
        "docker run -d --name picluster-registry-gc -p 5000:5000 registry:2"
    )
    assert ("reg2", "registry-container") in changed(reg.picluster("up", "--json"))
    assert container(node) == before
    assert node.sh("docker ps -a --format '{{.Names}}'").split() == ["picluster-registry"]


def test_pushes_are_refused_while_garbage_is_collected(reg: Bench, made: Result) -> None:
    """The read-only stand-in of the registry really refuses: its setting is easily got wrong."""
    node = reg.node(2)
    node.sh(
        "docker run -d --name readonly -p 5002:5000 "
        "-v /var/lib/picluster-registry:/var/lib/registry "
        "-e 'REGISTRY_STORAGE_MAINTENANCE_READONLY={\"enabled\": true}' registry:2"
    )
    try:
        node.sh("until curl -sf http://127.0.0.1:5002/v2/; do sleep 0.2; done")
        url = "http://127.0.0.1:5002/v2/lab/x/blobs/uploads/"
        assert node.sh(f"curl -s -o /dev/null -w '%{{http_code}}' -X POST {url}") == "405"
        assert node.sh("curl -sf http://127.0.0.1:5002/v2/_catalog")
    finally:
        node.sh("docker rm -f readonly")


def test_with_tls_and_a_login_only_those_who_know_get_in(
    reg: Bench, made: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    first, node = reg.nodes
    push(node, "lab/before:1")
    spy(first, node)
    with reg.edited(PLAIN, SECURED):
        said = [reg.picluster("plan").said, reg.picluster("up", "--json").said]
        assert changed(reg.picluster("up", "--json")) == set()
        reg.picluster("plan", "--exit-code")
        assert "lab/before:1" in images(reg)
        reg.picluster("registry", "gc")
        judgement = reg.picluster("validate").out
        assert "everybody on the network" not in judgement
        assert "crosses the network" not in judgement
        nothing_secret_is_seen([*said, judgement], [first, node])
        ca = "--cacert /etc/rancher/k3s/registry-ca.crt"
        for name in ("reg2", "reg2.lab.internal", node.address):
            ask = f"curl -s -o /dev/null -w '%{{http_code}}' {ca} https://{name}:5000/v2/"
            assert first.sh(ask) == "401"
        assert first.status("curl -s https://reg2:5000/v2/") != 0
        first.sh(f"umask 077; cat >/srv/login <<'EOF'\nuser = {curl(f'{USER}:{PASSWORD}')}\nEOF")
        assert fetch(first, reg, "lab/before:1", f"{ca} -K /srv/login")
        node.sh(f"docker login -u {USER} --password-stdin reg2:5000 <<'EOF'\n{PASSWORD}\nEOF")
        push(node, "lab/secured:1")
        assert "lab/secured:1" in images(reg)
        monkeypatch.setenv("REGISTRY_PASSWORD", "another one")
        done = changed(reg.picluster("up", "--json"))
        assert {("reg2", "registry-users"), ("reg2", "registry-container")} <= done
        assert ("reg2", "registry-certificate") not in done
        assert "lab/secured:1" in images(reg)
    node.sh("docker logout reg2:5000; rm -rf ~root/.docker")
    reg.picluster("up")
    assert fetch(first, reg, "lab/secured:1")


SPIED = "/run/spied"


def spy(*nodes: Pi) -> None:
    """Note every process's arguments, many times a second."""
    for node in nodes:
        loop = f"while :; do ps -eo args >>{SPIED}; sleep 0.05; done"
        node.sh(f"umask 077; systemd-run --quiet --unit=spy sh -c '{loop}'")


def nothing_secret_is_seen(said: list[str], nodes: list[Pi]) -> None:
    """Look for the password in what was printed, noted and run so far; the spies stop here."""
    found: dict[object, str] = dict(enumerate(said))
    for node in nodes:
        found[node.name] = node.read(SPIED)
        assert "curl" in found[node.name]
        node.sh(f"systemctl stop spy; rm {SPIED}")
    kept = cluster_state("reg")
    assert (kept / "registry-ca.pem").stat().st_mode & 0o077 == 0
    found |= {str(p): p.read_text() for p in (kept / "runs").rglob("*") if p.is_file()}
    leaking = [where for where, text in found.items() if "hunter2" in text]
    assert not leaking, f"the password is in {leaking}"
    for node in nodes:
        open_files = node.sh(
            "grep -rlF -e hunter2 /etc /var/lib /run /tmp /root 2>/dev/null "
            "| xargs -r stat -c '%a %n' | grep -v '00 ' || true"
        )
        assert open_files == "", f"readable by others on {node.name}: {open_files}"


def curl(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def test_an_unfit_port_is_refused_before_anything_is_changed(reg: Bench, made: Result) -> None:
    node = reg.node(2)
    node.sh("systemd-run --quiet --unit=squatter python3 -m http.server 5009")
    node.sh("until curl -s http://127.0.0.1:5009 >/dev/null; do sleep 0.2; done")
    try:
        with reg.edited(PLAIN, f"{PLAIN}  port: 5009\n"):
            refused = reg.picluster("up", expect=5)
    finally:
        node.sh("systemctl stop squatter")
    assert "5009 (python3)" in refused.said


def test_a_reset_takes_what_picluster_brought_and_leaves_the_rest(reg: Bench, made: Result) -> None:
    node, volume = reg.node(2), "/var/lib/picluster-registry"
    assert volume in reg.picluster("reset", "--yes").said, "what is kept has to be named"
    assert node.status("command -v dockerd") != 0
    assert node.holds(f"test -d {volume}/docker")
    for path in ("/etc/picluster", "/var/lib/picluster", "/etc/docker/certs.d"):
        assert not node.holds(f"test -e {path}"), path
    assert json.loads(node.read("/etc/docker/daemon.json")) == THEIR_CONFIG
    assert node.sh("ls /etc/docker").split() == ["daemon.json"]
    assert "DOCKER" not in node.sh("iptables-save")
    assert "nothing to do" in reg.picluster("reset", "--yes").said
    reg.picluster("reset", "--yes", "--data")
    assert not node.holds(f"test -e {volume}")
    reg.picluster("up")
    reg.picluster("plan", "--exit-code")
