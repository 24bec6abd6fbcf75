"""The proxy: what goes through it, what never does, and files of others that stay as they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.steps.looking import decide, decide_from

from picluster.engine.shell import shell
from picluster.engine.step import Change, Run, Satisfied, WriteFile
from picluster.facts.files import FileState
from picluster.model import Cluster, ClusterFileInvalid, parse
from picluster.steps.host.proxy import apt_proxy
from picluster.steps.k3s import paths
from picluster.steps.k3s.install import RECORDER
from picluster.steps.k3s.proxy import k3s_proxy
from picluster.steps.k3s.service import _INPUTS
from picluster.steps.registry.docker import PROXY, DockerRunning, Engine
from picluster.steps.registry.proxy import docker_proxy, proxies

BASE = """
name: c
domain: lan
nodes:
- {name: pi1, address: 10.0.0.1, role: server, k3s: {node_ip: 192.168.7.1}}
k3s: {vip: {address: 10.0.0.100}}
"""
BOTH = "proxy: {http: 'http://p:3128', https: 'http://p:3129', no_proxy: [.corp, mirror.corp]}\n"
DIRECT = (
    "localhost,127.0.0.0/8,::1,.svc,.cluster.local,10.42.0.0/16,10.43.0.0/16,pi1,pi1.lan,"
    "10.0.0.1,192.168.7.1,10.0.0.100,.corp,mirror.corp"
)
RELOAD = Run("systemctl daemon-reload")


def cluster(more: str = BOTH) -> Cluster:
    return parse(BASE + more).cluster


def test_the_cluster_itself_is_reached_directly() -> None:
    assert cluster().proxy_environment == {
        "HTTP_PROXY": "http://p:3128",
        "HTTPS_PROXY": "http://p:3129",
        "NO_PROXY": DIRECT,
    }


def test_without_a_proxy_there_is_nothing_to_know() -> None:
    assert cluster("").proxy_environment == {}
    assert cluster("proxy: {no_proxy: [.corp]}\n").proxy_environment == {}


def test_k3s_reads_it_last_and_notes_what_it_read() -> None:
    environment, unit = k3s_proxy(cluster(), "agent", RECORDER)
    decision = decide(environment)
    assert isinstance(decision, Change)
    text = f'HTTP_PROXY="http://p:3128"\nHTTPS_PROXY="http://p:3129"\nNO_PROXY="{DIRECT}"\n'
    assert decision.actions == (WriteFile(paths.PROXY, text), RECORDER)
    assert paths.PROXY in paths.FINGERPRINT
    decision = decide(unit)
    assert isinstance(decision, Change)
    drop_in = "/etc/systemd/system/k3s-agent.service.d/20-picluster-proxy.conf"
    text = f"[Service]\nEnvironmentFile=-{paths.PROXY}\n"
    assert decision.actions == (WriteFile(drop_in, text), RELOAD)
    assert {environment.name, unit.name} <= set(_INPUTS), "K3s would not be restarted"


def test_apt_goes_through_it_but_not_to_hosts_that_are_reached_directly() -> None:
    decision = decide(apt_proxy(cluster()))
    assert isinstance(decision, Change)
    (action,) = decision.actions
    assert isinstance(action, WriteFile)
    lines = str(action.content).splitlines()
    assert lines[0] == 'Acquire::http::Proxy "http://p:3128";'
    assert 'Acquire::http::Proxy::mirror.corp "DIRECT";' in lines
    assert 'Acquire::https::Proxy "http://p:3129";' in lines
    assert not [line for line in lines if "/16" in line or "::.corp" in line]


def test_docker_has_it_in_its_environment() -> None:
    decision = decide(docker_proxy(cluster("proxy: {https: 'http://p:1/a%20b'}\n")))
    assert isinstance(decision, Change)
    write, reload = decision.actions
    assert isinstance(write, WriteFile)
    assert 'Environment="HTTPS_PROXY=http://p:1/a%%20b"' in str(write.content).splitlines()
    assert reload == RELOAD


@pytest.mark.parametrize("step", [apt_proxy, docker_proxy])
def test_what_is_not_needed_any_more_goes(step: object) -> None:
    made = step(cluster(""))  # type: ignore[operator]
    assert decide(made) == Satisfied()
    decision = decide_from(made, FileState("644 root:root", "0"))
    assert isinstance(decision, Change)
    assert decision.actions[0] == Run(f"rm -f {made.path}")


# ------------------------------------------------------------------ Docker


KNOWN = ("http://p:3128", "http://p:3129", DIRECT)


def running(known: tuple[str, ...], *, planned: tuple[str, ...] = (), more: str = BOTH) -> object:
    engine = Engine(enabled=True, active=True, proxies=known)
    return decide_from(DockerRunning((), proxies(cluster(more))), engine, planned=planned)


def test_docker_is_started_anew_until_it_has_read_it() -> None:
    for known in ((), ("", "", ""), ("http://p:3128", "", "")):
        decision = running(known)
        assert isinstance(decision, Change)
        assert (decision.reason, decision.retry_safe) == ("its proxy changes", False)
    assert isinstance(running(KNOWN), Satisfied)


def test_it_is_started_anew_when_the_proxy_goes_and_otherwise_left_with_what_others_gave() -> None:
    assert isinstance(running(KNOWN, planned=(PROXY,), more=""), Change)
    assert isinstance(running(("http://theirs", "", ""), more=""), Satisfied)


def test_what_docker_prints_is_read() -> None:
    printed = [f"proxy={each}" for each in KNOWN]
    lines = ("enabled=enabled", "active=active", *printed)
    assert isinstance(decide(DockerRunning((), proxies(cluster())), *lines), Satisfied)


# ------------------------------------------------------------------ what others wrote


def test_proxies_that_were_set_by_hand_survive_k3ss_install_script(tmp_path: Path) -> None:
    kept = tmp_path / "k3s.service.env"
    kept.write_text("K3S_TOKEN='x'\nHTTP_PROXY='http://by:1/?a=b'\nno_proxy=\"a, b\"\nPATH=/evil\n")
    script = shell("picluster.steps.k3s", "keep_proxies", UNIT="k3s").replace(
        "/etc/systemd/system", str(tmp_path)
    )
    show = 'echo "$HTTP_PROXY|$no_proxy|$K3S_TOKEN|$PATH"'
    done = subprocess.run(
        ["sh", "-c", f"{script}\n{show}"],
        env={"PATH": "/bin:/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "http://by:1/?a=b|a, b||/bin:/usr/bin\n"


@pytest.mark.parametrize("wrong", ["a b", "http://x", "10.0.0.0/99", "$(x)", ""])
def test_what_is_no_host_is_refused(wrong: str) -> None:
    with pytest.raises(ClusterFileInvalid, match="no host, domain or network"):
        cluster(f"proxy: {{http: 'http://p', no_proxy: ['{wrong}']}}\n")


def test_a_proxy_with_a_password_in_it_is_refused_and_not_shown() -> None:
    with pytest.raises(ClusterFileInvalid) as refused:
        cluster("proxy: {http: 'http://me:hunter2@p:3128'}\n")
    assert "hunter2" not in str(refused.value)
