"""Machines nearby that look like Raspberry Pis: offered, never taken for granted.

The parsers are pure. `candidates` only asks this computer: its ARP table, which lists whom it has
spoken to lately, its Avahi daemon, and its resolver. Nothing is scanned.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

# The blocks (MA-L) that the IEEE's list, https://standards-oui.ieee.org/oui/oui.txt, gives to
# "Raspberry Pi Foundation" and "Raspberry Pi (Trading) Ltd". Their 3A-35-41 is a company id (CID),
# which no interface is numbered from; 8C-1F-64 is not theirs.
_PI_PREFIXES = ("28:cd:c1", "2c:cf:67", "88:a2:9e", "b8:27:eb", "d8:3a:dd", "dc:a6:32", "e4:5f:01")
_FRESH_NAME = "raspberrypi"
"""What Raspberry Pi OS calls every machine that has not been given a name."""

_ARP_TABLE = Path("/proc/net/arp")
_ARP_COLUMNS = 6
_ARP_COMPLETE = 0x2  # ATF_COM in linux/if_arp.h: the address was answered for
_AVAHI = ("avahi-browse", "-prt", "_workstation._tcp")
_AVAHI_FIELDS = 9
_LOOK_UP = ("getent", "hosts", f"{_FRESH_NAME}.local")
_PATIENCE_SECONDS = 10.0

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_ESCAPED = re.compile(r"\\(\d{3})")

Ask = Callable[[Sequence[str]], str]
"""Runs a local program and returns what it prints; nothing if there is no such program."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A machine that may become a node.

    `name` is what it calls itself, without `.local`; empty if that is not known. `is_pi` says that
    its hardware address or its name is a Raspberry Pi's; otherwise it may be anything.
    """

    address: str
    name: str = ""
    is_pi: bool = False


def from_arp(table: str) -> list[Candidate]:
    """Return the Raspberry Pis in the text of `/proc/net/arp`.

    Columns: IP address, hardware type, flags, hardware address, mask, device. The address of a
    neighbour that did not answer is 00:00:00:00:00:00, and its flags are 0x0.
    """
    found = []
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) != _ARP_COLUMNS or not _is_complete(columns[2]):
            continue
        address = usable(columns[0])
        if address and is_pi_mac(columns[3]):
            found.append(Candidate(address, is_pi=True))
    return found


def from_avahi(output: str) -> list[Candidate]:
    """Return the machines in the output of `avahi-browse -prt _workstation._tcp`.

    A resolved service is a line that starts with `=`: interface, protocol, service name, type,
    domain, host name, address, port, texts; between semicolons, with other bytes as `\\DDD`. The
    service name of a workstation ends in its hardware address, in brackets.
    """
    found = []
    for line in output.splitlines():
        fields = line.split(";")
        if len(fields) < _AVAHI_FIELDS or fields[0] != "=":
            continue
        address, name = usable(fields[7]), label(fields[6])
        macs = _MAC.findall(_unescaped(fields[3]).lower())
        if address:
            found.append(Candidate(address, name, any(map(is_pi_mac, macs)) or _is_fresh(name)))
    return found


def from_hosts(output: str) -> list[Candidate]:
    """Return the machines in the output of `getent hosts NAME`: an address, then names."""
    found = []
    for line in output.splitlines():
        address, *names = line.split() or [""]
        usable_address = usable(address)
        if usable_address and names:
            name = label(names[0])
            found.append(Candidate(usable_address, name, _is_fresh(name)))
    return found


def merged(found: Iterable[Candidate]) -> list[Candidate]:
    """Return each address once, with all that is known of it: Pis first, then by address.

    A machine that is found under an IPv4 address is not offered again under its IPv6 ones.
    """
    known: dict[str, Candidate] = {}
    for each in found:
        seen = known.get(each.address, each)
        known[each.address] = Candidate(
            each.address, seen.name or each.name, seen.is_pi or each.is_pi
        )
    reachable_by_v4 = {each.name for each in known.values() if ":" not in each.address}
    kept = [
        each
        for each in known.values()
        if ":" not in each.address or not each.name or each.name not in reachable_by_v4
    ]
    return sorted(kept, key=_order)


def node_name(candidate: Candidate, number: int, taken: Collection[str]) -> str:
    """Return a name for the node: its own, unless it has none yet or another node has it.

    Otherwise `pi3` for the third, or the next number that is free.
    """
    own = candidate.name
    if own and own not in taken and not _is_fresh(own) and not own.isdigit():
        return own
    while f"pi{number}" in taken:
        number += 1
    return f"pi{number}"


def candidates(ask: Ask | None = None, arp_table: Path = _ARP_TABLE) -> list[Candidate]:
    """Look around from this computer; takes some seconds if Avahi is there, and never fails.

    Sends nothing itself. Avahi and the resolver may ask the local network, by multicast DNS.
    """
    ask = ask or _output_of
    return merged([*from_avahi(ask(_AVAHI)), *from_hosts(ask(_LOOK_UP)), *_arp(arp_table)])


def is_pi_mac(mac: str) -> bool:
    """Whether a hardware address, with colons, is from a block of Raspberry Pi's."""
    return mac.lower().startswith(_PI_PREFIXES)


def usable(text: str) -> str:
    """Return an address in its usual form, or nothing if no other machine could use it as it is.

    A link-local IPv6 address means nothing without an interface.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    unusable = (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or (address.version == 6 and address.is_link_local)  # noqa: PLR2004
    )
    return "" if unusable else str(address)


def label(host: str) -> str:
    """Return a host's name without its domain, or nothing if it is none.

    Whoever is on the network chooses what is announced there: only harmless characters get through.
    """
    name = host.lower().partition(".")[0]
    return name if _LABEL.fullmatch(name) else ""


def _is_complete(flags: str) -> bool:
    try:
        return bool(int(flags, 16) & _ARP_COMPLETE)
    except ValueError:
        return False


def _is_fresh(name: str) -> bool:
    """Avahi adds a number where several machines have the same name: raspberrypi-2."""
    return re.fullmatch(rf"{_FRESH_NAME}(-\d+)?", name) is not None


def _unescaped(text: str) -> str:
    """Undo Avahi's escapes; what is not ASCII is of no interest here."""
    return _ESCAPED.sub(lambda match: chr(int(match[1])), text)


def _order(candidate: Candidate) -> tuple[bool, int, int]:
    address = ip_address(candidate.address)
    return not candidate.is_pi, address.version, int(address)


def _arp(table: Path) -> Iterator[Candidate]:
    try:
        yield from from_arp(table.read_text())
    except (OSError, UnicodeDecodeError):
        return


def _output_of(program: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
