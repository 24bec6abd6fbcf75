"""Help and the commands without a cluster start fast: nothing heavy is imported for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


# What a run on a plain cluster has no use for: `kubernetes` is for changes, X.509 for the
# certificates of a registry; a phase or an application is imported for a cluster that has it.
_FOR_OTHERS = (
    "kubernetes",
    "urllib3",
    "docker",
    "jinja2",
    "rich",
    "cryptography.x509",
    "picluster.apps.longhorn",
    "picluster.apps.opentakserver",
    "picluster.apps.rancher",
    "picluster.lab",
    "picluster.phases.bootstrap",
    "picluster.phases.build",
    "picluster.phases.longhorn",
    "picluster.phases.opentakserver",
    "picluster.phases.rancher",
    "picluster.phases.registry",
    "picluster.queries",
    "picluster.steps.images",
    "picluster.steps.registry.container",
    "picluster.steps.registry.docker",
    "picluster.steps.registry.signing",
    "picluster.steps.storage.classes",
)

_PLAIN = """
name: home
nodes: [{name: pi1, address: 127.0.0.1, role: server, ssh: {port: 1, user: pi}}]
"""

_LOOKED = """
import gc, sys
from picluster.__main__ import main
from picluster.kube import client
sys.argv = ["picluster", *sys.argv[1:]]
before = gc.get_stats()[0]["collections"]
try:
    main()
except SystemExit as ended:
    print("ENDED", ended.code)
print("SEARCHES FOR GARBAGE", gc.get_stats()[0]["collections"] - before)
from picluster.phases.catalog import PHASES, wanted
from picluster.model import load
from pathlib import Path
from picluster.cli.context import asked_of
from picluster.cli.options import Options
site = asked_of(Options(file=Path("cluster.yaml"))).site
for name in wanted(list(PHASES), site.cluster):
    PHASES[name](site)
print("FOR OTHERS", *(name for name in %r if name in sys.modules))
"""


@pytest.mark.parametrize("command", ["up", "plan"])
def test_a_run_imports_nothing_that_only_other_clusters_need(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cluster.yaml").write_text(_PLAIN)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    done = subprocess.run(
        [sys.executable, "-c", _LOOKED % (_FOR_OTHERS,), command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines()[-3:] == [
        "ENDED 4",
        "SEARCHES FOR GARBAGE 0",
        "FOR OTHERS",
    ], done.stderr


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "picluster", "--help"], capture_output=True, text=True, check=True
    )
    commands = "up plan phase validate config schema version known-hosts logs lab"
    assert set(commands.split()) <= set(done.stdout.split())
    assert "\x1b" not in done.stdout
