"""A command takes groups of options, and its users give them one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from picluster.cli.options import Options, Plain, Range, Without, Yes, command


@pytest.fixture
def taken() -> list[object]:
    return []


@pytest.fixture
def app(taken: list[object]) -> typer.Typer:
    made = typer.Typer()

    @command(made)
    def one(name: str, *, yes: Yes = False, phases: Range, given: Options) -> None:
        taken.extend([name, yes, phases, given])

    @command(made, "bare")
    def another(*, given: Plain) -> None:
        taken.append(given)

    return made


def test_options_arrive_in_their_groups(app: typer.Typer, taken: list[object]) -> None:
    words = ["one", "pi1", "--until", "k3s", "--yes", "-f", "my.yaml", "--parallel", "3", "-vv"]
    assert CliRunner().invoke(app, words).exit_code == 0
    given = Options(file=Path("my.yaml"), parallel=3, verbose=2)
    assert taken == ["pi1", True, Range(last="k3s"), given]


def test_what_is_not_given_is_as_the_group_says(app: typer.Typer, taken: list[object]) -> None:
    assert CliRunner().invoke(app, ["one", "pi1"]).exit_code == 0
    assert taken == ["pi1", False, Range(), Options()]


@pytest.mark.parametrize("option", Without(("json", "verbose")).names)
def test_an_option_that_is_left_out_of_a_group_is_none(
    app: typer.Typer, taken: list[object], option: str
) -> None:
    assert CliRunner().invoke(app, ["bare", f"--{option}"]).exit_code == 2
    assert CliRunner().invoke(app, ["bare", "--parallel", "2"]).exit_code == 0
    assert taken == [Options(parallel=2)]
