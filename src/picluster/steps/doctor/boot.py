"""How a node starts: the firmware's command line, a kernel that waits, the cgroup version."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import unpacked
from picluster.engine.step import Script
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import (
    NEEDS_A_REBOOT,
    Finding,
    not_applicable,
    ok,
    problem,
    values,
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
    """The firmware's command line is one line, in the file that counts, and in force.

    The first of the three files that exists counts; a note that the file has moved is no command
    line. Only the first line is read, so words that a tool appended below it never had an effect.
    """

    name: str = "cmdline"
    title: str = "one command line, in force"

    def probe(self) -> Script:
        """Print the file that counts, any other one, and what the kernel was given."""
        return Script(
            "for file in /boot/firmware/current/cmdline.txt /boot/firmware/cmdline.txt "
            "/boot/cmdline.txt; do\n"
            "  [ -f $file ] && [ ! -L $file ] || continue\n"
            '  ! grep -qi "moved to" $file || { grep -qs cgroup_ $file && echo "stray=$file"; '
            "continue; }\n"
            '  echo "file=$file"\n'
            '  echo "text=$(base64 -w0 <$file)"\n'
            "  break\n"
            "done\n"
            'echo "running=$(cat /proc/cmdline)"'
        )

    def judge(self, look: Look) -> Finding:
        """Compare what is written with what the firmware reads, and with what is in force."""
        facts = look.own.facts
        path = facts.get("file")
        if path is None:
            return not_applicable("no cmdline.txt: the Pi's firmware did not start this")
        lines = [
            line for line in unpacked(facts.get("text", ""), "text").splitlines() if line.strip()
        ]
        if len(lines) > 1:
            return problem(
                f"{path} has {len(lines)} lines",
                "the firmware reads the first only: the others have no effect",
                f"join them to one line, and reboot (`{_PICLUSTERS_FIX}` does it for the cgroup)",
            )
        words = lines[0].split() if lines else []
        return _doubtful(path, words, facts) or ok(f"{path}, {len(words)} words")


def _doubtful(path: str, words: list[str], facts: dict[str, str]) -> Finding | None:
    stray = facts.get("stray")
    if stray:
        return warning(
            f"{stray} has words of somebody's, and is not read",
            f"the file that counts is {path}",
            f"move them there; for the memory cgroup `{_PICLUSTERS_FIX}` does it",
        )
    twice = sorted({word for word in words if word.startswith("cgroup_") and words.count(word) > 1})
    if twice:
        return warning(
            f"{path} has {', '.join(twice)} more than once",
            "harmless, but some tool appends at each of its runs: the line may become too long",
            "take the repetitions out",
        )
    if _ENABLES in words and _DISABLES in words[words.index(_ENABLES) :]:
        return problem(
            f"{path} enables the memory cgroup, and disables it again",
            "the last word wins: K3s does not start without that cgroup",
            f"take {_DISABLES} out, and reboot",
        )
    if _ENABLES in words and _ENABLES not in facts.get("running", "").split():
        return warning(
            f"{path} has {_ENABLES}, and the running kernel was started without it",
            "it comes into force at the next boot",
            _REBOOT,
            NEEDS_A_REBOOT,
        )
    return None


@dataclass(frozen=True, slots=True)
class KernelCurrent:
    """The running kernel is the one that is installed: no reboot waits."""

    name: str = "kernel"
    title: str = "the installed kernel runs"

    def probe(self) -> Script:
        """Look for the modules of the running kernel, and for notes that ask for a reboot."""
        return Script(
            'echo "release=$(uname -r)"\n'
            "systemd-detect-virt -qc && echo container=yes\n"
            '[ -d "/lib/modules/$(uname -r)" ] && echo modules=here\n'
            '[ -n "$(ls /lib/modules 2>/dev/null)" ] && echo modules_of=others\n'
            "[ -d /boot/firmware/current ] && [ -d /boot/firmware/new ] && echo untried=yes\n"
            "[ -e /run/reboot-required ] && echo reboot=yes\n"
            "sed 's/^/package=/' /run/reboot-required.pkgs 2>/dev/null; true"
        )

    def judge(self, look: Look) -> Finding:
        """A kernel whose modules are gone cannot load any; the rest can wait a while."""
        facts = look.own.facts
        release = facts.get("release", "")
        lost = "modules" not in facts and "modules_of" in facts and "container" not in facts
        if lost:
            return problem(
                f"{release} runs, and its modules are gone",
                "the kernel was updated since boot: no module can be loaded until it is rebooted",
                _REBOOT,
                NEEDS_A_REBOOT,
            )
        if "untried" in facts:
            return warning(
                "/boot/firmware/new waits to be tried",
                "the next boot is a double one, and brings a cmdline.txt of its own",
                "reboot it, and wait until /boot/firmware/new is gone",
                NEEDS_A_REBOOT,
            )
        if "reboot" in facts:
            packages = ", ".join(dict.fromkeys(values(look, "package"))) or "an update"
            return warning(
                f"/run/reboot-required: {packages}",
                "what was updated is not in force yet",
                _REBOOT,
                NEEDS_A_REBOOT,
            )
        return ok(release)


@dataclass(frozen=True, slots=True)
class CgroupVersion:
    """Control groups are of version 2, the one that Kubernetes goes on with."""

    name: str = "cgroup-version"
    title: str = "control groups of version 2"

    def probe(self) -> Script:
        """Ask for the kind of file system that is mounted there."""
        return Script('echo "kind=$(stat -fc %T /sys/fs/cgroup 2>/dev/null)"')

    def judge(self, look: Look) -> Finding:
        """Version 1 works with older Kubernetes: https://kubernetes.io/docs/concepts/ has it."""
        kind = look.own.facts.get("kind", "")
        if kind == "cgroup2fs":
            return ok("cgroup2fs")
        if not kind:
            return not_applicable("/sys/fs/cgroup is not there")
        return warning(
            f"/sys/fs/cgroup is {kind}",
            "Kubernetes keeps version 1 for a while only, and newer ones refuse to start with it",
            "take systemd.unified_cgroup_hierarchy=0 out of the kernel's command line, and reboot; "
            "or flash a current system",
        )
