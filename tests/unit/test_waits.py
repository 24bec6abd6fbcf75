"""Every wait goes through `picluster.engine.waiting`: whatever else lets time pass is named here.

A loop of somebody's own tells nothing, ends late and cannot be stopped; so each one that is not a
wait for the cluster needs a reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/picluster"

ALLOWED = {
    "engine/apply.py StepProgressReport.sleep": "the one place where a wait rests",
    "engine/lock.py NodeLock._hold": "the lock is held for as long as this script sleeps",
    "engine/lock.py NodeLock.take": "a thread of our own says at once whether it got the lock",
    "ssh/connector.py SshConnector._connect_patiently": "a second or two between three logins",
    "ssh/proxy_command.py ProxyCommand.recv": "one read, no longer than the transport allows",
    "ssh/proxy_command.py ProxyCommand.close": "a second, while a program ends that was told to",
    "ssh/session.py _Conversation._read": "a pause of half a second while output is read",
    "ssh/session.py _Conversation._check_deadline": "the limit of one command, whose life is shown",
    "ssh/session.py _Conversation._refuse_if_late": "the limit of one command, whose life is shown",
    "ssh/forward.py _carry": "a tunnel carries what comes until it is closed",
    "ssh/remote_shell.py": "what runs out of time gets ten seconds between TERM and KILL",
    "kube/access.py KubeAccess.__init__": "a second between the three tries of one reading",
    "steps/k3s/api.py ClusterApi._fetched_admin": "how long the absence of an API is remembered",
    "steps/spread.py _Giving.port": "until the port is open: its script says so or ends",
    "steps/shell/give.sh": "20 s at most, for a file that is about to arrive",
    "steps/host/shell/apt_install.sh": "apt's lock, in the job that outlives us: it tells",
    "steps/registry/shell/collect_garbage.sh": "the registry comes back even if we are gone",
    "steps/k3s/shell/clear_leftovers.sh": "two seconds at most, while killed processes go",
    "ui/plain.py PlainProgress._keep_telling": "the clock of the signs of life",
    "cli/work.py watch_status": "the interval of --watch, which waits for nothing",
    "lab/waiting.py Aloud.sleep": "where a wait of the lab rests: it has no run that is stopped",
    "lab/supervise.py _boot": "a supervisor in the background lives as long as its machine",
    "lab/slow_disk.py _freeze_again_and_again": "a disk that is made slow, which is no wait",
    "apps/opentakserver/manifests.py _fit_server": "in a pod: its rollout sees why",
    "apps/opentakserver/pod.py wait_for": "in a pod: the rollout that waits for it sees why",
    "apps/opentakserver/pod.py keep_trying": "in a Job, whose end is waited for",
}  # fmt: skip

_SHELL = re.compile(r"\bsleep(\s|$)|\bflock -w|\bkubectl wait|\binotifywait|--wait\b")


def pauses(path: Path) -> Iterator[str]:
    """Name each place of a file where time is let pass: `file function`, or `file`."""
    name = path.relative_to(SOURCE).as_posix()
    if path.suffix != ".py":
        yield from ([name] if _SHELL.search(path.read_text()) else [])
        return
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    yield from _in(tree, name, "", documentation)


def _in(node: ast.AST, name: str, inside: str, documentation: set[int]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        deeper = inside
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            deeper = f"{inside}.{child.name}" if inside else child.name
        if id(child) not in documentation and _lets_time_pass(child):
            yield f"{name} {inside}".rstrip()
        yield from _in(child, name, deeper, documentation)


def _lets_time_pass(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("sleep", "select")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "wait"
    if isinstance(node, ast.Compare):
        return "monotonic()" in ast.unparse(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return bool(_SHELL.search(node.value))
    return False


def found_in(*roots: Path) -> set[str]:
    files = [path for root in roots for path in root.rglob("*") if path.suffix in (".py", ".sh")]
    return {place for path in files for place in pauses(path)}


def test_nobody_waits_but_through_the_one_way_of_waiting() -> None:
    found = found_in(SOURCE)
    ways = {"engine/waiting.py wait_until"}
    assert ways <= found, "the enumeration is blind"
    unknown = sorted(found - set(ALLOWED) - ways)
    assert unknown == [], "use picluster.engine.waiting, or say here why this is no wait"
    assert sorted(set(ALLOWED) - found) == [], "these reasons are for nothing any more"


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from threading import Event\nEvent().wait(1)",
        "def rest(pause=time.sleep): ...",
        "while time.monotonic() < deadline: ask()",
        "SCRIPT = f'until {ask}; do sleep {seconds}; done'",
        "SCRIPT = '''until ask; do\n  sleep 1\ndone'''",
        "SCRIPT = 'kubectl wait pod'",
    ],
)
def test_every_manner_of_waiting_is_seen(text: str) -> None:
    assert list(_in(ast.parse(text), "new.py", "", set())) != []
