"""Help and the commands without a cluster start fast: nothing heavy is imported for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = ("fabric", "paramiko", "invoke", "kubernetes", "rich", "yaml", "jinja2")

# Typer itself imports pydantic where it finds it, to convert options.
_TYPERS_OWN = {"pydantic"}

_PROBE = """
import sys
from picluster.__main__ import main
sys.argv = ["picluster", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = sorted({name.split(".")[0] for name in sys.modules} & set(%r))
print("HEAVY", *heavy, file=sys.stderr)
"""


def heavy_imports(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE % ((*_HEAVY, "pydantic"),), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


def test_help_imports_nothing_heavy_at_all() -> None:
    assert heavy_imports("--help") == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["version"],
        ["up", "--help"],
        ["plan", "--help"],
        ["validate", "--help"],
        ["config", "show", "--help"],
        ["known-hosts", "forget", "--help"],
        ["lab", "--help"],
        ["lab", "up", "--help"],
    ],
    ids=" ".join,
)
def test_commands_without_a_cluster_import_nothing_heavy(arguments: list[str]) -> None:
    assert heavy_imports(*arguments) <= _TYPERS_OWN


def test_the_schema_needs_only_the_model() -> None:
    assert heavy_imports("schema") <= {"pydantic", "yaml"}


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "picluster", "--help"], capture_output=True, text=True, check=True
    )
    commands = "up plan phase validate config schema version known-hosts logs lab"
    assert set(commands.split()) <= set(done.stdout.split())
    assert "\x1b" not in done.stdout
