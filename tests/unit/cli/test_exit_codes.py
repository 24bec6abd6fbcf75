"""Every way to end: the exit code, one message on stderr, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Picluster

CONNECTING = [["up"], ["plan"], ["phase", "prepare"], ["validate"], ["up", "--dry-run"]]


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["phase"]])
def test_a_wrong_command_line_exits_2(picluster: Picluster, arguments: list[str]) -> None:
    done = picluster(*arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stderr


@pytest.mark.usefixtures("dead_node")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["phase", "prepar"], "did you mean prepare?"),
        (["up", "--limit", "pi9"], "no node is called 'pi9'"),
        (["restart", "--node", "pi9"], "no node is called 'pi9'"),
        (["node", "replace", "pi9"], "no node is called 'pi9'"),
        (["upgrade", "--to", "1.37"], "--to '1.37' is not a K3s version"),
        (["up", "--from", "k3s", "--until", "prepare"], "comes after"),
        (["known-hosts", "forget", "pi9"], "pi9"),
        (["logs"], "no run"),
        (["reset", "--yes", "--lose-volume", "tak/data"], "--node"),
        (
            ["node", "remove", "pi1", "--yes", "--lose-volume", "tak/a", "--keep-volume", "tak/a"],
            "tak/a cannot be given up and kept",
        ),
        (
            ["node", "remove", "pi1", "--yes", "--data", "--keep-volume", "tak/a"],
            "--data would delete what --keep-volume keeps",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_acted_on_exits_2(
    picluster: Picluster, arguments: list[str], said: str
) -> None:
    done = picluster(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [*CONNECTING, ["config", "show"], ["logs"]], ids=" ".join)
def test_an_invalid_file_exits_3_and_names_the_line(
    picluster: Picluster, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "cluster.yaml").write_text(
        "name: home\nnodes:\n  - name: pi1\n    adress: 10.0.0.1\n"
    )
    done = picluster(*arguments)
    assert done.returncode == 3, done.stderr
    assert "cluster.yaml:4" in done.stderr
    assert "did you mean address?" in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_broken_yaml_exits_3_and_names_the_line(picluster: Picluster, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: home\nnodes: [\n")
    done = picluster("validate", "-f", "broken.yaml")
    assert done.returncode == 3
    assert "broken.yaml:" in done.stderr


def test_a_missing_file_exits_3_and_says_how_to_name_one(picluster: Picluster) -> None:
    done = picluster("up", PICLUSTER_FILE="elsewhere.yaml")
    assert done.returncode == 3
    assert "elsewhere.yaml" in done.stderr
    assert "-f" in done.stderr


@pytest.mark.usefixtures("dead_node")
@pytest.mark.parametrize("arguments", CONNECTING, ids=" ".join)
def test_an_unreachable_node_exits_4_and_is_never_ok(
    picluster: Picluster, arguments: list[str]
) -> None:
    done = picluster(*arguments)
    assert done.returncode == 4, done.stderr
    said = done.stdout + done.stderr
    assert "cannot be reached" in said
    assert "fix:" in said
    assert "Traceback" not in said
    assert "\x1b" not in said


def test_the_next_command_names_the_file_that_this_one_was_told(
    picluster: Picluster, dead_node: Path
) -> None:
    other = dead_node.rename(dead_node.with_name("my pis.yaml"))
    told = picluster("up", "-f", other.name).stdout
    assert "next: picluster up -f 'my pis.yaml', once pi1" in told
    told = picluster("up", PICLUSTER_FILE=other.name).stdout
    assert "next: picluster up, once pi1" in told


@pytest.mark.usefixtures("dead_node")
def test_up_as_json_is_json_lines_up_to_the_end(picluster: Picluster) -> None:
    done = picluster("up", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["RunStarted", "RunFinished"]
    assert events[-1]["exit_code"] == done.returncode == 4
    assert {event["picluster"] for event in events} == {1}


@pytest.mark.usefixtures("dead_node")
def test_a_run_can_be_read_back(picluster: Picluster) -> None:
    picluster("up")
    text = picluster("logs")
    assert text.returncode == 0, text.stderr
    assert "cannot be reached" in text.stdout
    lines = picluster("logs", "--json").stdout.splitlines()
    assert json.loads(lines[0])["event"] == "RunStarted"


@pytest.mark.usefixtures("dead_node")
def test_logs_are_of_the_last_run_that_did_something(picluster: Picluster) -> None:
    for words in (["up"], ["exec", "--", "true"], ["status"], ["doctor"]):
        picluster(*words)
    text = picluster("logs").stdout
    assert "-up" in text.splitlines()[0], f"these are another run's:\n{text}"
