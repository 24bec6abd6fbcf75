"""A bad node is one bad node: every command, beside two good ones, in every way to be bad."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from tests.doubles.ssh_node import Behaviour, well
from tests.doubles.well_node import packed
from tests.unit.hostile import behaviours as bad
from tests.unit.hostile.bench import BAD, COMMANDS, GOOD, TOKEN, Home, HomeApi, carry_out

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

    `says` is what of it is quoted where a command fails.
    """

    play: Behaviour
    codes: str
    says: str = ""
    hangs: bool = False
    deaf: bool = False
    all_refused: tuple[str, ...] = ()
    """Commands that begin nothing while a node is not fit, and name it."""
    user: str = "root"
    password: str = ""


WAYS = {
    "well": Way(well, "0 0 0 0 0 0 0 0 0"),
    "endless output": Way(bad.endless, "4 4 4 4 4 4 4 4 4", "spam"),
    "an endless line": Way(bad.endless_line, "4 4 4 4 4 4 4 4 4", "spamspam"),
    "an endless greeting": Way(bad.endless_greeting, "4 4 4 4 4 4 4 4 4", "spam"),
    "silence": Way(bad.silent, "4 4 4 4 4 4 4 4 4", "nothing", hangs=True),
    "no answer to a request": Way(
        well, "4 4 4 4 4 4 4 4 4", "did not even begin", hangs=True, deaf=True
    ),
    "half a frame, then silence": Way(
        bad.half_then_silent, "4 4 4 4 4 4 4 4 4", "picluster-0123", hangs=True
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


@pytest.fixture(scope="module")
def home(key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"), key)
    yield home
    home.close()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setattr("picluster.engine.observe.compile_probes", home.notes.compile_probes)
    monkeypatch.setattr("picluster.engine.apply.compile_actions", home.notes.compile_actions)
    monkeypatch.setattr("picluster.site.ClusterApi", HomeApi)
    monkeypatch.setattr("picluster.ssh.session.MOST_OUTPUT", LIMIT)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("command", COMMANDS)
def test_one_bad_node_is_one_bad_node(command: str, way: str, home: Home) -> None:
    how = WAYS[way]
    home.bad.behaviour, home.bad.deaf, home.bad.calls = how.play, how.deaf, []
    home.user, home.password, home.patience = how.user, how.password, 0.4 if how.hangs else 10.0
    code = int(how.codes.split()[list(COMMANDS).index(command)])
    outcome = carry_out(home, command)
    said = outcome.told.get(BAD) or outcome.told.get("", "")
    assert outcome.code == code, outcome
    others = set() if command in how.all_refused else set(GOOD)
    assert outcome.done >= others, f"the others go on: {outcome}"
    assert home.bad.most < WINDOW
    assert max(outcome.kept, len(said)) < MOST_KEPT, "memory is flat"
    if code:
        assert how.says in said, said
    commands = [call.command for node in home.nodes.values() for call in node.calls]
    secrets = (TOKEN.reveal(), packed(TOKEN.reveal()), how.password or TOKEN.reveal())
    assert not [each for each in commands if any(secret in each for secret in secrets)], "in `ps`"
