"""Makes the README's picture, of real screens of a real run on lab nodes (`make screen`)."""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from picluster.lab import rehearsal
from tests.doubles.k3s.build import build
from tests.lab.bench import forget_environment
from tests.lab.terminal import Terminal, terminal

COLUMNS = 92
PICLUSTER = [sys.executable, "-m", "picluster"]
LAB = "pi"  # its nodes are pi1, pi2 and pi3
# rich's own template fetches a font; a picture in a README is to fetch nothing.
_ADDRESSES = re.compile(r"<!-- Generated.*?-->|@font-face \{\{.*?\}\}", re.DOTALL)
FORMAT = _ADDRESSES.sub("", CONSOLE_SVG_FORMAT)


def record(output: Path) -> None:
    """Boot a lab, run the commands in a terminal, and draw what stood on it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        os.environ.update(forget_environment(home) | {"XDG_CACHE_HOME": cache})
        build(home / "k3s")
        file = home / "cluster.yaml"
        try:
            rehearsal.up(rehearsal.Wish(LAB, 3, 3, home / "k3s", file), print)
            during, after = screens("up", home)
            status = screens("status", home)[1]
        finally:
            rehearsal.down(LAB)
    parts = ("$ picluster up", during, "# a few seconds later", after, "$ picluster status", status)
    output.write_text(drawn("\n".join(parts)))


def screens(command: str, directory: Path) -> tuple[str, str]:
    """Run a command; return the screen while it draws, if it does, and the one at its end."""
    with terminal([*PICLUSTER, command], directory, COLUMNS) as opened:
        during = at_work(opened) if command == "up" else ""
        assert opened.status() == 0, opened.screen()
        return during, opened.screen("-e")


def at_work(opened: Terminal) -> str:
    """Return the screen while K3s is being started."""
    opened.wait(lambda text: "waiting for" in text or "not Ready" in text)
    return opened.screen("-e")


def drawn(ansi: str) -> str:
    """Return terminal text as an SVG without any address in it but that of SVG itself."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for line in ansi.splitlines():
        console.print(Text.from_ansi(line), soft_wrap=False)
    return console.export_svg(title="picluster", code_format=FORMAT, unique_id="screen")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
