"""What docs/security.md promises is shown by tests that exist; it names every dependency."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/.]+\.py)::(test_\w+)`", PAGE)


def test_every_danger_has_a_test():
    rows = [line for line in PAGE.partition("## What runs as root")[0].split("\n") if "|" in line]
    dangers = [row for row in rows if not re.match(r"\|(---| What )", row)]
    assert len(dangers) > 20
    for row in dangers:
        assert re.search(r"`tests/[^`]+::test_\w+` \|$", row), row


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists(path, name):
    tree = ast.parse((ROOT / path).read_text())
    assert name in {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def test_every_dependency_is_named_with_what_it_is_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[>=<\[ ]", each)[0] for each in project["dependencies"]}
    table = PAGE.partition("| Dependency |")[2].partition("\n\n")[0]
    named = {name.strip() for row in table.split("\n")[2:] for name in row.split("|")[1].split(",")}
    assert named == wanted


def test_it_is_found_from_the_readme_and_says_how_to_report():
    assert "docs/security.md" in (ROOT / "README.md").read_text()
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
    assert "Report a vulnerability" in (ROOT / "SECURITY.md").read_text()


def pins(name):
    found = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", each).lower(): version for each, version in found}


def test_what_users_install_has_hashes_and_names_no_address():
    lines = (ROOT / "requirements.txt").read_text().split("\n")[1:]
    entries = "\n".join(lines).strip().replace("\\\n", "").split("\n")
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( +--hash=sha256:[0-9a-f]{64} *)+", entry), entry


def test_what_users_install_is_what_is_tested():
    tested, installed = pins("constraints.txt"), pins("requirements.txt")
    built_with = {"hatchling", "tomlkit", "trove-classifiers"}
    assert {name: tested.get(name) for name in installed if name not in built_with} == {
        name: version for name, version in installed.items() if name not in built_with
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[>=<\[ ]", each)[0] for each in project["dependencies"]}
    assert wanted <= set(installed)


def test_the_audit_fails_where_it_could_not_look_something_up():
    """Without --strict, pip-audit 2.10.1 ends with 0 though it found none of the names."""
    workflow = (ROOT / ".github" / "workflows" / "audit.yml").read_text()
    (command,) = re.findall(r"run: (.*pip-audit.*)", workflow)
    assert {"--strict", "--require-hashes"} <= set(command.split())
    assert command.endswith("--requirement requirements.txt")
