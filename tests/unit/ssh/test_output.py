"""What a node prints: a script's own words and no greeting; bounded in time and in size."""

from __future__ import annotations

from itertools import count

import pytest
from tests.doubles.ssh_channel import FloodingChannel, ShellChannel, session_over

from picluster.engine.quote import quote
from picluster.engine.session import Completed
from picluster.errors import TooMuchOutput, Unreachable
from picluster.ssh import session as ssh_session

MIB = 1024 * 1024

GREETINGS = {
    "a .bashrc with echo": "echo 'Welcome to pi1'; echo held",
    "without a line end": "printf 'held'",
    "one that complains too": "echo hello; echo 'warning: setlocale' >&2",
    "binary, with NUL": r"printf '\000\377\r\nActiveState=failed\r\n'",
    "one that shows what it runs": "set -v; set -x",
    "longer than one read": "head -c 200000 /dev/zero | tr '\\0' x",
}


def run(script: str, greeting: str = "") -> tuple[Completed, dict[str, bytes]]:
    """Run a script under a login shell with a greeting; return it, and what was told meanwhile."""
    told = {"stdout": b"", "stderr": b""}

    def hear(stream: str, data: bytes) -> None:
        told[stream] += data

    done = session_over(ShellChannel(greeting)).run(script, timeout=20, on_output=hear)
    return done, told


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
def test_a_greeting_of_the_login_shell_is_no_part_of_an_answer(greeting: str) -> None:
    done, told = run("echo out; echo err >&2; exit 3", greeting)
    assert done == Completed(3, b"out\n", b"err\n")
    assert told == {"stdout": b"out\n", "stderr": b"err\n"}, "what is followed live has none either"


@pytest.mark.parametrize("printed", [b"", b"\n\n", b"\x00\xff\r", b"no end"])
def test_an_answer_comes_back_byte_for_byte(printed: bytes) -> None:
    done, told = run("printf '" + "".join(f"\\{byte:03o}" for byte in printed) + "'")
    assert done.out == told["stdout"] == printed


def test_a_word_that_is_no_utf8_reaches_the_node_byte_for_byte() -> None:
    word = b"caf\xe9".decode(errors="surrogateescape")
    done, _ = run(f"printf %s {quote(word)}")
    assert done.out == b"caf\xe9"


def test_a_login_shell_that_runs_nothing_is_no_success() -> None:
    with pytest.raises(Unreachable, match="something else than the script") as caught:
        run("echo out", "echo 'this login is for backups'; exit 0")
    assert "this login is for backups" in caught.value.why


def test_a_login_shell_that_lets_nobody_in_is_quoted() -> None:
    with pytest.raises(Unreachable, match="something else than the script") as caught:
        run("echo out", "echo 'This account is currently not available.'; exit 1")
    assert "This account is currently not available." in caught.value.why


def test_a_node_that_never_stops_printing_is_stopped_at_the_limit() -> None:
    most = ssh_session.MOST_OUTPUT // MIB
    channel = FloodingChannel(b"x" * (MIB - 6) + b"\nspam\n", most=most + 10)
    with pytest.raises(TooMuchOutput, match="more than 32 MiB") as caught:
        session_over(channel).run("true", timeout=1000)
    assert channel.reads == most + 1, "memory is flat"
    assert caught.value.why.endswith("spam"), "its last words are quoted"
    assert len(caught.value.why) < 400
    assert channel.sent.endswith(b"K"), "what prints is ended on the node"
    assert channel.closed


def test_a_command_s_deadline_holds_while_output_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr(ssh_session.time, "monotonic", lambda: float(next(seconds)))
    channel = FloodingChannel(b"still here\n", most=100)
    with pytest.raises(Unreachable, match="no end after 10 s") as caught:
        session_over(channel).run("true", timeout=10)
    assert "still here" in caught.value.why
    assert channel.sent.endswith(b"K")


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("said", ["", "\n", "a\nb", "\n\n@co\n@", "@cost@cos", "@@@"])
def test_the_figures_after_a_script_are_never_taken_for_its_words(said: str, size: int) -> None:
    heard = ssh_session._Heard(b">>", b"\n@cost")
    sent = f"motd>>{said}\n@cost 12".encode()
    told = b"".join(heard.hear(sent[at : at + size]) for at in range(0, len(sent), size))
    assert told == said.encode()
