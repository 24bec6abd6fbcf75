"""Does what is written to the root file system survive a reboot."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look


@dataclass(frozen=True, slots=True)
class Root:
    """How the root is mounted: `layer` says what lays a layer in memory over it, if anything."""

    layer: str = ""
    read_only: bool = False


def read_root(seen: Observation) -> Root:
    """Read what the probe printed."""
    return Root(seen.text("layer", ""), seen.flag("read_only"))


ROOT = ShellProbe("root", shell(__package__, "root"), read_root)


@dataclass(frozen=True, slots=True)
class RootKept:
    """The root keeps what is written to it.

    raspi-config's "Overlay File System" lays a layer in memory over the card (`boot=overlay` on the
    kernel's command line, of its own initramfs, until Bookworm; Debian's overlayroot since):
    everything would be done, and be gone after a reboot.
    """

    name: str = ROOT.name
    title: str = "what is written stays after a reboot"

    def probe(self) -> ShellProbe[Root]:
        return ROOT

    def decide(self, look: Look) -> Decision:
        root = look.read(ROOT)
        if root.layer:
            return Blocked(
                f"its root is an overlay in memory ({root.layer}): nothing would survive a reboot",
                "switch it off on the node: `sudo raspi-config nonint disable_overlayfs`, or "
                "`overlayroot=disabled` in cmdline.txt where that made it; then reboot",
            )
        if root.read_only:
            return Blocked(
                "its root is mounted read-only",
                "`sudo mount -o remount,rw /` on it; if that is refused, look at its card: "
                "`dmesg | grep -i error`",
            )
        return Satisfied()
