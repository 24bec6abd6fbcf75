"""The cluster file is read, and a site made of it, once a command, whatever the command is."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
from tests.unit.cli.surface import surface

from picluster.cli import context
from picluster.cli.app import app
from picluster.errors import PiclusterError, Unreachable
from picluster.model import load
from picluster.site import Site, make_site
from picluster.ssh.connector import SshConnector

FILELESS = {"completion", "explain", "init", "schema", "version"}
"""Commands that are about no cluster; those of the lab write its file."""
ARGUMENTS: Mapping[str, list[str]] = {
    "NODE": ["pi1"],
    "NAME": ["spring"],
    "COMMAND": ["--", "true"],
    "RUN": [],
    "DIRECTORY": ["saved"],
}
REST = "    disks: [{device: /dev/disk/by-id/usb}]\nregistry: {node: pi1}\nlonghorn: {}\n"
PHASES = [
    ["phase", each] for each in ("prepare", "reset", "restart", "upgrade", "validate", "deploy")
]
WAYS = [
    ["up", "--dry-run", "--limit", "pi1", "--format-disk", "pi1:/dev/disk/by-id/usb"],
    ["reset", "--node", "pi1", "--yes"],
    ["reset", "--yes"],
    ["node", "remove", "pi1", "--yes"],
    ["node", "replace", "pi1", "--accept-new-host-keys"],
    ["doctor", "--fix", "--node", "pi1"],
    ["deploy", "--fix"],
]


def every_command() -> list[list[str]]:
    found = []
    for words, parameters in surface().items():
        command = words.split()[1:]
        if command[0] not in {*FILELESS, "lab", "phase"}:
            taken = [word for name in parameters for word in ARGUMENTS.get(name, [])]
            found.append([*command, *taken])
    return [*found, *PHASES, *WAYS]


def unreachable(connector: object, node: str) -> NoReturn:
    raise Unreachable("it cannot be reached over SSH", where=node, fix="switch it on")


def noted(made: list[Site], *given: Any, **named: Any) -> Site:
    made.append(make_site(*given, **named))
    return made[-1]


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_the_cluster_file_is_parsed_and_a_site_made_once(
    words: list[str], dead_node: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dead_node.write_text(dead_node.read_text() + REST)
    assert load(dead_node).cluster.registry
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(os, "execvp", lambda *_: None)
    monkeypatch.setattr(SshConnector, "connect", unreachable)
    module: Any = importlib.import_module("picluster.model.load")
    parse, parsed = module.parse, []

    def counted(text: str, path: Path) -> object:
        parsed.append(path)
        return parse(text, path)

    monkeypatch.setattr(module, "parse", counted)
    made: list[Site] = []
    monkeypatch.setattr(context, "make_site", partial(noted, made))
    with contextlib.suppress(SystemExit, PiclusterError):
        typer.main.get_command(app)(words)
    assert len(parsed) == 1
    assert len(made) <= 1
