"""How a node starts: the firmware's command line, a kernel that waits, the cgroup version."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.survey import Look
from picluster.facts.boot import CGROUPS
from picluster.facts.names import UNAME
from picluster.steps.doctor.finding import (
    NEEDS_A_REBOOT,
    Check,
    Finding,
    not_applicable,
    ok,
    problem,
    warning,
)

_PICLUSTERS_FIX = "picluster phase prepare"
_REBOOT = (
    "reboot it; if a cluster runs on it, `kubectl drain --ignore-daemonsets NODE` first, and "
    "`kubectl uncordon NODE` once it is back"
)
_ENABLES, _DISABLES = "cgroup_enable=memory", "cgroup_disable=memory"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The firmware's command line, and the words that the kernel was given.

    `path` is the file that counts, empty if there is none, `lines` what it has; `stray` is one that
    has moved, and has words of somebody's all the same.
    """

    path: str = ""
    lines: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    stray: str = ""


def _command_line(seen: Observation) -> CommandLine:
    """The first of the files counts; a note that the file has moved is no command line."""
    files: list[tuple[str, list[str]]] = []
    for line in seen.lines:
        key, _, value = line.partition("=")
        if key == "file":
            files.append((value, []))
        elif key == "line" and files and value.strip():
            files[-1][1].append(value)
    running, stray = tuple(seen.text("running", "").split()), ""
    for path, lines in files:
        text = "\n".join(lines)
        if "moved to" not in text.lower():
            return CommandLine(path, tuple(lines), running, stray)
        stray = path if "cgroup_" in text else stray
    return CommandLine(running=running)


_CMDLINE = ShellProbe("cmdline", shell(__package__, "cmdline"), _command_line)


def _judge_command_line(look: Look) -> Finding:
    """Compare what is written with what the firmware reads, and with what is in force.

    Only the first line is read, so words that a tool appended below it never had an effect.
    """
    line = look.read(_CMDLINE)
    if not line.path:
        return not_applicable("no cmdline.txt: the Pi's firmware did not start this")
    if len(line.lines) > 1:
        return problem(
            f"{line.path} has {len(line.lines)} lines",
            "the firmware reads the first only: the others have no effect",
            f"join them to one line, and reboot (`{_PICLUSTERS_FIX}` does it for the cgroup)",
        )
    words = " ".join(line.lines).split()
    return _doubtful(line, words) or ok(f"{line.path}, {len(words)} words")


def _doubtful(line: CommandLine, words: list[str]) -> Finding | None:
    if line.stray:
        return warning(
            f"{line.stray} has words of somebody's, and is not read",
            f"the file that counts is {line.path}",
            f"move them there; for the memory cgroup `{_PICLUSTERS_FIX}` does it",
        )
    twice = sorted({word for word in words if word.startswith("cgroup_") and words.count(word) > 1})
    if twice:
        return warning(
            f"{line.path} has {', '.join(twice)} more than once",
            "harmless, but some tool appends at each of its runs: the line may become too long",
            "take the repetitions out",
        )
    if _ENABLES in words and _DISABLES in words[words.index(_ENABLES) :]:
        return problem(
            f"{line.path} enables the memory cgroup, and disables it again",
            "the last word wins: K3s does not start without that cgroup",
            f"take {_DISABLES} out, and reboot",
        )
    if _ENABLES in words and _ENABLES not in line.running:
        return warning(
            f"{line.path} has {_ENABLES}, and the running kernel was started without it",
            "it comes into force at the next boot",
            _REBOOT,
            NEEDS_A_REBOOT,
        )
    return None


COMMAND_LINE = Check("cmdline", "one command line, in force", _CMDLINE, _judge_command_line)


@dataclass(frozen=True, slots=True)
class KernelSeen:
    """The running kernel, and whether its modules (`modules`), or those of others, are there.

    A container (`inside`) has no kernel of its own. `untried` is one that Ubuntu tries at the next
    boot. `reboot`: something asks for one; `packages` are those that do.
    """

    release: str
    inside: bool
    modules: bool
    others: bool
    untried: bool
    reboot: bool
    packages: tuple[str, ...]


def _kernel(seen: Observation) -> KernelSeen:
    return KernelSeen(
        seen.text("release"),
        seen.flag("container"),
        seen.flag("modules"),
        seen.flag("others"),
        seen.flag("untried"),
        seen.flag("reboot"),
        seen.every("package"),
    )


_KERNEL = ShellProbe("kernel", UNAME + shell(__package__, "kernel"), _kernel)


def _judge_kernel(look: Look) -> Finding:
    """A kernel whose modules are gone cannot load any; the rest can wait a while."""
    kernel = look.read(_KERNEL)
    if kernel.others and not kernel.modules and not kernel.inside:
        return problem(
            f"{kernel.release} runs, and its modules are gone",
            "the kernel was updated since boot: no module can be loaded until it is rebooted",
            _REBOOT,
            NEEDS_A_REBOOT,
        )
    if kernel.untried:
        return warning(
            "/boot/firmware/new waits to be tried",
            "the next boot is a double one, and brings a cmdline.txt of its own",
            "reboot it, and wait until /boot/firmware/new is gone",
            NEEDS_A_REBOOT,
        )
    if kernel.reboot:
        packages = ", ".join(dict.fromkeys(kernel.packages)) or "an update"
        return warning(
            f"/run/reboot-required: {packages}",
            "what was updated is not in force yet",
            _REBOOT,
            NEEDS_A_REBOOT,
        )
    return ok(kernel.release)


KERNEL = Check("kernel", "the installed kernel runs", _KERNEL, _judge_kernel)


def _judge_cgroup_version(look: Look) -> Finding:
    """Version 1 works with older Kubernetes: https://kubernetes.io/docs/concepts/ has it."""
    version = look.read(CGROUPS)
    if not version:
        return not_applicable("/sys/fs/cgroup is not there")
    if version > 1:
        return ok(f"version {version}")
    return warning(
        "/sys/fs/cgroup is of version 1",
        "Kubernetes keeps version 1 for a while only, and newer ones refuse to start with it",
        "take systemd.unified_cgroup_hierarchy=0 out of the kernel's command line, and reboot; "
        "or flash a current system",
    )


CGROUP_VERSION = Check(
    "cgroup-version", "control groups of version 2", CGROUPS, _judge_cgroup_version
)

CHECKS = (COMMAND_LINE, KERNEL, CGROUP_VERSION)
