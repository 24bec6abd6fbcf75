"""A real terminal of a given size (tmux), and what stands on it."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 300.0
_STILL = 2.0
_TMUX = ("tmux", "-u", "-f", "/dev/null")


@dataclass(frozen=True, slots=True)
class Terminal:
    """A tmux server with one window. `ended` is a file that says how its command ended."""

    socket: Path
    ended: Path
    columns: int

    def screen(self, *options: str) -> str:
        """Return what has been on the screen, the part that was scrolled away included."""
        return self._tmux("capture-pane", "-p", "-S", "-", *options).rstrip() + "\n"

    def lines(self) -> list[str]:
        """Return the lines as they were printed: what the terminal had to wrap is one line."""
        return [line.rstrip() for line in self.screen("-J").splitlines()]

    def type(self, text: str) -> None:
        """Type a line, and Enter."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def press(self, key: str) -> None:
        """Press one key by tmux's name for it, such as `C-c`."""
        self._tmux("send-keys", key)

    def wait(self, seen: Callable[[str], bool]) -> str:
        """Wait until the screen shows something, and return it."""
        deadline = time.monotonic() + _PATIENCE
        while not seen(shown := self.screen()):
            assert not self.ended.exists(), f"it ended before that:\n{shown}"
            assert time.monotonic() < deadline, f"that was never on the screen:\n{shown}"
            time.sleep(0.1)
        return shown

    def wait_still(self) -> str:
        """Wait until something stands there and nothing moves any more, as before a question."""
        before, since = "", time.monotonic()
        deadline = since + _PATIENCE
        while time.monotonic() - since < _STILL or not before.strip():
            assert time.monotonic() < deadline, f"it never asks:\n{before}"
            now = self.screen()
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.1)
        return before

    def watch(self) -> list[str]:
        """Return what stood on the screen from moment to moment until the command's end."""
        seen = []
        while not self.ended.exists():
            seen.append(self.screen())
            time.sleep(0.2)
        return seen

    def status(self) -> int:
        """Wait for the command's end, and return its exit code."""
        deadline = time.monotonic() + _PATIENCE
        while not (self.ended.exists() and self.ended.read_text().strip()):
            assert time.monotonic() < deadline, f"it does not end:\n{self.screen()}"
            time.sleep(0.1)
        time.sleep(0.2)  # what it printed last is on its way to the screen
        return int(self.ended.read_text())

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self.socket), *words], capture_output=True, text=True, check=True
        )
        return done.stdout


@contextmanager
def terminal(
    command: Sequence[str],
    directory: Path,
    columns: int,
    *,
    rows: int = 40,
    more: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run a command in a terminal of its own; it is gone after the block.

    `directory` is where the command runs. `more` is added to the environment, from which what
    would switch colours off is taken.
    """
    hidden = {"NO_COLOR", "CI", "TMUX", "COLUMNS", "LINES"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    name = f"screen-{os.getpid()}-{time.monotonic_ns()}"
    socket, ended = Path("/tmp") / name, Path("/tmp") / f"{name}.ended"
    words = ["env", *(f"{key}={value}" for key, value in (more or {}).items()), *command]
    line = f"{shlex.join(words)}; echo $? >{ended}; exec sleep 1000"
    size = ["-x", str(columns), "-y", str(rows)]
    subprocess.run(
        [*_TMUX, "-S", str(socket), "new-session", "-d", *size, "-c", str(directory), line],
        env=environment,
        check=True,
    )
    try:
        yield Terminal(socket, ended, columns)
    finally:
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False, capture_output=True)
        socket.unlink(missing_ok=True)
        ended.unlink(missing_ok=True)
