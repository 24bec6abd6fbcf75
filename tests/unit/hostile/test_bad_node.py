"""A bad node is one bad node: every command, beside two good ones, in every way to be bad.

An agent is bad in every way; one of three servers, the first or another, in those ways that differ
by what is left of it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import paramiko
import pytest
from tests.doubles.ssh_node import Behaviour, well
from tests.doubles.well_node import packed
from tests.unit.hostile import behaviours as bad
from tests.unit.hostile.bench import (
    COMMANDS,
    FORMER,
    ONE_SERVER,
    RELEASE,
    THREE_SERVERS,
    TOKEN,
    Home,
    Outcome,
    api_of,
    carry_out,
)

LIMIT = 256 * 1024
"""What a script may print here, in bytes; the window that is sent ahead comes on top."""
WINDOW = 3 * 1024 * 1024 + LIMIT
"""Paramiko's window, and what was on its way when the channel was closed."""
MOST_KEPT = 100_000
ANSI = "\x1b[31m\x1b]0;title\x07"
NOISE = random.Random(18).randbytes(300).replace(b"\n", b"")


@dataclass(frozen=True)
class Way:
    """A way to be bad. `codes` are what the commands end with, in their order.

    `says` is what of it is quoted where a command fails. `patience` is how long it may take, in
    seconds: what never answers is not waited for, and what does has all the time that it needs.
    """

    play: Behaviour
    codes: str
    says: str = ""
    patience: float = 10.0
    deaf: bool = False
    user: str = "root"
    password: str = ""


WAYS = {
    "well": Way(well, "0 0 0 0 0 0 0 0 0"),
    "endless output": Way(bad.endless, "4 4 4 4 4 4 4 4 4", "spam"),
    "an endless line": Way(bad.endless_line, "4 4 4 4 4 4 4 4 4", "spamspam"),
    "an endless greeting": Way(bad.endless_greeting, "4 4 4 4 4 4 4 4 4", "spam"),
    "silence": Way(bad.silent, "4 4 4 4 4 4 4 4 4", "nothing", patience=0.1),
    "no answer to a request": Way(
        well, "4 4 4 4 4 4 4 4 4", "did not even begin", patience=0.1, deaf=True
    ),
    "half a frame, then silence": Way(
        bad.half_then_silent, "4 4 4 4 4 4 4 4 4", "picluster-0123", patience=0.3
    ),
    "half an answer": Way(bad.half, "4 4 4 4 4 0 4 4 4"),
    "a connection dropped": Way(bad.dropped, "4 4 4 4 4 4 4 4 4"),
    "frames of other parts": Way(
        bad.other_frames(lambda m, n, s: f"{m} {int(n) + 7} {s}"), "4 4 4 4 4 0 4 4 4"
    ),
    "frames of no status": Way(
        bad.other_frames(lambda m, n, s: f"{m} {n} -1"), "4 4 4 4 4 0 4 4 4"
    ),
    "no frames": Way(bad.other_frames(lambda m, n, s: "done"), "4 4 4 4 4 0 4 4 4"),
    "every frame twice": Way(
        bad.other_frames(lambda m, n, s: f"{m} {n} {s}\n{m} {n} {s}"), "4 4 4 4 4 0 4 4 4"
    ),
    "binary": Way(bad.other_words(lambda _: NOISE), "4 4 4 4 4 0 4 4 4"),
    "ANSI": Way(bad.other_words(lambda text: f"{ANSI}{text}\x1b[0m"), "4 4 4 4 4 0 4 4 4"),
    "squares": Way(
        bad.other_words(lambda text: re.sub("[0-9]", "²", text)), "4 4 4 1 4 0 4 4 4", "²"
    ),
    "no base64": Way(
        bad.other_words(lambda text: re.sub("(text|content)=.*", r"\1=%%%", text)),
        "4 4 0 1 4 0 0 4 0",
        "makes no sense",
    ),
    "a greeting": Way(bad.greeting, "0 0 0 0 0 0 0 0 0"),
    "a full disk": Way(bad.full_disk, "1 0 0 0 0 0 1 1 1", "No space left"),
    "1970": Way(
        bad.other_words(lambda text: re.sub("now=[0-9.]+", "now=12.5", text)),
        "4 4 0 1 4 0 0 4 0",
        "its clock says 1970-01-01",
    ),
    "sudo asks": Way(
        bad.sudo_says("sudo: a password is required\n"), "4 4 4 4 4 4 4 4 4", "password", user="pi"
    ),
    "sudo refuses": Way(
        bad.sudo_says("pi is not in the sudoers file.\n"),
        "4 4 4 4 4 4 4 4 4",
        "may not use sudo",
        user="pi",
    ),
    "sudo in German": Way(
        bad.sudo_says("Die Anwendung ist pi nicht gestattet.\n"),
        "4 4 4 4 4 4 4 4 4",
        "nicht gestattet",
        user="pi",
    ),
    "sudo says nothing": Way(bad.sudo_says(""), "4 4 4 4 4 4 4 4 4", "", user="pi"),
    "sudo lectures": Way(
        bad.sudo_that_asks("Respect the privacy of others.\nsudo: se requiere una contraseña\n"),
        "0 0 0 0 0 0 0 0 0",
        user="pi",
        password="raspberry",
    ),
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return path


AGENT, SERVER, FIRST = "an agent", "a server", "the first server"
PLACES = {AGENT: (ONE_SERVER, "pi3"), SERVER: (THREE_SERVERS, "pi3"), FIRST: (THREE_SERVERS, "pi1")}
"""Where the bad node stands: in which cluster, and which of it that is."""
SERVER_WAYS = (
    "silence",
    "a connection dropped",
    "endless output",
    "squares",
    "a full disk",
    "1970",
    "sudo refuses",
)
NO_API = ("silence", "a connection dropped")
"""Ways in which the API of a server is not reached either, as it is reached over SSH."""
DISRUPTIVE = ("restart", "upgrade")


@pytest.fixture(scope="module")
def homes(key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Home]]:
    """Return what gives the machines of a place, which are made when they are asked for first."""
    made: dict[str, Home] = {}

    def at(place: str) -> Home:
        if place not in made:
            made[place] = Home(tmp_path_factory.mktemp("home"), key, *PLACES[place])
        return made[place]

    yield at
    for home in made.values():
        home.close()


