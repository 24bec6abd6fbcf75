"""A shell that runs nothing: it expands a script, and records what any shell would start.

It is a restricted bash without a single program on its PATH. Every command is recorded with its
arguments; all of them succeed in one run, and all of them fail in another, so that both sides of a
condition are seen. `exit`, `cd`, `kill` and `[` are recorded like programs and go on. What would
wait, or go round for ever, is ended.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass

CANARY = "canary"
"""The command that only a value can name: one that is run has become shell."""

TOLD = "x$(canary);canary\ncanary"
"""What every command prints: a script must not take another's words for shell either."""

_PRELUDE = r"""
_record() {
  # A line end would make two writes of it, and programs of a pipe record at the same time.
  local IFS=$'\x1f'; local words="$*"; printf '%s\0' "${words//$'\n'/$'\x1e'}" >&9
  (( ++_seen < 400 )) || builtin kill -KILL 0
}
_stub() {
  _record "$@"
  case $1 in sleep) builtin kill -KILL 0 ;; esac
  printf '%s\n' "$TOLD"
  return $STATUS
}
command_not_found_handle() { _stub "$@"; }
cd() { _record cd "$@"; }
exit() { :; }
kill() { _record kill "$@"; return $STATUS; }
[() { _record [ "$@"; return $STATUS; }
test() { _record test "$@"; return $STATUS; }
exec() { _record exec "$@"; }
set -r
"""
_QUIET = re.compile(r"(?:[12]?>\s*/dev/null|2>&1|[12]?>&2)(?=\s|;|\)|$)")
_STRICT = re.compile(r"^set -e[ux]*$", re.MULTILINE)
_SECONDS = 3.0
_BASH = shutil.which("bash") or "bash"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a script would have started, in order, each with its arguments."""

    commands: tuple[tuple[str, ...], ...]

    @property
    def canaries(self) -> int:
        return sum(words[0] == CANARY for words in self.commands)


def record(script: str, status: int) -> Recorded:
    """Run a script in which every command ends with this status."""
    # What a restricted shell refuses would not be looked at: a redirection, and what follows it.
    text = _STRICT.sub(":", _QUIET.sub("", script))
    read, write = os.pipe()
    with subprocess.Popen(
        [_BASH, "--norc", "--noprofile", "-c", f"exec 9>&{write}\n{_PRELUDE}{text}"],
        env={"PATH": "/nowhere", "LC_ALL": "C", "TOLD": TOLD, "STATUS": str(status)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(write,),
        cwd="/",
        start_new_session=True,
    ) as shell:
        os.close(write)
        timer = threading.Timer(_SECONDS, os.killpg, (shell.pid, signal.SIGKILL))
        timer.start()
        with os.fdopen(read, "rb") as file:
            said = file.read()
        timer.cancel()
    lines = said.decode("utf-8", "replace").replace("\x1e", "\n").split("\0")[:-1]
    return Recorded(tuple(tuple(line.split("\x1f")) for line in lines))


def runs_of(script: str) -> Iterator[Recorded]:
    """Run a script twice: everything succeeds, everything fails."""
    yield record(script, 0)
    yield record(script, 1)
