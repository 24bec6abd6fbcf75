"""The one command line that every script travels under, and what its failures mean. Pure.

The script itself goes over stdin, so nothing of it shows in `ps`. A watcher in the background reads
the rest of stdin: when the connection goes away, it ends the whole process group of the script.
"""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass

from picluster.engine.session import Cost

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

KILL = b"K"
"""Sent before the connection is closed, it has the script killed if it outlives its TERM."""

# sudo asks three times. Without these it would take the marker and the script for passwords, and
# wait for the rest of a line; a sudo that does not ask leaves them before the marker.
_NO_SECOND_TRY = b"\n\n"

# What sudo says is quoted, and translated where it is known: in its user's language it is not.
_IN_ENGLISH = "env LC_ALL=C"

GRACE_SECONDS = 10
"""How long a script that ran out of time may take to end by itself after TERM."""

# Runs as root. Lines up to the marker are skipped: a sudo that did not ask for its password leaves
# it on stdin, and it must be neither run nor shown. `read` takes a byte at a time from a pipe, so
# nothing after the marker is lost. The script is then exactly N bytes.
_OPENING = """
while IFS= read -r line; do [ "$line" != {marker} ] || break; done
script=$(head -c {size})
export LC_ALL=C PATH={path} HOME=/root
umask 022
cd /
printf '\\n%s%s\\n' {begins} {marker}
printf '\\n%s%s\\n' {begins} {marker} >&2
"""

# The login's own shell may print before all this: a greeting in .bashrc, a complaint of its locale.
# In two words, so that a shell that shows what it runs does not show the whole line.
_BEGINS = "picluster-begins-"

# What the script cost, told by builtins: no process is made for it. /proc/loadavg ends with the
# number of the process or thread that began last on the node (proc_loadavg(5)); `times` tells the
# CPU time of this shell and of all that it waited for (POSIX, XCU 2.14). Two words, as above.
_BEFORE = """
{{ read -r _ _ _ _ before </proc/loadavg; }} 2>/dev/null
"""
_AFTER = """
status=$?
{{ read -r _ _ _ _ after </proc/loadavg; }} 2>/dev/null
printf '%s%s %s %s\\n' {cost} {marker} "$before" "$after"
times
"""
_COST = "picluster-cost-"
_TOLD = re.compile(rb"(\d{0,7}) (\d{0,7})\n((?:\d{1,7}m\d{1,2}(?:\.\d{1,9})?s[ \n]){4})")
_TIME = re.compile(rb"(\d+)m([\d.]+)s")

# The script goes to its shell through a pipe, written by a builtin: it is nobody's argument. It
# gets a process group of its own, which a watcher ends when the connection does. A script that
# must not be torn (dpkg) ignores TERM.
_WATCHED = """
exec 3<&0 </dev/null
printf %s "$script" | setsid sh -c '
  exec 3<&-
  script=$(cat)
  exec </dev/null
  eval "$script"
' &
job=$!
(
  order=$(head -c 1 <&3)
  kill -s TERM -- -$job
  [ "$order" != {kill} ] || {{ sleep {grace}; kill -s KILL -- -$job; }}
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $job
"""
_END_OF_WATCHED = """
kill $watcher 2>/dev/null
exit $status
"""

# What follows on stdin is the script's to read, as fd 4; if it ends early, so does the script.
_FED = """
exec 4<&0 </dev/null
printf %s "$script" | sh -c '
  script=$(cat)
  exec </dev/null
  eval "$script"
'
"""
_END_OF_FED = """
exit $status
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What to execute on the node, and what to send to its stdin before anything else."""

    command: str
    opening: bytes
    begins: bytes
    """The line, with both its ends, after which each stream is the script's."""
    cost: bytes
    """The words after which stdout tells what the script cost."""


def invocation(script: str, *, user: str, password: str | None) -> Invocation:
    """Return how to run `script` as root for a login as `user`, whose sudo may want a password.

    The script is ended when its stdin ends, so stdin has to stay open until it is done.
    """
    return _invocation(_WATCHED, _END_OF_WATCHED, script, user, password)


def fed_invocation(script: str, *, user: str, password: str | None) -> Invocation:
    """Return the same for a script that reads what follows on stdin, as fd 4."""
    return _invocation(_FED, _END_OF_FED, script, user, password)


def read_cost(out: bytes, words: bytes) -> tuple[bytes, Cost]:
    """Return what a script printed without what was added about its cost, and that. Pure.

    A script that was killed tells nothing, and one during which the numbers of processes began
    anew (`pid_max`) none of those: what is not known counts as nothing.
    """
    printed, found, rest = out.rpartition(words)
    told = _TOLD.match(rest) if found else None
    if told is None:
        return out, Cost()
    before, after = (int(number or 0) for number in told.groups()[:2])
    times = [int(minutes) * 60 + float(seconds) for minutes, seconds in _TIME.findall(told[3])]
    made = max(0, after - before) if before else 0
    return printed + rest[told.end() :], Cost(made, round(sum(times), 3))


def _invocation(rest: str, end: str, script: str, user: str, password: str | None) -> Invocation:
    marker = secrets.token_hex(8)
    # A word of `exec` may be any bytes; Python keeps those that are no UTF-8 this way.
    body = script.encode(errors="surrogateescape")
    wrapper = (_OPENING + _BEFORE + rest + _AFTER + end).format(
        marker=marker,
        begins=_BEGINS,
        cost=_COST,
        size=len(body),
        path=PATH,
        kill=KILL.decode(),
        grace=GRACE_SECONDS,
    )
    begins = f"\n{_BEGINS}{marker}\n".encode()
    opening = f"{marker}\n".encode() + body
    cost = f"{_COST}{marker} ".encode()
    command = f"sh -c {shlex.quote(wrapper)}"
    if user == "root":
        return Invocation(command, opening, begins, cost)
    if password is None:
        return Invocation(f"{_IN_ENGLISH} sudo -n -- {command}", opening, begins, cost)
    sudo = f"{_IN_ENGLISH} sudo -S -p '' -- {command}"
    fed = password.encode() + b"\n" + _NO_SECOND_TRY + opening
    return Invocation(sudo, fed, begins, cost)
