"""/etc/hosts: one block of ours that names every node; the rest is its owner's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.step import Blocked, Change, Decision, Diff, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.hosts import HostsText, hosts_text

HOSTS = "hosts-file"
HOSTS_TEMPLATE = "hosts-template"
HOSTS_PATH = "/etc/hosts"
TEMPLATE_PATH = "/etc/cloud/templates/hosts.debian.tmpl"
"""What cloud-init makes /etc/hosts from at every boot, if user data say `manage_etc_hosts: true`.

Raspberry Pi Imager writes that into the user data, which no file below /etc/cloud overrules.
"""

_OWN_LINE = re.compile(r"127\.0\.1\.1[ \t]+([^#]*)")


@dataclass(frozen=True, slots=True)
class HostsFile:
    """A hosts file names every node. `entries` are pairs of an address and its names.

    `own` are the machine's own names, full name first, for its 127.0.1.1 line if it has one; empty
    leaves that line alone. With `only_if_present` no file is made where there is none.
    """

    cluster: str
    entries: Sequence[tuple[str, str]]
    own: str = ""
    path: str = HOSTS_PATH
    only_if_present: bool = False
    name: str = HOSTS

    @property
    def title(self) -> str:
        return f"{self.path} names every node"

    def probe(self) -> ShellProbe[HostsText]:
        return hosts_text(self.name, self.path)

    def decide(self, look: Look) -> Decision:
        found = look.read(self.probe())
        present = found.text
        if not found.exists and self.only_if_present:
            return Satisfied(detail="there is none")
        if present is None:
            return Blocked(
                f"{self.path} is not UTF-8 text, and would be damaged by an edit",
                "find the odd bytes with `LC_ALL=C grep -nP '[^\\x00-\\x7F]'`, and correct them",
            )
        lines = [f"{address}\t{names}" for address, names in self.entries]
        wanted = with_block(with_own_names(present, self.own), self.cluster, lines)
        if wanted == present:
            return Satisfied()
        return Change(
            f"write the nodes' names into {self.path}",
            (WriteFile(self.path, wanted, backup=True),),
            reason=self._reason(present, lines),
            diff=Diff(present, wanted),
        )

    def _reason(self, present: str, lines: Sequence[str]) -> str:
        if with_block(present, self.cluster, lines) == present:
            return "its 127.0.1.1 line has another name"
        if _begin(self.cluster) in present.split("\n"):
            return "its block differs from the cluster's nodes"
        return "it lacks them"


def with_own_names(text: str, names: str) -> str:
    """Return the text with these names on its 127.0.1.1 line, unless the last is there already.

    A machine that kept the name of another node there would take itself for that node. `names` may
    be empty: then, and without such a line, nothing changes.
    """
    if not names:
        return text
    host = names.rsplit(maxsplit=1)[-1]

    def corrected(line: str) -> str:
        match = _OWN_LINE.match(line)
        return line if match is None or host in match[1].split() else f"127.0.1.1\t{names}"

    return "\n".join(corrected(line) for line in text.split("\n"))


def with_block(text: str, cluster: str, lines: Sequence[str]) -> str:
    """Return the text with exactly these lines in the cluster's block, at the end if it is new.

    Nothing outside the block changes, but for an end of line that the last line may lack. A block
    that lost its end mark ends at the first line that we cannot have written: a blank one, or a
    comment.
    """
    begin, end = _begin(cluster), f"# END picluster {cluster}"
    block = [begin, *lines, end]
    before: list[str] = []
    after: list[str] = []
    inside = seen = False
    for line in text.removesuffix("\n").split("\n") if text else []:
        if line == begin:
            inside = seen = True
        elif inside and line == end:
            inside = False
        elif inside and (not line.strip() or line.startswith("#")):
            inside = False
            after.append(line)
        elif not inside and line != end:
            (after if seen else before).append(line)
    if not seen and before and before[-1].strip():
        before.append("")
    return "\n".join([*before, *block, *after]) + "\n"


def _begin(cluster: str) -> str:
    return f"# BEGIN picluster {cluster}"
