"""The login's own shell reads one command line, and that reads the same in bash, dash and fish."""

from __future__ import annotations

import re
import subprocess

import pytest

from picluster.ssh.remote_shell import fed_invocation, invocation

SCRIPT = "echo 'it works' \\\n  \"$HOME\""


def as_fish_reads(command: str) -> list[str]:
    r"""Split into words as fish does: in single quotes, \\ and \' alone are not what they are.

    https://fishshell.com/docs/current/language.html#quotes
    """
    words = re.findall(r"(?:'(?:\\.|[^'\\])*'|\"[^\"]*\"|[^\s'\"]+)+", command)
    pieces = r"'(?:\\.|[^'\\])*'|\"[^\"]*\"|[^'\"]+"
    return ["".join(map(_unquoted, re.findall(pieces, word))) for word in words]


def _unquoted(part: str) -> str:
    if part.startswith("'"):
        return re.sub(r"\\([\\'])", r"\1", part[1:-1])
    return part[1:-1] if part.startswith('"') else part


@pytest.mark.parametrize("make", [invocation, fed_invocation])
@pytest.mark.parametrize(("user", "password"), [("root", None), ("pi", None), ("pi", "sesame")])
def test_a_fish_as_login_shell_reads_what_any_other_does(make, user, password) -> None:  # type: ignore[no-untyped-def]
    command = make(SCRIPT, user=user, password=password).command
    said = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    )
    assert as_fish_reads(command) == said.stdout.split("\0")[:-1]


def test_the_reader_here_knows_how_fish_differs() -> None:
    assert as_fish_reads("""x 'a\\\\b' 'c d'"e"f""") == ["x", "a\\b", "c def"]
