"""The meter: how many processes a script makes on a node, and what it prints there.

It runs as picluster has it run (`ssh/remote_shell.py`), in namespaces of its own. Processes of a
fresh PID namespace are numbered in order, so the number of the last one tells how many there were:
every fork counts, and every thread, whoever made them. What `true` costs is subtracted.

A node is a `tree` of files, laid over this machine's own: programs in `usr/local/sbin` stand in
front of the real ones. All of it is read-only, so a probe that writes fails here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from picluster.engine.pool import Sessions
from picluster.engine.probe import ShellProbe
from picluster.engine.script import compile_probes, new_marker
from picluster.engine.session import Completed
from picluster.engine.step import Step
from picluster.ssh.remote_shell import invocation, read_cost
from tests.doubles.node_answers import NodeAnswers

_OWN_PROCESSES = ("--pid", "--fork", "--mount-proc", "--mount")
_AS_USER = ("unshare", "--user", "--map-root-user", *_OWN_PROCESSES)
_AS_ROOT = ("unshare", *_OWN_PROCESSES)

# The first process of the namespace. Overlayfs does not take the kernel's file systems for a layer:
# /sys, /proc/sys and /run are all the tree's, if that has them; of /proc, single files are.
_ROOM = """
for layer in "$TREE"/*; do
  at=/${layer##*/}
  case $at in
    /sys | /run) mount --bind "$layer" "$at" ;;
    /proc) for each in "$layer"/* "$layer"/1/*; do
      [ "$each" = "$layer/1" ] || mount --bind "$each" "/proc${each#"$layer"}" || exit 125
    done ;;
    "/*") ;;
    *) mount -t overlay -o ro,lowerdir="$layer:$at" overlay "$at" ;;
  esac || exit 125
done
sh -c "$COMMAND"
status=$?
sh -c 'echo $$ >"$LAST"'
exit $status
"""

# The watcher of the script is a process of two, and is ended with the script: a short one may be
# over before the second is there. Builtins wait for it, by its name.
_ALL_THERE = """
until [ "$name" = head ]; do
  for each in /proc/[0-9]*; do
    { read -r name <"$each/comm"; } 2>/dev/null
    [ "$name" != head ] || break
  done
done
"""


@dataclass(frozen=True)
class Spent:
    """What a script cost on a node above a `true`, and how it ended."""

    forks: int
    done: Completed


def spend(script: str, tree: Path | None = None) -> Spent:
    """Run a script on the node that a tree makes of this machine."""
    done, last = _run(script, tree)
    return Spent(last - idle(tree), done)


def forks_of(script: str, tree: Path | None = None) -> int:
    """Return what a script costs; it has to succeed."""
    spent = spend(script, tree)
    assert spent.done.status == 0, spent.done.err.decode()
    return spent.forks


def forks_of_probes(steps: Sequence[Step], tree: Path | None = None) -> int:
    """Return what one look costs: all shell probes of these steps, asked as the engine asks."""
    asked = (step.probe() for step in steps)
    texts = {probe.name: probe.text for probe in asked if isinstance(probe, ShellProbe)}
    return forks_of(compile_probes(list(texts.values()), new_marker()), tree)


@cache
def idle(tree: Path | None = None) -> int:
    """Return the number of the last process of a script that makes none."""
    return _run("true", tree)[1]


def _run(script: str, tree: Path | None) -> tuple[Completed, int]:
    told = invocation(f"{_ALL_THERE}{script}", user="root", password=None)
    with TemporaryDirectory() as room:
        last, errors = Path(room, "last"), Path(room, "errors")
        given = {"COMMAND": told.command, "TREE": str(tree or room + "/none"), "LAST": str(last)}
        with (
            errors.open("wb") as stderr,
            subprocess.Popen(
                [*_namespaces(), "sh", "-c", _ROOM],
                env={"PATH": os.environ["PATH"], **given},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            ) as process,
        ):
            assert process.stdin
            assert process.stdout
            process.stdin.write(told.opening)
            process.stdin.flush()
            # It stays open until the script is over: its end would end the script.
            out = process.stdout.read()
        err = errors.read_bytes()
        begun, told_out = read_cost(out, told.cost)[0].partition(told.begins)[1:]
        assert begun, f"no namespace of its own: {err.decode()}"
        return (
            Completed(process.returncode, told_out, err.partition(told.begins)[2]),
            int(last.read_text()),
        )


@cache
def _namespaces() -> tuple[str, ...]:
    """Return how to get the namespaces here: unprivileged, or else root's."""
    tried = []
    for way in (_AS_USER, *((_AS_ROOT,) if os.geteuid() == 0 else ())):
        if shutil.which(way[0]) is None:
            tried.append("there is no `unshare`")
            continue
        done = subprocess.run([*way, "true"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return way
        tried.append(done.stderr.strip())
    pytest.skip(f"forks cannot be counted here: {'; '.join(dict.fromkeys(tried))}")


class MeteredNode:
    """A node of that tree behind a connector: what each script cost, and how long it was."""

    def __init__(self, tree: Path) -> None:
        self.forks: list[int] = []
        self.bytes_sent: list[int] = []
        self._tree = tree
        self.sessions: Sessions = NodeAnswers(self._answer).sessions

    def _answer(self, script: str) -> str:
        spent = spend(script, self._tree)
        self.forks.append(spent.forks)
        self.bytes_sent.append(len(script.encode()))
        return spent.done.out.decode()
