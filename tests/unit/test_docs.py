"""The documentation is true: its links, commands, options, cluster files and examples exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.documented import FENCE, NAMES, PAGES, ROOT, all_blocks, blocks, commands_in
from tests.unit.command_line import CLI, options_of, trouble_with

from picluster.engine.step import Change, Observation, Satisfied
from picluster.engine.survey import Look
from picluster.model import load

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_MAKE = re.compile(r"\bmake((?: +[a-z][a-z-]*)+)")


# ------------------------------------------------------------------ links


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text())
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for link in _LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text()) == []


def test_a_broken_link_would_be_found() -> None:
    text = "[a](docs/no-such.md) [b](docs/lab.md#no-such) [c](docs/lab.md#faults) [d](https://x)"
    assert broken_links(ROOT / "README.md", text) == ["docs/no-such.md", "docs/lab.md#no-such"]


# ------------------------------------------------------------------ commands


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_options_exist(page: Path) -> None:
    troubles = [trouble_with(call) for call in commands_in(page.read_text())]
    assert [trouble for trouble in troubles if trouble] == []


def test_the_pages_do_show_commands() -> None:
    calls = {call.strip() for page in PAGES for call in commands_in(page.read_text())}
    assert {"up", "plan", "validate", "lab break cut box3 --name box"} <= calls


@pytest.mark.parametrize(
    "call", ["frobnicate", "up --no-such-option", "lab explode", "config show --limit pi1"]
)
def test_a_wrong_command_would_be_found(call: str) -> None:
    found = [trouble_with(each) for each in commands_in(f"```sh\npicluster {call}\n```\n")]
    found += [trouble_with(each) for each in commands_in(f"Say `picluster {call}`.")]
    assert len(found) == 2
    assert all(found)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for code in [
            *(block.text for block in blocks(page.read_text())),
            *re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text())),
        ]
        for words in _MAKE.findall(code)
        for target in words.split()
    }
    assert {"demo", "test"} <= named
    assert named <= targets


def test_the_readme_has_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    missing = [name for name in CLI.commands if f"`picluster {name}" not in text]
    assert missing == []


def test_the_lab_page_has_every_command_and_option_of_the_lab() -> None:
    text = (ROOT / "docs" / "lab.md").read_text()
    lab = CLI.commands["lab"]
    wanted = {f"`picluster lab {name}" for name in lab.commands}
    wanted |= {f"`{name}" for each in lab.commands.values() for name in options_of(each)}
    assert [name for name in sorted(wanted - {"`--help"}) if name not in text] == []


# ------------------------------------------------------------------ the recorded screen


def test_the_recorded_screen_is_whole_honest_and_fetches_nothing() -> None:
    text = (ROOT / "docs" / "screen.svg").read_text()
    words = "".join(ElementTree.fromstring(text).itertext()).replace("\N{NO-BREAK SPACE}", " ")
    for said in ("$ picluster up", "next: picluster validate", "3 of 3 nodes Ready"):
        assert said in words
    assert words.count("NOTE: K3s stand-in: made by picluster's tests; it is not K3s") == 2
    assert set(re.findall(r"https?://[^\"'<\s]+", text)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"/(?:home|root|tmp|work)/", text) == []


# ------------------------------------------------------------------ cluster files


def test_cluster_files_load(tmp_path: Path) -> None:
    found = [block for block in all_blocks("yaml") if re.search(r"^nodes:", block.text, re.M)]
    assert {"README.md", "docs/air-gap.md"} <= {block.page for block in found}
    for number, block in enumerate(found):
        path = tmp_path / f"{Path(block.page).stem}-{number}.yaml"
        path.write_text(block.text)
        load(path)


# ------------------------------------------------------------------ the example step


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """What the Python of docs/write-a-step.md defines, its tests included."""
    text = (ROOT / "docs" / "write-a-step.md").read_text()
    code = "\n".join(block.text for block in blocks(text) if block.language == "python")
    names: dict[str, Any] = {"__name__": "write_a_step"}
    exec(compile(code, "docs/write-a-step.md", "exec", dont_inherit=True), names)
    return names


def test_the_examples_own_tests_pass(example: dict[str, Any]) -> None:
    tests = [value for name, value in example.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()


def test_the_examples_probe_sees_what_its_decision_reads(example: dict[str, Any]) -> None:
    def look(user: str, group: str) -> Any:
        step = example["InGroup"](user, group)
        done = subprocess.run(
            ["sh", "-c", step.probe().text], capture_output=True, text=True, check=False
        )
        facts = step.probe().parse(Observation(done.returncode, done.stdout, done.stderr))
        seen = {"here": {step.probe().name: facts}}
        return step.decide(Look("here", step.name, seen))

    assert isinstance(look("root", "root"), Satisfied)
    assert isinstance(look("root", "no such group"), Change)
    assert isinstance(look("no-such-user", "root"), example["Blocked"])


# ------------------------------------------------------------------ messages


def source() -> str:
    """The text of the program, with the pieces of each long message put together."""
    files = [*ROOT.glob("src/picluster/**/*.py"), *ROOT.glob("src/picluster/**/*.sh")]
    text = "\n".join(path.read_text() for path in sorted(files))
    return re.sub(r'"\s*\n\s*f?"', "", text)


def messages_of(page: str) -> list[str]:
    """What stands between backticks in the first column of the tables of messages."""
    tables = re.findall(r"^\| Message \|.*\n\|---.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def unknown(messages: list[str], program: str) -> list[str]:
    """The messages with a piece, between the `...` for what varies, that the program lacks."""
    return [
        message
        for message in messages
        if any(piece.strip(" ,") not in program for piece in message.split("..."))
    ]


def test_the_messages_that_are_explained_exist() -> None:
    messages = messages_of((ROOT / "docs/troubleshooting.md").read_text())
    assert len(messages) > 50
    assert unknown(messages, source()) == []
    assert unknown(["the Pi is ... on fire"], source()) == ["the Pi is ... on fire"]


# ------------------------------------------------------------------ how to add something

_HOW_TO_ADD = ("probe", "step", "phase", "operation", "application")
_MOST_LINES = 40


def test_contributing_shows_how_to_add_each_thing_with_an_example_of_the_tree() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    sections = dict(re.findall(r"^## How to add an? (\w+)\n(.*?)(?=^## )", text, re.M | re.S))
    assert tuple(sections) == _HOW_TO_ADD
    for name, section in sections.items():
        examples = re.findall(r"\]\((src/\S+)\):\n\n```python\n(.*?)```", section, re.S)
        assert len(examples) == section.count("```python"), f"{name}: an example of no file"
        for path, example in examples:
            assert example in (ROOT / path).read_text(), f"{name}: {path} reads otherwise"
            assert len(example.splitlines()) < _MOST_LINES, f"{name}: {path} is shown at length"


def test_the_readme_says_what_todays_cards_ask_for() -> None:
    """Raspberry Pi OS since April 2026: sudo wants a password, with a key on the card too."""
    first_step = (ROOT / "README.md").read_text().split("1. Flash")[1].split("2. Install")[0]
    assert "`ssh: {password: prompt}`" in first_step
    assert "asks for a password" in first_step
