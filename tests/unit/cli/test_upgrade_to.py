"""`upgrade --to` writes into the user's own file: what it was asked for alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from picluster.cli.app import app
from picluster.errors import ConfigInvalid, PiclusterError, Unreachable, UsageError
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


def test_the_file_stays_a_link_and_as_private_as_it_was(file: Path) -> None:
    real = file.rename(file.with_name("kept-elsewhere.yaml"))
    file.symlink_to(real)
    with pytest.raises((PiclusterError, SystemExit)):
        upgrade("-f", str(file), "--to", TO)
    assert f"version: {TO}" in real.read_text()
    assert file.is_symlink()
    modes = {each.name: each.stat().st_mode & 0o777 for each in file.parent.glob("kept-*")}
    assert modes == {real.name: 0o600, f"{real.name}.before-picluster": 0o600}


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["--to", TO, "--limit", "nobody"], UsageError),
        (["--to", f"{TO} # or so"], UsageError),
        (["--to", f"{TO}\n  token: prompt"], UsageError),
        (["--to", "newest"], ConfigInvalid),
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


def test_a_file_that_cannot_be_written_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("picluster.local_files.create", refuse)
    with pytest.raises(UsageError, match="cannot be written"):
        upgrade("-f", str(file), "--to", TO)
