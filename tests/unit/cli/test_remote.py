"""Reaching nodes by hand: the words of ssh, which nodes are meant, the kubeconfig, completion."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.kube.kubeconfig_samples import entry

from picluster.cli.remote import chosen, completion, kubeconfig, ssh_command
from picluster.errors import UsageError
from picluster.kube.kubeconfig import document
from picluster.model import parse
from picluster.paths import cluster_state

FILE = """\
name: home
ssh: {user: pi, port: 2222, key: /keys/id, jump: me@gate.lan:22}
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: agent, ssh: {user: tak}}
"""
CLUSTER = parse(FILE).cluster


def test_ssh_goes_where_and_how_the_file_says() -> None:
    words = ssh_command(CLUSTER, "pi2", Path("/state/known_hosts"))
    assert words[0] == "ssh"
    assert words[-1] == "10.0.0.12"
    assert any(word.startswith("UserKnownHostsFile=/state/known_hosts ") for word in words)
    for option, value in (
        ("-p", "2222"),
        ("-l", "tak"),
        ("-i", "/keys/id"),
        ("-J", "me@gate.lan:22"),
    ):
        assert words[words.index(option) + 1] == value


def test_what_the_file_leaves_open_is_left_to_ssh() -> None:
    bare = parse("name: a\nnodes: [{name: pi1, address: pi1.lan, role: server}]\n").cluster
    words = ssh_command(bare, "pi1", Path("/k"))
    assert not {"-p", "-l", "-i", "-J"} & set(words)


def test_an_unknown_node_is_refused() -> None:
    with pytest.raises(UsageError, match="pi3"):
        ssh_command(CLUSTER, "pi3", Path("/k"))


@pytest.mark.parametrize(
    ("role", "nodes", "expected"),
    [("", [], ["pi1", "pi2"]), ("agent", [], ["pi2"]), ("", ["pi1"], ["pi1"])],
)
def test_commands_run_where_asked(role: str, nodes: list[str], expected: list[str]) -> None:
    assert chosen(CLUSTER, role, nodes) == expected


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(UsageError, match="master"):
        chosen(CLUSTER, "master", [])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster file; state and home are the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube/config"))
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    return path


def test_without_a_kubeconfig_the_fix_is_named(file: Path) -> None:
    with pytest.raises(UsageError) as caught:
        kubeconfig(file=file)
    assert caught.value.fix == "picluster up"


def test_a_kubeconfig_is_printed_and_merged_once(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = cluster_state("home") / "kubeconfig"
    saved.parent.mkdir(parents=True)
    text = document(entry())
    saved.write_text(text)
    kubeconfig(print_=True, file=file)
    assert capsys.readouterr().out == text
    kubeconfig(merge=True, file=file)
    assert "has the context home now" in capsys.readouterr().out
    assert "10.0.0.11:6443" in (tmp_path / "kube/config").read_text()
    kubeconfig(merge=True, file=file)
    assert "is as it should be" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    completion(shell)
    assert "_PICLUSTER_COMPLETE" in capsys.readouterr().out


def test_other_shells_are_refused() -> None:
    with pytest.raises(UsageError, match="tcsh"):
        completion("tcsh")
