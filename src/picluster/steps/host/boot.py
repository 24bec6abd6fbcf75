"""The memory cgroup, which Raspberry Pi firmware turns off: cmdline.txt, and a reboot."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Diff,
    Reboot,
    Risk,
    Satisfied,
    Script,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.steps.host.text import decoded

MEMORY_CGROUP = "memory-cgroup"

MEMORY_CGROUP_PROBE = """
if grep -qsw memory /sys/fs/cgroup/cgroup.controllers; then echo memory=yes
elif grep -qsE '^memory[[:space:]].*[[:space:]]1$' /proc/cgroups \\
  && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then echo memory=yes
else echo memory=no; fi
"""
"""Shell that says whether the running kernel has the memory cgroup, on either cgroup version.

With version 2 only cgroup.controllers counts: /proc/cgroups may call it enabled and mean nothing.
"""

# Ubuntu keeps the file in current/, and a kernel that it has not tried yet in new/, which replaces
# current/ after the next boot. Bookworm moved the file and left a note in its old place, which is
# not a command line.
_PROBE = (
    MEMORY_CGROUP_PROBE
    + """
ignored=no
for word in $(cat /proc/cmdline); do
  case $word in
    cgroup_enable=memory) ignored=yes ;;
    cgroup_disable=memory) ignored=no ;;
  esac
done
echo "ignored=$ignored"
[ ! -d /boot/firmware/current ] || [ ! -d /boot/firmware/new ] || echo untried=yes
for file in /boot/firmware/current/cmdline.txt /boot/firmware/cmdline.txt /boot/cmdline.txt; do
  [ -f $file ] && [ ! -L $file ] || continue
  ! grep -qi 'moved to' $file || continue
  echo "file=$file"
  echo "text=$(base64 -w0 <$file)"
  echo "mode=$(stat -c %a $file)"
  break
done
for directory in /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/agent/kubelet.kubeconfig; do
  [ ! -e $directory ] || { echo cluster=yes; break; }
done
"""
)

_WANTED = ("cgroup_enable=memory", "cgroup_memory=1")
_UNWANTED = "cgroup_disable=memory"


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """The kernel runs with the memory cgroup; without it K3s does not start.

    `reboot_seconds` is how long the node may take to come back.
    """

    reboot_seconds: float
    name: str = MEMORY_CGROUP

    @property
    def title(self) -> str:
        """State what is true."""
        return "the kernel has the memory cgroup"

    def probe(self) -> Script:
        """Look at the running kernel, and at the firmware's command line for the next boot."""
        return Script(_PROBE)

    def decide(self, look: Look) -> Decision:
        """Want it in force; the file matters only if it is not."""
        facts = look.own.facts
        if facts.get("memory") == "yes":
            return Satisfied()
        refusal = _refusal(facts)
        if refusal:
            return refusal
        path, present = facts["file"], decoded(facts.get("text", ""))
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
            (WriteFile(path, wanted, mode=_mode(facts), backup=True), reboot),
            reason="the kernel runs without the memory cgroup",
            diff=Diff(present, wanted),
            risk=Risk.REBOOT,
        )


def _refusal(facts: dict[str, str]) -> Blocked | None:
    """Return why picluster cannot turn it on here, if that is so; a reboot would be for nothing."""
    if facts.get("ignored") == "yes":
        return Blocked(
            "the kernel was started with cgroup_enable=memory, and has no memory cgroup",
            "update the kernel (some of late 2024 ignored that), and reboot",
        )
    if not facts.get("file"):
        return Blocked(
            "the kernel runs without the memory cgroup, and there is no cmdline.txt to change",
            f"add {' '.join(_WANTED)} to the kernel's command line "
            "(GRUB_CMDLINE_LINUX in /etc/default/grub), and reboot",
        )
    if facts.get("untried") == "yes":
        return Blocked(
            "a new kernel waits to be tried at the next boot, and would bring its own cmdline.txt",
            "reboot it, wait until /boot/firmware/new is gone, and run this again",
        )
    return None


def runs_a_cluster(facts: dict[str, str]) -> bool:
    """Whether the node holds K3s data, as this step's probe saw it."""
    return facts.get("cluster") == "yes"


def with_memory_cgroup(cmdline: str) -> str:
    """Return the command line with the memory cgroup enabled: one line, no word of ours twice.

    The firmware reads the first line only, so a second one that somebody appended has never had
    an effect; its words join the first. Other words keep their order and their repetitions.
    """
    ours = {*_WANTED, _UNWANTED}
    words = [word for word in cmdline.split() if word not in ours]
    return " ".join([*words, *_WANTED]) + "\n"


def _mode(facts: dict[str, str]) -> int:
    """Return the mode that the file has: FAT knows few, and refuses to be given another."""
    try:
        return int(facts.get("mode", ""), 8)
    except ValueError:
        return 0o755
