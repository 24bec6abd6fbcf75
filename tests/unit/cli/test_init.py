"""`picluster init`: writes a file that loads, asks where it may, overwrites nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import typer

from picluster.cli import init_questions, prompts
from picluster.cli.init import init
from picluster.discovery import Candidate
from picluster.errors import ConfigInvalid, UsageError
from picluster.model import load


def test_options_are_enough(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    machines = [f"pi{number}=10.0.0.1{number}" for number in range(1, 5)]
    init(name="case", node=machines, user="pi", output=output)
    cluster = load(output).cluster
    assert cluster.name == "case"
    assert [node.role for node in cluster.nodes] == ["server", "server", "server", "agent"]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    output.write_text("mine")
    with pytest.raises(UsageError, match="already"):
        init(node=["pi1=10.0.0.11"], output=output)
    assert output.read_text() == "mine"


def test_what_would_not_load_is_not_written(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    with pytest.raises(ConfigInvalid, match=r"^the new file:8:12: nodes\[0\]\.name"):
        init(node=["Pi_1=10.0.0.11"], output=output)
    assert not output.exists()


def test_without_a_terminal_the_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        init(output=tmp_path / "cluster.yaml")
    assert "--node pi1=10.0.0.11" in caught.value.fix


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have keys and a configuration."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


def answer(monkeypatch: pytest.MonkeyPatch, found: list[Candidate], *lines: str) -> None:
    monkeypatch.setattr(prompts, "at_a_terminal", lambda: True)
    monkeypatch.setattr(init_questions, "candidates", lambda: found)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))


def test_answers_make_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["", "", "10.0.0.11", "pi2=10.0.0.12", "pi3=10.0.0.13", ""]
    answer(monkeypatch, [], *typed, "", "tak", "~/.ssh/x")
    output = tmp_path / "cluster.yaml"
    init(output=output)
    cluster = load(output).cluster
    assert cluster.name == "home"
    assert [node.address for node in cluster.nodes] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    assert cluster.is_ha
    assert cluster.ssh_for(cluster.nodes[0]).user == "tak"


def test_machines_that_are_found_can_be_chosen_and_more_be_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Candidate("10.0.0.31", "attic", is_pi=True),
        Candidate("10.0.0.32", is_pi=True),
        Candidate("10.0.0.9", "desk"),
    ]
    answer(monkeypatch, found, "lab", "1 4", "1, 2", "10.0.0.33", "", "x", "", "", "")
    output = tmp_path / "cluster.yaml"
    init(output=output)
    nodes = [(node.name, node.address) for node in load(output).cluster.nodes]
    assert nodes == [("attic", "10.0.0.31"), ("pi2", "10.0.0.32"), ("pi3", "10.0.0.33")]
    said = capsys.readouterr().out
    assert "desk  (perhaps not a Raspberry Pi)" in said
    assert "Give numbers from 1 to 3." in said
    assert "x is not a number; give 1, 3 or 5" in said


def test_a_bad_answer_is_told_of_at_once_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = ["", "pi1=10.0.0.300", "pi2=10.0.0.11", "10.0.0.12", "x=10.0.0.12", "=", ""]
    answer(monkeypatch, [], "My_Case", "case", *machines, "2", "7", "", "", "")
    output = tmp_path / "cluster.yaml"
    init(output=output, user="tak")
    cluster = load(output).cluster
    assert cluster.name == "case"
    assert [node.name for node in cluster.nodes] == ["pi2", "pi3"], "pi2 is taken already"
    assert [node.role for node in cluster.nodes] == ["server", "agent"]
    said = capsys.readouterr().out
    for told in (
        "name 'My_Case'",
        "a cluster has at least one machine",
        "address '10.0.0.300'",
        "nodes[2].address '10.0.0.12' is already the address of nodes[1]",
        "one side is empty",
        "nodes has 2 servers",
        "7 of 2 nodes cannot be servers",
    ):
        assert told in said
    assert "Who logs in" not in said, "what --user said is asked again"


@pytest.mark.parametrize("servers", [1, 3])
def test_what_options_say_is_not_asked_or_is_the_suggestion(
    servers: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer(monkeypatch, [], "10.0.0.11", "10.0.0.12", "10.0.0.13", "", "")
    output = tmp_path / "cluster.yaml"
    init(output=output, name="case", servers=servers, user="tak", key="~/.ssh/field")
    assert len(load(output).cluster.servers) == servers
    said = capsys.readouterr().out
    assert f"servers (1, 3 or 5)? [{servers}]" in said
    assert not any(asked in said for asked in ("called?", "logs in", "private key"))


def test_the_key_that_there_is_is_suggested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    answer(monkeypatch, [], "", "10.0.0.11", "", "", "", "")
    init(output=tmp_path / "cluster.yaml")
    assert "key: '~/.ssh/id_ed25519'" in (tmp_path / "cluster.yaml").read_text()


CONFIG = "Host 10.0.0.*\n  User {user}\n  IdentityFile ~/.ssh/field\n"


@pytest.mark.parametrize(
    ("config", "asked", "expected"),
    [
        (CONFIG.format(user="tak"), "Who logs in on them (empty: tak, as ~/.ssh/config", None),
        (CONFIG.format(user="tak").replace("*", "11"), "Who logs in on them? [pi]", "pi"),
        ("nonsense without a host =\nMatch\n", "Who logs in on them? [pi]", "pi"),
        ("Host \xff\n", "Who logs in on them? [pi]", "pi"),
    ],
    ids=["for all machines", "for one of them", "not understood", "no text"],
)
def test_who_logs_in_is_left_to_the_users_own_configuration_if_it_says_so(
    *,
    config: str,
    asked: str,
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_bytes(config.encode("latin-1"))
    monkeypatch.setenv("HOME", str(tmp_path))
    answer(monkeypatch, [], "", "10.0.0.11", "10.0.0.12", "", "", "", "")
    output = tmp_path / "cluster.yaml"
    init(output=output)
    cluster = load(output).cluster
    assert cluster.ssh_for(cluster.nodes[0]).user == expected
    said = capsys.readouterr().out
    assert asked in said
    assert ("private key (empty: as ~/.ssh/config says)?" in said) is (expected is None)


def test_a_found_machine_that_is_no_good_is_told_of_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Candidate("10.0.0.31"), Candidate("10.0.0.32", "Bad_Name"), Candidate("10.0.0.33")]
    answer(monkeypatch, found, "", "0", "all", "", "", "", "")
    output = tmp_path / "cluster.yaml"
    init(output=output)
    assert [node.address for node in load(output).cluster.nodes] == ["10.0.0.31", "10.0.0.33"]
    said = capsys.readouterr().out
    assert "name 'Bad_Name'" in said
    assert "Give numbers from 1 to 3." in said


def test_the_end_of_the_input_ends_it_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, [], "", "10.0.0.11")
    with pytest.raises(typer.Abort):
        init(output=tmp_path / "cluster.yaml")
    assert not (tmp_path / "cluster.yaml").exists()


def test_options_that_are_no_good_are_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, [])
    with pytest.raises(ConfigInvalid, match="name 'My_Case'"):
        init(output=tmp_path / "cluster.yaml", name="My_Case")
    assert not capsys.readouterr().out


def test_a_place_that_cannot_be_written_to_is_no_bug_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        init(node=["pi1=10.0.0.11"], output=tmp_path / "none" / "cluster.yaml")
    assert caught.value.why == "no such file or directory"


@pytest.mark.parametrize("servers", [-1, 0, 2])
def test_more_servers_than_nodes_are_refused(tmp_path: Path, servers: int) -> None:
    with pytest.raises(UsageError, match="cannot be servers"):
        init(node=["pi1=10.0.0.11"], servers=servers, output=tmp_path / "cluster.yaml")


def test_the_next_command_names_a_file_of_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "other.yaml"
    init(node=["pi1=10.0.0.11"], output=output)
    assert f"picluster up -f {output}" in capsys.readouterr().out
