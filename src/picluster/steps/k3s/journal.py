"""Why K3s does not come up: known lines of its journal, translated into a cause and a fix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_EVIDENCE_LINES = 15


@dataclass(frozen=True, slots=True)
class Cause:
    """What a journal says went wrong, and what to do about it; `NODE` stands for the node's name.

    `passing` causes may go away by themselves, as when the server to join is still starting.
    """

    why: str
    fix: str
    passing: bool = False


# Sources of the wording: the K3s issues named in docs/troubleshooting.md.
_KNOWN: tuple[tuple[str, Cause], ...] = (
    (
        r"failed to find memory cgroup",
        Cause(
            "the kernel runs without the memory cgroup",
            "run `picluster phase prepare`: it enables it in cmdline.txt and reboots the node",
        ),
    ),
    (
        r"Node password rejected",
        Cause(
            "the cluster knows another machine by this node's name: the card was re-flashed, or "
            "two nodes have the same name",
            "if this machine is to be the one: `picluster node replace NODE`; if there are two, "
            "give one of them another name",
        ),
    ),
    (
        r"token CA hash does not match|token is not valid|not authorized|"
        r"bootstrap data already found and encrypted with different token|invalid token",
        Cause(
            "the node's join token is not the cluster's",
            "run `picluster phase k3s` again; if k3s.token is set, compare it with "
            "/var/lib/rancher/k3s/server/token on a server",
        ),
    ),
    (
        r"certificate has expired or is not yet valid|x509: .*not yet valid",
        Cause(
            "the clocks of the nodes differ: a certificate is not valid yet",
            "check `timedatectl` on the nodes and that they reach a time server",
        ),
    ),
    (
        r"bind: address already in use",
        Cause(
            "a port that K3s needs is taken by another program",
            "see which with `ss -ltnp`, and stop that program",
        ),
    ),
    (
        r"vxlan.*operation not supported|operation not supported.*vxlan|"
        r"flannel exited: operation not supported",
        Cause(
            "the kernel has no vxlan module",
            "on Ubuntu install linux-modules-extra-raspi and reboot, or set "
            "k3s.flannel_backend: host-gw",
        ),
    ),
    (
        r"flag provided but not defined|unknown flag",
        Cause(
            "this version of K3s does not know an option",
            "check server_options, agent_options and options in the cluster file",
        ),
    ),
    (
        r"connect: no route to host|i/o timeout.*:6443|connect: connection refused",
        Cause(
            "the node cannot reach the server that it joins through",
            "check that the server is up and that no firewall closes ports 6443 and 2379-2380",
            passing=True,
        ),
    ),
    (
        r"slow fdatasync|leaderelection lost|apply request took too long",
        Cause(
            "the disk is too slow for etcd",
            "put the server's root on an SSD, or use one server without HA",
            passing=True,
        ),
    ),
    (
        r"no space left on device",
        Cause("the disk is full", "free some space: `df -h` and `du -xhd1 /var` show where"),
    ),
)


def explain(journal: str) -> Cause | None:
    """Return the cause that the journal's latest known message points to, if any is known."""
    for line in reversed(journal.splitlines()):
        for pattern, cause in _KNOWN:
            if re.search(pattern, line, re.IGNORECASE):
                return cause
    return None


# How logrus writes that a program gives up, with and without a terminal, and how Go does.
_LAST_WORDS = re.compile(r"level=(fatal|panic)|^(FATA|PANI)\[|^panic: |^fatal error: ")


def last_words(journal: str) -> str:
    """Return the last line with which K3s gave up; empty if it never did."""
    return next((line for line in reversed(journal.splitlines()) if _LAST_WORDS.search(line)), "")


def up_to_last_words(journal: str) -> str:
    """Return the journal without what a later attempt said after the last failure."""
    lines = journal.splitlines()
    ends = [number for number, line in enumerate(lines) if _LAST_WORDS.search(line)]
    return "\n".join(lines[: ends[-1] + 1] if ends else lines)


def tail(journal: str) -> str:
    """Return the last lines of the journal, as evidence."""
    return "\n".join(journal.splitlines()[-_EVIDENCE_LINES:])
