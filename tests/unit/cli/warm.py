"""Runs picluster in processes that are forked from one that has imported it already.

Each run is a process of its own, as it is for users, and ends as that does; only the second that
Python takes to import everything is spent once. A line of JSON on stdin orders a run, a line on
stdout says how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE_SECONDS = 120.0


class Warm:
    """A process that picluster is forked from; `environment` is what it begins with."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.cli.warm"],
            cwd=Path(__file__).parents[3],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run picluster to its end; its output goes to files beside `directory`."""
        out, err = (directory.with_name(f"{directory.name}.{name}") for name in ("out", "err"))
        order = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "directory": str(directory),
            "out": str(out),
            "err": str(err),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(_PATIENCE_SECONDS, self._process.kill)
        watch.start()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        watch.cancel()
        assert answer, f"`picluster {' '.join(arguments)}` did not end"
        return subprocess.CompletedProcess(
            ["picluster", *arguments], int(answer), out.read_text(), err.read_text()
        )

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """Fork for each order. What a fork of this process does after that is picluster's affair."""
    import fabric  # noqa: F401, PLC0415 - what most commands import late

    import picluster.cli.app  # noqa: PLC0415
    import picluster.cli.work  # noqa: F401, PLC0415
    from picluster.__main__ import main  # noqa: PLC0415

    gc.freeze()  # what is imported is not looked through again in each of them
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
            main()
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(order: Mapping[str, object]) -> None:
    os.chdir(str(order["directory"]))
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    files = (os.devnull, str(order["out"]), str(order["err"]))
    for number, (path, mode) in enumerate(zip(files, ("r", "w", "w"), strict=True)):
        with open(path, mode) as file:  # noqa: PTH123
            os.dup2(file.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["picluster", *map(str, order["arguments"])]  # type: ignore[call-overload]


if __name__ == "__main__":
    serve()
