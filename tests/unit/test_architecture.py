"""The page of the architecture has every room of the tree, and none that is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.documented import ROOT

SOURCE = ROOT / "src/picluster"
PAGE = (ROOT / "docs/architecture.md").read_text()
PICTURE = PAGE.split("```")[1]


def rooms() -> set[str]:
    packages = {each.parent.name for each in SOURCE.glob("*/__init__.py")}
    modules = {each.stem for each in SOURCE.glob("*.py") if not each.stem.startswith("__")}
    return packages | modules


def layers() -> list[set[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    listed = contracts["contracts"][0]["layers"]
    return [set(re.findall(r"picluster\.(\w+)", layer)) for layer in listed]


def test_the_picture_has_every_room() -> None:
    missing = {room for room in rooms() if not re.search(rf"\b{room}\b", PICTURE)}
    assert not missing, f"docs/architecture.md does not say where {missing} belong"


def test_every_room_has_its_layer() -> None:
    bound = set().union(*layers())
    assert rooms() - bound == set(), "no contract of pyproject.toml says what they may import"
    assert bound - rooms() == set(), "a layer of pyproject.toml is not there"


def test_the_page_names_no_directory_that_is_not_there() -> None:
    named = set(re.findall(r"`([a-z_]+)/(?:<\w+>/)?`", PAGE)) - {"shell"}
    absent = {each for each in named if not (SOURCE / each).is_dir()}
    assert not absent, f"docs/architecture.md names {absent}"


def test_what_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_]+\.py)`", PAGE))
    absent = {each for each in named if not Path(SOURCE / each).exists()}
    assert named
    assert not absent, f"docs/architecture.md names {absent}"
