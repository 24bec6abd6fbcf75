"""What users see on a terminal of 80 and of 120 columns, and without one."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.lab.requirements import missing
from tests.lab.bench import Bench
from tests.lab.labs import rehearse
from tests.lab.terminal import Terminal, terminal
from tests.requirements import PACKAGES

WIDTHS = (80, 120)
PICLUSTER = [sys.executable, "-m", "picluster"]
# The longest that a word may be before a terminal has to cut it: paths and hashes are longer.
FOLDED_INDENT = 12
ESCAPE = "\x1b"


@pytest.fixture(scope="module", autouse=True)
def tmux_is_here(lab_can_run: None) -> None:
    if "tmux" in missing(PACKAGES):
        if os.environ.get("PICLUSTER_LAB") == "required":
            pytest.fail("tmux is missing: `make test-deps` installs it")
        pytest.skip("tmux is missing: `make test-deps` installs it")


@pytest.fixture(scope="module")
def view(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Three bare servers."""
    yield from rehearse("view", 3, 3, home, artifacts)


def looking(bench: Bench, columns: int, *words: str, **more: str) -> Iterator[Terminal]:
    command = [*PICLUSTER, *words, "--file", bench.file.name]
    with terminal(command, bench.file.parent, columns, more=more) as opened:
        yield opened


def shown(bench: Bench, columns: int, *words: str, expect: int = 0, **more: str) -> str:
    """Run a command in a terminal to its end, and return all that it printed."""
    for opened in looking(bench, columns, *words, **more):
        status = opened.status()
        text = opened.screen()
        assert status == expect, text
        assert_readable(opened)
        return text
    raise AssertionError("there was no terminal")


def assert_readable(opened: Terminal) -> None:
    """No word is cut by the edge of the terminal, unless it is longer than a line."""
    for line in opened.lines():
        if len(line) <= opened.columns:
            continue
        longest = max(line.split(), key=len)
        assert len(longest) > opened.columns - FOLDED_INDENT, f"cut at the edge: {line!r}"


def assert_all_nodes(bench: Bench, text: str) -> None:
    for node in bench.nodes:
        assert re.search(rf"^.?\s*{node.name}\b", text, re.MULTILINE), f"{node.name}: {text}"


@pytest.mark.parametrize("columns", WIDTHS)
def test_help_is_whole_sentences(view: Bench, columns: int) -> None:
    for words in ([], ["node"], ["snapshot"], ["registry"], ["config"], ["lab"]):
        with terminal([*PICLUSTER, *words, "--help"], view.file.parent, columns) as opened:
            assert opened.status() == 0
            text = opened.screen()
            assert_readable(opened)
        assert "Usage: " in text
        assert "..." not in text.replace("[ARGS]...", "")


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_run_is_drawn_while_it_goes_on_and_summed_up_at_its_end(
    view: Bench, columns: int
) -> None:
    view.picluster("reset", "--yes")
    plan = shown(view, columns, "plan")
    assert f"{view.nodes[0].name}, {view.nodes[1].name}, {view.nodes[2].name}" in plan
    assert "NOTE: K3s stand-in" in plan
    for opened in looking(view, columns, "up"):
        tables = [text for text in opened.watch() if text.startswith("up view · ")]
        assert len(tables) > 10
        for during in tables:
            assert_all_nodes(view, during)
            rows = [line.split()[0] for line in during.splitlines() if line.strip()]
            names = [node.name for node in view.nodes]
            assert rows in (["up", "node", *names], ["up", "node", *names, "cluster"]), during
        assert any("k3s, 3 of" in during and "start k3s.service" in during for during in tables)
        assert opened.status() == 0
        after = opened.screen()
        assert_readable(opened)
        assert f"{ESCAPE}[32m✓" in opened.screen("-e"), "it has no colours"
    assert_all_nodes(view, after)
    assert re.search(r"^✓ view1 +\d+ +\d+ +0 +0 +\d", after, re.MULTILINE), after
    assert "next: picluster validate" in after
    assert_the_screens_of_a_cluster(view, columns)


def assert_the_screens_of_a_cluster(view: Bench, columns: int) -> None:
    status = shown(view, columns, "status")
    assert_all_nodes(view, status)
    assert "view: healthy, 3 of 3 nodes Ready" in status
    table = [line for line in status.splitlines() if line.startswith(("✓", "   node"))]
    assert len(table) == len(view.nodes) + 1
    doctor = shown(view, columns, "doctor")
    assert_all_nodes(view, doctor)
    assert "0 problems" in doctor
    validate = shown(view, columns, "validate")
    assert "the cluster is up, and as the file says" in validate


@pytest.mark.parametrize("columns", WIDTHS)
def test_errors_of_the_file_are_readable_and_no_traceback(view: Bench, columns: int) -> None:
    with view.edited("role: server", "rol: server"):
        text = shown(view, columns, "validate", expect=3)
    assert "did you mean" in text
    assert "cluster.yaml" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_node_that_is_away_is_told_in_the_one_form(view: Bench, columns: int) -> None:
    lost = view.node(3)
    lost.break_("power-off")
    try:
        text = shown(view, columns, "up", "--until", "prepare", expect=4)
    finally:
        lost.mend()
    assert lost.name in text
    assert "why:" in text
    assert "fix:" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"CI": "1"}, {"TERM": "dumb"}])
def test_without_colours_there_are_plain_lines(view: Bench, more: dict[str, str]) -> None:
    for opened in looking(view, 100, "up", "--until", "prepare", **more):
        assert opened.status() == 0
        text = opened.screen("-e")
    assert ESCAPE not in text
    assert "[prepare] " in text
    assert "  node " in text


def test_a_pipe_gets_plain_lines(view: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for words in (["up", "--until", "prepare"], ["status"], ["doctor"], ["--help"]):
        result = view.picluster(*words, expect=None) if words != ["--help"] else None
        said = result.said if result else ""
        assert ESCAPE not in said, f"`{words[0]}` sends escape sequences into a pipe"
    assert "[prepare] " in view.picluster("up", "--until", "prepare").err
