"""Whatever a cluster file, a node, a server or a file's name says, no shell takes it for shell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scripts.built import Builder, furnish, noting_places, places_of_scripts
from tests.unit.scripts.recorder import CANARY, Recorded, record, runs_of
from tests.unit.scripts.values import HOSTILE, everything_on, tree_of, tried


def everything() -> Any:
    """Return the example with all that there is, but for a file that has to be a certificate."""
    tree = tree_of(everything_on())
    for access in tree["k3s"]["registry_access"]:
        access.pop("ca", None)
    return tree


def plain() -> Any:
    """Return it with what takes the place of something else switched off."""
    tree = everything()
    for section, field in (("k3s", "airgap_dir"), ("images", "archive"), ("k3s", "vip")):
        del tree[section][field]
    tree["bootstrap"]["disable_password_login"] = "true"
    return tree


EVERYTHING = everything()
TREES = {"everything": EVERYTHING, "plain": plain()}
MANY_WORLDS = 4
MOST_UNREACHED = 30
"""Some scripts take more luck than there is time for; each of them has a test of its own."""

_LIKE_AN_OPTION = re.compile(r"--?canary")
_TAKE_A_VALUE = {"ip": ("dev",), "iscsiadm": ("-r",), "docker": ("--build-arg",)}
_CHOSEN_BY_A_PATTERN = {"ipset", "nft"}
"""What has no `--`: the script takes only names of a certain form from what it is told."""


@pytest.fixture(autouse=True)
def nobody_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("tests call nobody")

    monkeypatch.setattr("socket.getaddrinfo", refused)
    monkeypatch.setattr("socket.create_connection", refused)
    monkeypatch.setattr("picluster.engine.lock._GRANT_SECONDS", 0.2)


def built(tree: Any, value: str, here: Path, worlds: int) -> Builder:
    made = tried(tree, value, here / "cluster.yaml")
    furnish(made)
    builder = Builder(made)
    builder.build(here, worlds)
    return builder


def unguarded(run: Recorded) -> list[str]:
    """Return the commands that may take a value for an option."""
    found = []
    for words in run.commands:
        if words[0] in _CHOSEN_BY_A_PATTERN:
            continue
        for number, word in enumerate(words):
            before = words[number - 1] if number else ""
            if not _LIKE_AN_OPTION.match(word) or "--" in words[:number]:
                continue
            if before not in _TAKE_A_VALUE.get(words[0], ()):
                found.append(" ".join(words))
    return found


def check(scripts: Iterable[str]) -> None:
    for script in sorted(scripts):
        for run in runs_of(script):
            assert run.canaries == 0, f"a value became shell in\n{script}"
            assert unguarded(run) == [], f"a value can be an option in\n{script}"


@pytest.mark.parametrize("name", ["dash", "glob", "option", "percent", "ssh-url", "url"])
def test_no_script_runs_a_value_or_takes_it_for_an_option(name: str, tmp_path: Path) -> None:
    builder = built(EVERYTHING, HOSTILE[name], tmp_path, 1)
    # What names no value is the same for all of them, and looked at below.
    scripts = {script for script in builder.scripts if CANARY in script.lower()}
    assert len(scripts) > 3, "hardly anything was built"
    check(scripts)
    assert builder.crashes == [], "nonsense from a node is no bug of picluster's"


@pytest.mark.parametrize("tree", sorted(TREES))
def test_nearly_every_place_that_makes_a_script_was_tried(
    tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with noting_places(monkeypatch) as seen:
        builder = built(TREES[tree], HOSTILE["quotes"], tmp_path, MANY_WORLDS)
    check(builder.scripts)
    assert builder.crashes == [], "nonsense from a node is no bug of picluster's"
    missed = sorted(places_of_scripts() - seen)
    assert len(missed) <= MOST_UNREACHED, missed


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_value_that_is_refused_is_refused_with_its_line_and_what_to_write(
    name: str, tmp_path: Path
) -> None:
    made = tried(EVERYTHING, HOSTILE[name], tmp_path / "cluster.yaml")
    assert made.refused, "most places take no such value"
    for place, problem in made.refused.items():
        assert problem.line > 0, f"{place}: where it is, is not said"
        assert problem.what, place
        assert problem.fix, f"{place}: {problem}"


@pytest.mark.parametrize("name", ["line", "carriage-return", "unicode", "line-separator"])
def test_no_place_takes_more_than_one_line_or_what_cannot_be_seen(
    name: str, tmp_path: Path
) -> None:
    assert tried(EVERYTHING, HOSTILE[name], tmp_path / "cluster.yaml").accepted == frozenset()


def test_the_recorder_sees_what_would_run() -> None:
    seen = record("echo hi >/dev/null; rm -- 'a b' || touch c\nif [ -e d ]; then exit 1; fi; e", 1)
    assert seen.commands == (
        ("rm", "--", "a b"),
        ("touch", "c"),
        ("[", "-e", "d", "]"),
        ("e",),
    )


@pytest.mark.parametrize(
    "script",
    [
        f"echo $({CANARY})",
        f"foo `{CANARY}`",
        f"x=$(foo); eval $x; {CANARY}",
        f"( set -e; eval 'foo x;{CANARY};' ) </dev/null",
        f"[ -e /x ] || {{ foo || {CANARY}; }}",
        f"foo | while read -r x; do {CANARY}; done",
        'x=$(foo); eval "$x"',
    ],
)
def test_the_recorder_sees_a_canary(script: str) -> None:
    assert any(run.canaries for run in runs_of(script)), script


def test_the_recorder_starts_nothing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    for script in (f"touch {there}", f"/usr/bin/touch {there}", f"echo x >{there}", f": >{there}"):
        list(runs_of(script))
    assert not there.exists()
