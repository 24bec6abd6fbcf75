"""`picluster init`: writes a file that loads, asks where it may, overwrites nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from picluster.cli import context
from picluster.cli.init import init
from picluster.errors import ConfigInvalid, UsageError
from picluster.model import load


def test_options_are_enough(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    machines = [f"pi{number}=10.0.0.1{number}" for number in range(1, 5)]
    init(name="case", node=machines, user="pi", output=output)
    cluster = load(output).cluster
    assert cluster.name == "case"
    assert [node.role for node in cluster.nodes] == ["server", "server", "server", "agent"]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    output.write_text("mine")
    with pytest.raises(UsageError, match="already"):
        init(node=["pi1=10.0.0.11"], output=output)
    assert output.read_text() == "mine"


def test_what_would_not_load_is_not_written(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    with pytest.raises(ConfigInvalid):
        init(node=["Pi_1=10.0.0.11"], output=output)
    assert not output.exists()


def test_without_a_terminal_the_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        init(output=tmp_path / "cluster.yaml")
    assert "--node pi1=10.0.0.11" in caught.value.fix


def test_answers_make_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["", "", "10.0.0.11", "pi2=10.0.0.12", "pi3=10.0.0.13", "", "", "tak", "~/.ssh/x"]
    monkeypatch.setattr(context, "at_a_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(answers) + "\n"))
    output = tmp_path / "cluster.yaml"
    init(output=output)
    cluster = load(output).cluster
    assert cluster.name == "home"
    assert [node.address for node in cluster.nodes] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    assert cluster.is_ha
    assert cluster.ssh_for(cluster.nodes[0]).user == "tak"
