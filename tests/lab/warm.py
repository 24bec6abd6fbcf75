"""picluster with its imports done: every command is a process of its own, forked from here.

The lab tests start picluster some thousand times, and what a start of Python and its imports takes
(most of a second of a core) is most of what they would use of this computer. The commands are the
same as `python -m picluster` would be: arguments, environment, directory, streams and exit status
are the caller's, and nothing of one command is left for the next. What a start itself does is for
the tests that start it (unit/test_imports, test_screens, test_documented_commands).
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import picluster

_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Warm:
    """The caller's end of such a process, which ends with its caller."""

    requests: socket.socket

    def run(self, arguments: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
        """Run `picluster ARGUMENTS` to its end. Raises `TimeoutExpired`, and ends it, if late."""
        request = {"arguments": arguments, "environment": dict(os.environ), "cwd": str(Path.cwd())}
        told, tell = os.pipe()
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            os.fdopen(told, "rb", buffering=0) as answers,  # what select is asked about, unread
        ):
            files = [out.fileno(), err.fileno(), tell]
            try:
                socket.send_fds(self.requests, [json.dumps(request).encode()], files)
            finally:
                os.close(tell)
            process = int(answers.readline())
            if not select.select([answers], [], [], seconds)[0]:
                os.killpg(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["picluster", *arguments], seconds, _read(out))
            status = int(answers.readline())
            return subprocess.CompletedProcess(arguments, status, _read(out), _read(err))


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@functools.cache
def warm() -> Warm:
    """Return the one of this process; it is started when the first command is."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    subprocess.Popen(
        [sys.executable, "-m", __name__, str(there.fileno())],
        pass_fds=[there.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    there.close()
    return Warm(here)


def _import_all() -> None:
    for module in pkgutil.walk_packages(picluster.__path__, "picluster."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("fabric", "kubernetes.client", "rich.live", "rich.table"):
        importlib.import_module(name)


def _serve(requests: socket.socket) -> None:
    """Fork one process for each request; return in it, with everything as the caller has it."""
    _import_all()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that mind a command are not waited for
    while True:
        message, files, _, _ = socket.recv_fds(requests, _MOST, 3)
        if not message:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _become(json.loads(message), *files)
        for file in files:
            os.close(file)


def _become(request: dict[str, Any], out: int, err: int, tell: int) -> None:
    if command := os.fork():
        os.write(tell, f"{command}\n".encode())
        _, status = os.waitpid(command, 0)
        os.write(tell, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.setsid()
    for file, stream in ((out, 1), (err, 2)):
        os.dup2(file, stream)
    for file in (out, err, tell):
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["picluster", *request["arguments"]]


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("picluster", run_name="__main__", alter_sys=True)
