"""What programs that may be on a node are told, in files beside theirs: cloud-init, multipathd."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Action, Change, Decision, Diff, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.files import DropInState, drop_in

CLOUD_INIT = "cloud-init"


@dataclass(frozen=True, slots=True)
class DropIn:
    """A program is told what is wanted of it, if it is on the node.

    `installed` is the shell command that says so, and `after` what has the program read the file.
    """

    name: str
    title: str
    path: str
    content: str
    installed: str
    reason: str
    after: tuple[Action, ...] = ()

    def probe(self) -> ShellProbe[DropInState]:
        return drop_in(self.name, self.path, self.installed)

    def decide(self, look: Look) -> Decision:
        found = look.read(self.probe())
        if not found.installed or found.text == self.content:
            return Satisfied()
        return Change(
            f"write {self.path}",
            (WriteFile(self.path, self.content), *self.after),
            reason=self.reason,
            diff=Diff(found.text, self.content),
        )


def cloud_init_leaves_names(*, keep_hostname: bool) -> DropIn:
    """Have cloud-init undo none of our names at the next boot.

    `keep_hostname` says whether the host name is ours too, besides /etc/hosts.
    """
    hostname = "preserve_hostname: true\n" if keep_hostname else ""
    return DropIn(
        CLOUD_INIT,
        "cloud-init leaves names alone",
        "/etc/cloud/cloud.cfg.d/99-picluster.cfg",
        f"# Written by picluster.\n{hostname}manage_etc_hosts: false\n",
        "[ -d /etc/cloud/cloud.cfg.d ]",
        "cloud-init would set names back at boot",
    )


# https://longhorn.io/kb/troubleshooting-volume-with-multipath/ hides every sd device, and so USB
# disks too; these are the names that Longhorn's own devices go by.
MULTIPATH_LEAVES_LONGHORN_ALONE = DropIn(
    "multipath",
    "multipathd leaves Longhorn's devices alone",
    "/etc/multipath/conf.d/longhorn.conf",
    """\
# Written by picluster.
blacklist {
    device {
        vendor "IET"
        product "VIRTUAL-DISK"
    }
}
""",
    "command -v multipathd >/dev/null",
    "multipathd would take Longhorn's devices",
    (Run("systemctl try-reload-or-restart multipathd || true"),),
)
