"""`upgrade --to` leaves the user's own file alone until the nodes have answered."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from picluster.cli.app import app
from picluster.errors import PiclusterError, Unreachable, UsageError
from picluster.ssh.connector import SshConnector

TO = "v1.37.1+k3s1"


def unreachable(connector: object, node: str) -> None:
    raise Unreachable("it cannot be reached over SSH", where=node, fix="switch it on")


@pytest.fixture
def file(dead_node: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a cluster file with a release, whose node is not there; only its owner may read it."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(SshConnector, "connect", unreachable)
    dead_node.write_text(dead_node.read_text() + "k3s:\n  version: v1.36.4+k3s1\n")
    dead_node.chmod(0o600)
    return dead_node


def upgrade(*words: str) -> None:
    typer.main.get_command(app)(["upgrade", *words], standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["--to", TO, "--limit", "nobody"], UsageError),
        (["--to", f"{TO} # or so"], UsageError),
        (["--to", f"{TO}\n  token: prompt"], UsageError),
        (["--to", "newest"], UsageError),
        (["--to", TO], Unreachable),
        (["--to", TO, "--dry-run"], Unreachable),
    ],
)
def test_what_is_refused_leaves_the_file_alone(
    file: Path, words: list[str], refusal: type[PiclusterError]
) -> None:
    before = file.read_bytes()
    with pytest.raises(refusal):
        upgrade("-f", str(file), *words)
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.before-picluster"))


def test_what_to_run_again_goes_where_this_was_to_go(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unreachable):
        upgrade("-f", str(file), "--to", TO)
    assert f"picluster upgrade --to {TO}" in capsys.readouterr().out
