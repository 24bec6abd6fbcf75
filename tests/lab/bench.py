"""What lab tests work with: nodes, a cluster file, and picluster as its users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import StepFailed
from picluster.lab import faults, identity, rehearsal
from picluster.lab.inside import run_inside
from picluster.lab.layout import LabLayout, LabNode
from picluster.lab.supervise import power_off, power_on
from picluster.paths import cluster_state
from tests.lab.warm import warm

PATIENCE = 300.0
ANSWER_SECONDS = 30
_PICLUSTER = [sys.executable, "-m", "picluster"]
# sudo notes in the user's home that its lecture on responsibility is not needed again.
_SUDOS_OWN_NOTE = "/.sudo_as_admin_successful"


@dataclass(frozen=True, slots=True)
class Result:
    """How a run of picluster ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def document(self) -> dict[str, object]:
        return dict(json.loads(self.out))

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


def run(command: list[str], expect: int | None, seconds: int = 300) -> Result:
    """Run a command of picluster to its end, with that status unless that is None."""
    done = warm().run(command[len(_PICLUSTER) :], seconds)
    result = Result(done.returncode, done.stdout, done.stderr)
    if expect is not None and result.status != expect:
        raise AssertionError(
            f"`{' '.join(command[2:])}` ended with {result.status}, not {expect}:\n{result.said}"
        )
    return result


def kill(process: subprocess.Popen[str]) -> None:
    """End a command and all that it started, as a power cut of this computer would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True, slots=True)
class Bench:
    """A lab of running nodes with the cluster file that names them."""

    lab: LabLayout
    file: Path

    def node(self, number: int) -> Pi:
        return Pi(self.lab, self.lab.nodes[number - 1])

    @property
    def nodes(self) -> list[Pi]:
        return [Pi(self.lab, node) for node in self.lab.nodes]

    def picluster(
        self, *arguments: str, expect: int | None = 0, file: Path | None = None, seconds: int = 300
    ) -> Result:
        """Run a command on the cluster; by default it has to end well."""
        return run(self.command(*arguments, file=file), expect, seconds)

    def lab_command(self, *arguments: str, expect: int | None = 0) -> Result:
        """Run `picluster lab`; by default it has to end well."""
        return run([*_PICLUSTER, "lab", *arguments, "--name", self.lab.name], expect)

    def command(self, *arguments: str, file: Path | None = None) -> list[str]:
        return [*_PICLUSTER, *arguments, "--file", str(file or self.file)]

    @contextmanager
    def begin(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command that the test is going to disturb; it does not outlive the block."""
        process = subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)

    @contextmanager
    def edited(self, before: str, after: str) -> Iterator[Path]:
        """Lend the cluster file with one change; it is as it was afterwards."""
        original = self.file.read_text()
        assert before in original, f"{self.file} has no {before!r}"
        self.file.write_text(original.replace(before, after))
        try:
            yield self.file
        finally:
            self.file.write_text(original)

    @property
    def known_hosts(self) -> Path:
        return cluster_state(self.lab.name) / "known_hosts"

    def reflash(self, *nodes: Pi) -> None:
        """Give nodes fresh cards, and trust the machines that they are now."""
        for node in nodes:
            faults.reflash(self.lab, node.node)
        for node in nodes:
            node.wait()
        rehearsal.trust(self.lab, [node.node for node in nodes])


@dataclass(frozen=True, slots=True)
class Pi:
    """One node, with somebody standing beside it."""

    lab: LabLayout
    node: LabNode

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def address(self) -> str:
        return self.node.address

    def sh(self, script: str) -> str:
        """Run a script as root without the network; it has to succeed."""
        done = run_inside(self.node, script)
        assert done.returncode == 0, f"{self.name}: `{script}` failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    def status(self, script: str) -> int:
        return run_inside(self.node, script).returncode

    def holds(self, script: str) -> bool:
        """Whether a condition holds; on a node that is off, as while it reboots, none does.

        One that went down just as it was asked never answers.
        """
        try:
            return run_inside(self.node, script, seconds=ANSWER_SECONDS).returncode == 0
        except StepFailed:
            return False

    def read(self, path: str) -> str:
        return self.sh(f"cat {path}")

    def break_(self, fault: str) -> None:
        faults.break_node(self.lab, self.node, fault)

    def mend(self) -> None:
        faults.mend(self.lab, self.node)
        self.wait()

    def restart(self) -> None:
        power_off(self.node)
        power_on(self.lab, self.node)
        self.wait()

    def wait(self) -> None:
        rehearsal.wait_until_booted(self.node, lambda line: None)

    def tree(self) -> dict[str, str]:
        """Describe every file on the card that differs from the base tree: digest, mode, owner."""
        listing = self._listing(self.node.disk / "system")
        listing.update(self._listing(self.node.disk / "storage"))
        return listing

    @staticmethod
    def _listing(root: Path) -> dict[str, str]:
        find = (
            "find . \\( -path ./var/log -o -path ./run -o -path ./tmp \\) -prune "
            "-o -printf 'x %p %y %m %U:%G %l\\n' -type f -exec sha256sum {} +"
        )
        done = subprocess.run(
            ["/bin/sh", "-c", find], cwd=root, capture_output=True, text=True, check=True
        )
        lines = (line.split(maxsplit=1) for line in done.stdout.splitlines())
        return {f"{root.name}/{rest}": digest for digest, rest in lines}

    def fleeting(self) -> set[str]:
        """Name every file outside the card where a program might leave one for a while."""
        theirs = "systemd user sudo log udev dbus sshd utmp"
        pruned = " -o ".join(f"-path /run/{name}" for name in theirs.split())
        find = f"find /tmp /dev/shm /run \\( {pruned} \\) -prune -o ! -type d -print"
        return set(self.sh(find).splitlines())

    def starts_of_k3s(self) -> str:
        """Tell one start of K3s from another."""
        return self.sh("systemctl show -p InvocationID --value k3s k3s-agent")


def until(happened: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a moment; the run, if there is one, must not be over before."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended before that: {process.communicate()}")
        assert time.monotonic() < deadline, "that moment never came"
        time.sleep(0.1)


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Name what is not the same in two listings of `Pi.tree`, but for what sudo itself notes."""
    return {
        path
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path) and _SUDOS_OWN_NOTE not in path
    }


def forget_environment(home: Path) -> dict[str, str]:
    """Return an environment in which picluster sees nothing of the person who runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PICLUSTER_")}
    kept.pop("SSH_AUTH_SOCK", None)
    kept.pop("KUBECONFIG", None)
    return kept | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "NO_COLOR": "1"}


__all__ = ["Bench", "Pi", "Result", "differing", "forget_environment", "identity"]
