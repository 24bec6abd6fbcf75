"""/etc/hosts: one block of ours that names every node; the rest is its owner's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.step import Change, Decision, Diff, Satisfied, Script, WriteFile
from picluster.engine.survey import Look

HOSTS = "hosts-file"
_PATH = "/etc/hosts"


@dataclass(frozen=True, slots=True)
class HostsFile:
    """/etc/hosts names every node. `entries` are pairs of an address and its names."""

    cluster: str
    entries: Sequence[tuple[str, str]]
    name: str = HOSTS

    @property
    def title(self) -> str:
        """State what is true."""
        return "/etc/hosts names every node"

    def probe(self) -> Script:
        """Print the file."""
        return Script(f"[ ! -e {_PATH} ] || base64 -w0 <{_PATH}")

    def decide(self, look: Look) -> Decision:
        """Want our block in it exactly, and nothing else changed."""
        try:
            present = base64.b64decode(look.own.out).decode("utf-8", "surrogateescape")
        except binascii.Error:
            present = ""
        wanted = with_block(present, self.cluster, [f"{ip}\t{names}" for ip, names in self.entries])
        if wanted == present:
            return Satisfied()
        known = _begin(self.cluster) in present
        return Change(
            f"write the nodes' names into {_PATH}",
            (WriteFile(_PATH, wanted, backup=True),),
            reason="its block of the cluster's nodes was edited" if known else "it lacks them",
            diff=Diff(present, wanted),
            retry_safe=True,
        )


def with_block(text: str, cluster: str, lines: Sequence[str]) -> str:
    """Return the text with exactly these lines in the cluster's block, at the end if it is new.

    A block that lost its end mark ends where the next mark or the file does: at the first line
    that is not an address we could have written.
    """
    begin, end = _begin(cluster), f"# END picluster {cluster}"
    block = [begin, *lines, end]
    before: list[str] = []
    after: list[str] = []
    inside = seen = False
    for line in text.splitlines():
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
