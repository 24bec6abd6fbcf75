"""Every failure says what to do: each place that raises one gives a fix, or its class does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "picluster"
TREES = {
    path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text())
    for path in sorted(SOURCE.rglob("*.py"))
}
# Made with what the API or the caller said; the class puts a fix to it.
WITH_A_FIX_OF_THEIR_OWN = {"ApiUnavailable", "ApiRefused", "ClusterFileInvalid", "Unreadable"}
# What these raise never reaches a user: the caller turns it into something with a fix.
INTERNAL = {"NotFound", "Conflict", "Interrupted"}


def error_classes() -> set[str]:
    """Return PiclusterError and every class below it, by name."""
    found, before = {"PiclusterError"}, set[str]()
    classes = [node for tree in TREES.values() for node in ast.walk(tree)]
    while found != before:
        before = set(found)
        found |= {
            node.name
            for node in classes
            if isinstance(node, ast.ClassDef) and found.intersection(map(name_of, node.bases))
        }
    return found


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def without_fix(tree: ast.AST, classes: set[str]) -> Iterator[str]:
    """Name each making of one of the classes that gives no fix, by keyword or as second value."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or name_of(node.func) not in classes:
            continue
        given = {keyword.arg for keyword in node.keywords}
        if not given & {"fix", None} and len(node.args) == 1:
            yield f"line {node.lineno}: {ast.unparse(node)[:90]}"


def everywhere(classes: set[str]) -> dict[str, list[str]]:
    found = {name: list(without_fix(tree, classes)) for name, tree in TREES.items()}
    return {name: lines for name, lines in found.items() if lines}


def test_every_error_says_what_to_do() -> None:
    assert everywhere(error_classes() - WITH_A_FIX_OF_THEIR_OWN - INTERNAL) == {}


def test_every_refusal_says_what_to_do() -> None:
    assert everywhere({"Blocked"}) == {}


def test_one_without_a_fix_would_be_found() -> None:
    tree = ast.parse("raise UsageError('no')\nraise UsageError('no', fix='yes')\n")
    assert [each[:6] for each in without_fix(tree, error_classes())] == ["line 1"]
    assert len(error_classes()) > 15
