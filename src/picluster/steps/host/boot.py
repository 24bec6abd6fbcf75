"""The memory cgroup, which Raspberry Pi firmware turns off: cmdline.txt, and a reboot."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Diff,
    Reboot,
    Risk,
    Satisfied,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.facts.boot import BOOT, Boot

_WANTED = ("cgroup_enable=memory", "cgroup_memory=1")
_UNWANTED = "cgroup_disable=memory"


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """The kernel runs with the memory cgroup; without it K3s does not start.

    `reboot_seconds` is how long the node may take to come back.
    """

    reboot_seconds: float
    name: str = BOOT.name

    @property
    def title(self) -> str:
        return "the kernel has the memory cgroup"

    def probe(self) -> ShellProbe[Boot]:
        return BOOT

    def decide(self, look: Look) -> Decision:
        """Want it in force; the file matters only if it is not."""
        boot = look.read(BOOT)
        if boot.memory_cgroup:
            return Satisfied()
        refusal = _refusal(boot)
        if refusal:
            return refusal
        path, present = boot.cmdline, boot.text
        wanted = with_memory_cgroup(present)
        reboot = Reboot(self.reboot_seconds)
        if wanted == present:
            return Change(
                "reboot",
                (reboot,),
                reason=f"{path} enables the memory cgroup, but the running kernel is older",
                risk=Risk.REBOOT,
            )
        return Change(
            f"enable the memory cgroup in {path} and reboot",
            (WriteFile(path, wanted, mode=boot.mode, backup=True), reboot),
            reason="the kernel runs without the memory cgroup",
            diff=Diff(present, wanted),
            risk=Risk.REBOOT,
            retry_safe=False,
        )


def _refusal(boot: Boot) -> Blocked | None:
    """Return why picluster cannot turn it on here, if that is so; a reboot would be for nothing."""
    if boot.ignored:
        return Blocked(
            "the kernel was started with cgroup_enable=memory, and has no memory cgroup",
            "update the kernel (some of late 2024 ignored that), and reboot",
        )
    if not boot.cmdline:
        return Blocked(
            "the kernel runs without the memory cgroup, and there is no cmdline.txt to change",
            f"add {' '.join(_WANTED)} to the kernel's command line "
            "(GRUB_CMDLINE_LINUX in /etc/default/grub), and reboot",
        )
    if boot.untried:
        return Blocked(
            "a new kernel waits to be tried at the next boot, and would bring its own cmdline.txt",
            "reboot it, wait until /boot/firmware/new is gone, and run this again",
        )
    return None


def with_memory_cgroup(cmdline: str) -> str:
    """Return the command line with the memory cgroup enabled: one line, no word of ours twice.

    The firmware reads the first line only, so a second one that somebody appended has never had
    an effect; its words join the first. Other words keep their order and their repetitions.
    """
    ours = {*_WANTED, _UNWANTED}
    words = [word for word in cmdline.split() if word not in ours]
    return " ".join([*words, *_WANTED]) + "\n"
