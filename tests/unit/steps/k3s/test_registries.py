"""registries.yaml: mirrors, logins and certificates, beside the cluster's own registry."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.unit.steps.looking import decide

from picluster.engine.probe import Observation
from picluster.engine.step import Change, Satisfied, WriteFile
from picluster.errors import ConfigInvalid
from picluster.model import Cluster, ClusterFileInvalid, parse
from picluster.model.mirrors import RegistryAccess
from picluster.secret import Secret
from picluster.steps.k3s import paths
from picluster.steps.k3s.config import server_options
from picluster.steps.k3s.membership import Starts
from picluster.steps.k3s.registries import (
    HEADER,
    RegistriesFile,
    authorities,
    authority_path,
    registries_file,
    render_registries,
)
from picluster.steps.registry.credentials import Credentials

BASE = """
name: c
nodes:
- {name: pi1, address: 10.0.0.1, role: server}
registry: {node: pi1}
"""
MIRRORED = """
k3s:
  mirrors:
  - registry: docker.io
    endpoints: [https://mirror.lan:5000, http://10.0.0.9]
    rewrites: {'^library/(.*)': 'hub/$1'}
  - {registry: "*", endpoints: [https://all.lan]}
  registry_access:
  - {host: 'mirror.lan:5000', username: me, password: env:X, ca: ca.pem}
  - {host: all.lan, skip_verify: true}
"""
LOGINS = {"mirror.lan:5000": Credentials("me", Secret("horse battery"))}
OURS = f"{HEADER}mirrors: {{}}\n"


def cluster(more: str = "") -> Cluster:
    return parse(BASE + more).cluster


def problems(more: str) -> str:
    with pytest.raises(ClusterFileInvalid) as refused:
        cluster(more)
    return str(refused.value)


def test_mirrors_stand_beside_the_clusters_own_registry() -> None:
    found = yaml.safe_load(render_registries(cluster(MIRRORED), logins=LOGINS))
    assert found["mirrors"] == {
        "pi1:5000": {"endpoint": ["http://10.0.0.1:5000"]},
        "10.0.0.1:5000": {"endpoint": ["http://10.0.0.1:5000"]},
        "docker.io": {
            "endpoint": ["https://mirror.lan:5000", "http://10.0.0.9"],
            "rewrite": {"^library/(.*)": "hub/$1"},
        },
        "*": {"endpoint": ["https://all.lan"]},
    }
    assert found["configs"] == {
        "mirror.lan:5000": {
            "auth": {"username": "me", "password": "horse battery"},
            "tls": {"ca_file": "/etc/rancher/k3s/registry-ca-mirror.lan_5000.crt"},
        },
        "all.lan": {"tls": {"insecure_skip_verify": True}},
    }


def test_a_login_makes_the_file_secret_as_a_whole() -> None:
    step = registries_file(cluster(MIRRORED), logins=LOGINS)
    assert step.probe().secret
    decision = decide(step, "access=600 root:root", "sha256=0", "ours=yes")
    assert isinstance(decision, Change)
    assert decision.diff is None
    assert "horse" not in str(decision)


def test_nodes_share_every_registrys_images_if_no_mirror_is_named() -> None:
    shared = cluster("k3s: {embedded_registry: true}")
    assert yaml.safe_load(render_registries(shared))["mirrors"]["*"] == {}
    options = server_options(shared, shared.servers[0], Starts())
    assert options["embedded-registry"] is True
    alone = cluster()
    assert "embedded-registry" not in server_options(alone, alone.servers[0], Starts())
    assert "*" not in yaml.safe_load(render_registries(alone))["mirrors"]


def test_nodes_share_only_what_is_named() -> None:
    shared = cluster("k3s: {embedded_registry: true, mirrors: [{registry: docker.io}]}")
    mirrors = yaml.safe_load(render_registries(shared))["mirrors"]
    assert mirrors["docker.io"] == {}
    assert "*" not in mirrors


# ------------------------------------------------------------------ what stood there


def look(path: Path, text: str, step: RegistriesFile) -> object:
    """Return what the step decides about a file with this text."""
    path.write_text(text)
    path.chmod(0o600)
    script = step.probe().text.replace(paths.REGISTRIES, str(path))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    lines = [
        "access=600 root:root" if line.startswith("access=") else line
        for line in done.stdout.splitlines()
    ]
    assert "access=600 root:root" in lines
    return decide(step, *lines)


def test_somebody_elses_file_is_kept_and_told_and_never_shown(tmp_path: Path) -> None:
    theirs = "mirrors: {quay.io: {}}\nconfigs: {q: {auth: {password: hunter2}}}\n"
    step = RegistriesFile(OURS)
    decision = look(tmp_path / "registries.yaml", theirs, step)
    assert isinstance(decision, Change)
    assert decision.actions == (WriteFile(paths.REGISTRIES, OURS, 0o600, backup=True),)
    assert decision.diff is None
    assert f"{paths.REGISTRIES}.picluster-backup" in decision.reason
    assert "k3s.mirrors" in decision.reason
    assert "hunter2" not in str(decision)


def test_our_own_is_replaced_without_a_backup_and_the_difference_shown(tmp_path: Path) -> None:
    before = f"{HEADER}mirrors: {{old: {{}}}}\n"
    decision = look(tmp_path / "registries.yaml", before, RegistriesFile(OURS))
    assert isinstance(decision, Change)
    assert decision.actions == (WriteFile(paths.REGISTRIES, OURS, 0o600),)
    assert decision.diff is not None
    assert decision.diff.before == before


def test_one_of_ours_that_has_a_login_is_not_fetched(tmp_path: Path) -> None:
    step = RegistriesFile(OURS)
    before = f"{HEADER}configs: {{q: {{auth: {{password: hunter2}}}}}}\n"
    assert "hunter2" not in str(look(tmp_path / "registries.yaml", before, step))


def test_as_it_should_be_it_is_left(tmp_path: Path) -> None:
    assert look(tmp_path / "registries.yaml", OURS, RegistriesFile(OURS)) == Satisfied()


def test_without_a_file_there_is_nothing_to_keep() -> None:
    decision = decide(RegistriesFile(OURS))
    assert isinstance(decision, Change)
    assert decision.actions == (WriteFile(paths.REGISTRIES, OURS, 0o600),)


# ------------------------------------------------------------------ the cluster file


def test_no_two_hosts_share_the_file_of_an_authority() -> None:
    hosts = ["a.lan:5000", "a.lan-5000", "a.lan", "[fd00::1]:5000", "fd00--1.5000"]
    found = {authority_path(RegistryAccess(host=host, username="me")) for host in hosts}
    assert len(found) == len(hosts)


def test_a_certificate_of_an_authority_reaches_the_nodes(tmp_path: Path) -> None:
    text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    ca = tmp_path / "ca.pem"
    ca.write_text(text)
    (step,) = authorities(cluster(MIRRORED.replace("ca.pem", str(ca))))
    decision = decide(step)
    assert isinstance(decision, Change)
    path = "/etc/rancher/k3s/registry-ca-mirror.lan_5000.crt"
    assert decision.actions == (WriteFile(path, text),)
    assert step.probe().parse(
        Observation(out=f"access=644 root:root\nsha256={hashlib.sha256(text.encode()).hexdigest()}")
    )


@pytest.mark.parametrize("text", [None, "no certificate", "BEGIN CERTIFICATE\nPRIVATE KEY"])
def test_what_is_no_certificate_goes_nowhere(tmp_path: Path, text: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if text is not None:
        ca.write_text(text)
    with pytest.raises(ConfigInvalid, match=r"ca\.pem"):
        authorities(cluster(MIRRORED.replace("ca.pem", str(ca))))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("mirrors: [{registry: docker.io}]", "has no endpoints"),
        ("mirrors: [{registry: 'https://docker.io'}]", "is not the name of a registry"),
        ("mirrors: [{registry: a.b, rewrites: {x: y}}]", "no endpoint that they are for"),
        (
            "mirrors: [{registry: a.b, endpoints: [http://x]}, "
            "{registry: a.b, endpoints: [http://x]}]",
            "twice",
        ),
        ("mirrors: [{registry: 'pi1:5000', endpoints: [http://x]}]", "own registry"),
        ("registry_access: [{host: a.b, username: me}]", "no password to go with it"),
        ("registry_access: [{host: 'a.b/c'}]", "is not the host of a registry"),
        ("server_options: {embedded-registry: true}", "k3s.embedded_registry"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: str, said: str) -> None:
    assert said in problems(f"k3s: {{{wrong}}}")