Try: TypeAlias = Callable[[str, str, str], tuple[Outcome, Home]]


@pytest.fixture
def attempt(homes: Callable[[str], Home], monkeypatch: pytest.MonkeyPatch) -> Try:
    """Return what runs a command with a node bad at a place, and checks what holds for any."""
    monkeypatch.setattr("picluster.ssh.session.MOST_OUTPUT", LIMIT)

    def run(command: str, way: str, place: str) -> tuple[Outcome, Home]:
        how, home = WAYS[way], homes(place)
        notes = home.notes
        monkeypatch.setattr("picluster.engine.observe.compile_probes", notes.compile_probes)
        monkeypatch.setattr("picluster.engine.apply.compile_actions", notes.compile_actions)
        monkeypatch.setattr("picluster.site.ClusterApi", api_of(home))
        home.bad.behaviour, home.bad.deaf, home.bad.calls = how.play, how.deaf, []
        home.user, home.password, home.patience = how.user, how.password, how.patience
        home.objects.silent = frozenset({home.bad_one} if way in NO_API else ())
        outcome = carry_out(home, command)
        said = _said(outcome, home)
        assert home.bad.most < WINDOW
        assert max(outcome.kept, len(said)) < MOST_KEPT, "memory is flat"
        if outcome.code:
            assert how.says in said, said
        commands = [call.command for node in home.nodes.values() for call in node.calls]
        secrets = (TOKEN.reveal(), packed(TOKEN.reveal()), how.password or TOKEN.reveal())
        assert not [each for each in commands if any(secret in each for secret in secrets)], "`ps`"
        return outcome, home

    return run


def _said(outcome: Outcome, home: Home) -> str:
    return outcome.told.get(home.bad_one) or outcome.told.get("", "")


def _code(command: str, way: str) -> int:
    return int(WAYS[way].codes.split()[list(COMMANDS).index(command)])


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("command", COMMANDS)
def test_one_bad_node_is_one_bad_node(command: str, way: str, attempt: Try) -> None:
    outcome, home = attempt(command, way, AGENT)
    assert outcome.code == _code(command, way), outcome
    assert outcome.done >= home.good, f"the others go on: {outcome}"


@pytest.mark.parametrize("way", ["well", *SERVER_WAYS])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", [SERVER, FIRST])
def test_one_bad_server_of_three_costs_no_majority(
    command: str, way: str, place: str, attempt: Try
) -> None:
    """Those that restart servers spare the good ones while the cluster may need every one."""
    outcome, home = attempt(command, way, place)
    assert outcome.code == _code(command, way), outcome
    if command in DISRUPTIVE and way in NO_API:
        assert not outcome.done, outcome
        refusal = "1 of 3 servers would work, and 2 are needed"
        assert [node for node in home.good if refusal in outcome.told.get(node, "")], outcome
    elif command in DISRUPTIVE and way == "a full disk" and place == FIRST:
        assert outcome.done == {home.bad_one}, "what fails on one server is not tried on the next"
    else:
        assert outcome.done >= home.good, f"the others go on: {outcome}"


@pytest.mark.parametrize("way", ["silence", "squares", "sudo refuses"])
@pytest.mark.parametrize("place", [SERVER, FIRST])
def test_servers_keep_their_release_while_one_of_them_is_bad(
    way: str, place: str, attempt: Try
) -> None:
    """A server that was not seen keeps its own, and it may vote: no other one moves on."""
    outcome, _ = attempt("upgrade to another release", way, place)
    assert (outcome.code, outcome.done) == (4, set()), outcome
    said = "servers change their version only while all of them are there"
    assert said in outcome.told["cluster"], outcome
    assert FORMER in outcome.file, "the cluster file is the user's"


def test_the_cluster_file_names_the_release_once_an_upgrade_begins(attempt: Try) -> None:
    """A dead agent keeps nobody from it."""
    outcome, _ = attempt("upgrade", "silence", AGENT)
    assert outcome.file == f"k3s: {{version: {RELEASE}}}  # as it was\n"
