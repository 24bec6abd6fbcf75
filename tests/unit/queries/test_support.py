"""The support bundle: what is secret is not in it, and what is not, is."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import site_on

from picluster.errors import (
    NodeError,
    PiclusterError,
    SudoUnavailable,
    Unreachable,
    Unreadable,
)
from picluster.model import parse
from picluster.queries.support import gather, kinds, shareable, without_specs, write_bundle
from picluster.secret import Secret, redact
from picluster.steps.evidence import scrubbed
from picluster.ui.config_view import as_text

TOKEN = f"K10{'ab' * 32}::server:0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        f"K3S_TOKEN={TOKEN}",
        f"joining with {TOKEN} now",
        "token: hunter2",
        'password = "hunter2"',
        '  "sudo_password": "hunter2",',
        "Authorization: Bearer hunter2hunter2",
        "amqp://tak:hunter2@rabbitmq/",
        "client-key-data: hunter2hunter2",
        "POSTGRES_PASSWORD=hunter2",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2 and then it was cut",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    for secret in ("hunter2", "0123456789abcdef"):
        assert secret not in scrubbed(text)


def test_a_key_that_picluster_knows_does_not_hide_the_edges_of_another() -> None:
    Secret("-----BEGIN EC PRIVATE KEY-----\nmine, mine\n-----END EC PRIVATE KEY-----")
    other = "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----"
    assert "hunter2" not in scrubbed(other)
    assert redact("-----BEGIN EC PRIVATE KEY-----") == "-----BEGIN EC PRIVATE KEY-----"


def test_a_secret_that_picluster_knows_is_taken_out_wherever_it_is() -> None:
    assert "correct horse" not in scrubbed(f"x{Secret('correct horse').reveal()}y")


@pytest.mark.parametrize(
    "text",
    [
        'level=info msg="Node password validated" node=pi1',
        "tokens are fine: 3 of them",
        "https://10.0.0.11:6443/readyz",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert scrubbed(text) == text


def test_specifications_stay_out_for_passwords_may_be_in_them() -> None:
    pod = {
        "metadata": {"name": "web", "namespace": "own", "annotations": {"x": "hunter2"}},
        "spec": {"containers": [{"env": [{"name": "A", "value": "hunter2"}]}]},
        "status": {"phase": "Running"},
    }
    (found,) = without_specs({"items": [pod]})
    assert "hunter2" not in str(found)
    assert (found["name"], found["status"]) == ("web", {"phase": "Running"})


def test_everything_that_is_gathered_is_scrubbed(tmp_path: Path) -> None:
    cluster = parse("name: a\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n").cluster
    site = site_on(ShellNodes(tmp_path / "nodes"), cluster, tmp_path, "support-bundle")
    run = site.here.state / "runs" / "20260101T000000-up"
    run.mkdir(parents=True)
    (run / "events.jsonl").write_text('{"line": "joined with token=hunter2", "node": "pi1"}\n')
    files = gather(site)
    assert "=== uname -a" in files["nodes/pi1.txt"]
    assert "its API does not answer" in files["MISSING.txt"]
    assert "joined with token=" in files[f"runs/{run.name}/events.jsonl"]
    assert not [name for name, text in files.items() if "hunter2" in text]


@pytest.mark.parametrize(
    "away",
    [
        SudoUnavailable("it gives no rights", where="pi2"),
        Unreadable("its answer makes no sense", where="pi2"),
        Unreachable("it cannot be reached over SSH", where="pi2", why="no answer in time"),
    ],
)
def test_why_a_node_is_missing_is_told_as_it_is(away: NodeError, tmp_path: Path) -> None:
    cluster = parse(TWO_NODES).cluster
    nodes = ShellNodes(tmp_path / "nodes", refuse={"pi2": away})
    files = gather(site_on(nodes, cluster, tmp_path, "support-bundle"))
    assert [name for name in files if name.startswith("nodes/")] == ["nodes/pi1.txt"]
    assert f"{away}\n" in files["MISSING.txt"]
    assert "could not be reached" not in files["MISSING.txt"]


TWO_NODES = """
name: a
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: agent}
"""
CREDENTIALS = """
name: a
nodes: [{name: pi1, address: 10.0.0.1, role: server}]
k3s:
  kube_apiserver_args: {oidc-client-id: me, oidc-client-secret: hunter2}
registry: {node: pi1, username: me, password: 'env:REGISTRY'}
images:
  build: [{name: own, tag: '1', context: /tmp, args: {WORD: hunter2}}]
opentakserver:
  pip_options: '--index-url https://me:hunter2@pypi.lan/simple'
"""


def test_the_cluster_file_goes_in_without_credentials(tmp_path: Path) -> None:
    rows = shareable(parse(CREDENTIALS).rows())
    path = tmp_path / "a.tar.gz"
    write_bundle(path, {"cluster.txt": as_text(rows)})
    with tarfile.open(path) as archive:
        text = archive.extractfile("a/cluster.txt").read().decode()  # type: ignore[union-attr]
    assert "hunter2" not in text
    assert '"env:REGISTRY"' in text, "where a secret is may be told"
    assert "pypi.lan/simple" in text
    assert '"10.0.0.1"' in text


def test_what_no_rule_can_clean_is_named_before_it_is_written() -> None:
    assert kinds({"versions.txt": ""}) == []
    (kind,) = kinds({"nodes/pi1.txt": "", "versions.txt": ""})
    assert "what nodes and programs printed" in kind


def test_the_archive_is_private_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    write_bundle(path, {"nodes/pi1.txt": "fine\n"})
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["a/nodes/pi1.txt"]
        assert archive.extractfile("a/nodes/pi1.txt").read() == b"fine\n"  # type: ignore[union-attr]
    with pytest.raises(PiclusterError, match="cannot be written"):
        write_bundle(path, {})
