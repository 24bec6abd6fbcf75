"""Reaching nodes by hand: the words of ssh, which nodes are meant, the kubeconfig, completion."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.kube.kubeconfig_samples import entry
from tests.unit.phases.sites import site_on

from picluster.cli.remote import completion, kubeconfig
from picluster.errors import PiclusterError, Unreachable, UsageError
from picluster.kube.kubeconfig import document
from picluster.model import parse
from picluster.operations.execution import chosen, run_everywhere
from picluster.paths import cluster_state
from picluster.ssh.command_line import ssh_command
from picluster.ui.node_lines import Printer

FILE = """\
name: home
ssh: {user: pi, port: 2222, key: /keys/id, jump: me@gate.lan:22}
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: agent, ssh: {user: tak}}
"""
CLUSTER = parse(FILE).cluster


def options(words: list[str]) -> dict[str, str]:
    """What each `-o` says, by its name."""
    given = [words[at + 1] for at, word in enumerate(words) if word == "-o"]
    return dict(option.split("=", 1) for option in given)


def test_ssh_goes_where_and_how_the_file_says() -> None:
    words = ssh_command(CLUSTER, "pi2", Path("/state/known_hosts"))
    assert words[0] == "ssh"
    assert words[-5:] == ["-l", "tak", "-p", "2222", "10.0.0.12"]
    said = options(words)
    assert said["IdentityFile"] == '"/keys/id"'
    assert said["IdentitiesOnly"] == "yes"


def test_host_keys_are_asked_about_and_pinned_where_picluster_finds_and_forgets_them() -> None:
    said = options(ssh_command(CLUSTER, "pi1", Path("/state/known_hosts")))
    assert said["UserKnownHostsFile"] == '"/state/known_hosts" ~/.ssh/known_hosts'
    assert said["StrictHostKeyChecking"] == "ask"
    assert said["HashKnownHosts"] == "no"


def test_the_jump_host_is_trusted_and_logged_in_to_by_the_same_rules() -> None:
    said = options(ssh_command(CLUSTER, "pi1", Path("/state/known_hosts")))
    way = shlex.split(said.pop("ProxyCommand"))
    assert way[-7:] == ["-l", "me", "-p", "22", "-W", "[%h]:%p", "gate.lan"]
    assert options(way) == said


def test_a_path_is_one_word_for_ssh_whatever_is_in_it() -> None:
    said = options(ssh_command(CLUSTER, "pi1", Path('/my st"ate/100%/known_hosts')))
    assert said["UserKnownHostsFile"].startswith('"/my st\\"ate/100%%/known_hosts" ')
    way = options(shlex.split(said["ProxyCommand"]))
    assert way["UserKnownHostsFile"].startswith('"/my st\\"ate/100%%%%/known_hosts" ')


def test_what_the_file_leaves_open_is_left_to_ssh() -> None:
    bare = parse("name: a\nnodes: [{name: pi1, address: pi1.lan, role: server}]\n").cluster
    words = ssh_command(bare, "pi1", Path("/k"))
    assert not {"-p", "-l"} & set(words)
    assert not {"IdentityFile", "IdentitiesOnly", "ProxyCommand"} & set(options(words))


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


def test_nobody_to_run_on_is_refused() -> None:
    with pytest.raises(UsageError, match="pi1 is no agent"):
        chosen(CLUSTER, "agent", ["pi1"])


@pytest.fixture
def nodes(tmp_path: Path) -> ShellNodes:
    return ShellNodes(tmp_path / "nodes")


def run(nodes: ShellNodes, script: str) -> int:
    printer = Printer()
    site = site_on(nodes, CLUSTER, nodes.base.parent, "exec")
    code = run_everywhere(site, ["pi1", "pi2"], script, 2, printer)
    printer.check()
    return code


def test_each_line_comes_with_its_node(
    nodes: ShellNodes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(nodes, "echo one; echo two; echo bad >&2; printf end") == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    for name in ("pi1", "pi2"):
        mine = [line for line in lines if line.startswith(name)]
        assert mine == [f"{name}: one", f"{name}: two", f"{name}: end"]
    assert sorted(said.err.splitlines()) == ["pi1: bad", "pi2: bad"]


def test_one_that_fails_is_named_and_decides(
    nodes: ShellNodes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(nodes, 'case "$NODE_ROOT" in *pi2) exit 3;; esac') == 1
    assert capsys.readouterr().err == "pi2: ended with status 3\n"


@pytest.mark.parametrize("script", ["true", "false"])
def test_one_that_cannot_be_reached_weighs_more_and_holds_nobody_up(
    nodes: ShellNodes, capsys: pytest.CaptureFixture[str], script: str
) -> None:
    nodes.refuse["pi1"] = Unreachable("it cannot be reached", where="pi1", fix="plug it in")
    assert run(nodes, script) == 4
    assert nodes.scripts == {"pi2": 1}
    assert "pi1: it cannot be reached\n  fix: plug it in" in capsys.readouterr().err


def test_one_that_is_lost_on_the_way_counts_as_not_reached(nodes: ShellNodes) -> None:
    nodes.drop_after["pi2"] = 1
    assert run(nodes, "true") == 4


def test_lines_are_printed_as_they_come_and_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer = Printer()
    printer.hear("pi1", "stdout", b"\xc3")
    printer.hear("pi1", "stdout", b"\xa4\x1b[2J\nrest")
    assert capsys.readouterr().out == "pi1: ä\N{REPLACEMENT CHARACTER}[2J\n"
    printer.ended("pi1", 0)
    assert capsys.readouterr().out == "pi1: rest\n"


def test_a_reader_that_goes_away_is_no_lost_connection(
    nodes: ShellNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*words: object, **options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    with pytest.raises(BrokenPipeError):
        run(nodes, "echo one; echo two")


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


def test_a_saved_file_that_is_none_is_blamed_and_not_the_server(file: Path) -> None:
    saved = cluster_state("home") / "kubeconfig"
    saved.parent.mkdir(parents=True)
    saved.write_text("junk: 1\n")
    with pytest.raises(PiclusterError) as caught:
        kubeconfig(merge=True, file=file)
    assert caught.value.where == str(saved)
    assert "picluster up" in caught.value.fix


def test_printing_and_merging_at_once_is_refused(file: Path) -> None:
    with pytest.raises(UsageError):
        kubeconfig(print_=True, merge=True, file=file)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    completion(shell)
    assert "_PICLUSTER_COMPLETE" in capsys.readouterr().out


def test_other_shells_are_refused() -> None:
    with pytest.raises(UsageError, match="tcsh"):
        completion("tcsh")
