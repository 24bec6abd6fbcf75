"""What messages say is true: commands that they advise exist, and claims come from the record."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.command_line import trouble_with

SOURCE = Path(__file__).parents[2] / "src" / "picluster"
FILES = {
    path.relative_to(SOURCE).as_posix(): path
    for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.sh"), *SOURCE.rglob("*.html")])
}

# ------------------------------------------------------------------ what is said


def docstrings(tree: ast.AST) -> set[ast.AST]:
    """Return the texts that are only for those who read the source."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def texts(name: str, *, documentation: bool = False) -> Iterator[str]:
    """Yield every text of a file that a user may come to see; `X` stands for what is put in."""
    source = FILES[name].read_text()
    if not name.endswith(".py"):
        yield source
        return
    tree = ast.parse(source)
    unseen = set() if documentation else docstrings(tree)
    inside = {
        part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (getattr(part, "value", "X") for part in node.values)
            yield "".join(part if isinstance(part, str) else "X" for part in parts)
        elif isinstance(node, ast.Constant) and node not in unseen and node not in inside:
            yield node.value if isinstance(node.value, str) else ""


# ------------------------------------------------------------------ commands


_PROSE = {"cluster", "cordoned", "decides", "fetches", "installed", "looks", "needs", "writes"}
"""What follows the program's name at the beginning of a text that is no call."""


def calls(text: str) -> Iterator[str]:
    """Yield every call of picluster in a text: in backticks, after `run`, or as the text itself."""
    for code in re.findall(r"`([^`\n]+)`", text):
        if re.match(r"picluster(?: |$)", code):
            yield code.removeprefix("picluster")
    if (said := re.match(r"picluster (?!registry of|X)(\w+)", text)) and said[1] not in _PROSE:
        yield re.split(r"[,;(]", text.removeprefix("picluster"))[0]
    yield from re.findall(r"\brun picluster( [a-z]+)", text)


@pytest.mark.parametrize("name", FILES)
def test_commands_that_messages_advise_exist(name: str) -> None:
    said = [call for text in texts(name, documentation=True) for call in calls(text)]
    troubles = {trouble_with(call) for call in said}
    assert troubles - {""} == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("drain it (`picluster node drain`), and reboot", "'drain'"),
        ("`picluster logs X --node X` shows it", "--node"),
        ("picluster frobnicate", "'frobnicate'"),
        ("then run picluster repair again", "'repair'"),
    ],
)
def test_a_command_that_there_is_not_would_be_found(text: str, found: str) -> None:
    assert [trouble for call in calls(text) if found in (trouble := trouble_with(call))]


# ------------------------------------------------------------------ claims

CLAIM = re.compile(
    r"[^;.:,`]*\b(?:nothing (?:was|is|has been|had been) (?:changed|done|touched|written|installed)"
    r"|no node was (?:changed|touched)|(?:was|were) not (?:changed|touched)|untouched|unchanged"
    r"|left as (?:it|they) (?:is|are|was|were)|(?:is|are) as (?:it|they) (?:was|were))\b[^;.:,`]*"
)
TRUE_WHEREVER_IT_IS_SAID = {
    ("engine/run.py", "nothing was changed"): "said only when the run has begun no change",
    ("commands.py", "and nothing was changed on any node"): "before any phase begins",
    ("cli/prompts.py", "and nothing was changed"): "what is confirmed has only been planned",
    ("operations/reset.py", "it is left as it is"): "of nodes that could not be reached",
    ("operations/membership.py", "what is on the machine is left as it is"): "it was not reached",
    ("kube/kubeconfig.py", "and the file is as it was"): "refused before it is written",
    ("kube/yamltree.py", "it was not touched"): "of a file that could not be read",
    ("steps/registry/removal.py", "X is as it was before picluster"): "what the step makes so",
    ("kube/apply.py", "unchanged"): "the name of an outcome, as the API told it",
}
"""Each claim that nothing was done, and why it holds. Those of a run come from its record."""


def claims() -> set[tuple[str, str]]:
    return {
        (name, found.strip(" ()'\""))
        for name in FILES
        for text in texts(name)
        for found in CLAIM.findall(text)
    }


def test_every_claim_that_nothing_was_done_is_known_to_hold() -> None:
    assert claims() == set(TRUE_WHEREVER_IT_IS_SAID)


@pytest.mark.parametrize(
    "text", ["X was refused; nothing was changed", "the others were left as they were"]
)
def test_another_claim_would_be_found(text: str) -> None:
    assert CLAIM.findall(text)
