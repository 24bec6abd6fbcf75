"""Names, addresses and directories of a lab and its nodes. Pure, but for reading what is there."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from picluster.errors import UsageError
from picluster.lab.commands import attempt
from picluster.paths import cache_home, state_home

USER = "pi"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?")
_FIRST_HOST = 11
_MOST_NODES = 200


@dataclass(frozen=True, slots=True)
class LabNode:
    """One node of a lab: where it is, and where its things are."""

    lab_number: int
    number: int
    name: str
    address: str
    role: str
    directory: Path

    @property
    def card(self) -> Path:
        """The image of its SD card, with everything that survives a reboot."""
        return self.directory / "card.img"

    @property
    def disk(self) -> Path:
        """Where the card is mounted on this computer, while the node is on."""
        return self.directory / "disk"

    @property
    def root(self) -> Path:
        """The node's file tree (the base tree with the card's changes), while it is on."""
        return self.directory / "root"

    @property
    def console(self) -> Path:
        """What the node wrote to its console."""
        return self.directory / "console.log"

    @property
    def power(self) -> Path:
        """The record of the process that keeps it running; absent when it is off."""
        return self.directory / "power.json"

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"picluster-{self.lab_number}-{self.number}"

    @property
    def interface(self) -> str:
        """This computer's end of its cable; at most 15 characters, as the kernel wants."""
        return f"picl{self.lab_number}n{self.number}"


@dataclass(frozen=True, slots=True)
class LabLayout:
    """A lab: its number decides its subnet, 10.213.<number>.0/24."""

    name: str
    number: int
    directory: Path
    base: Path
    nodes: tuple[LabNode, ...] = ()
    notice: str = ""
    artifacts: str = ""
    image: str = ""

    @property
    def subnet(self) -> str:
        """The lab's own subnet; nothing of it leaves this computer."""
        return f"10.213.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        """This computer's address in the subnet."""
        return f"10.213.{self.number}.1"

    @property
    def bridge(self) -> str:
        """The bridge that the nodes' cables end in."""
        return f"picl{self.number}"

    @property
    def key(self) -> Path:
        """The private key that logs in to every node."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The nodes' present host keys."""
        return self.directory / "known_hosts"

    def node(self, name: str) -> LabNode:
        """Return the node of that name. Raises `UsageError` if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes)
        raise UsageError(f"the lab {self.name} has no node {name!r}", fix=f"it has {names}")


def labs_directory() -> Path:
    """Where labs are recorded."""
    return state_home() / "labs"


def trees_directory() -> Path:
    """Where base trees are cached."""
    return cache_home() / "lab"


def plan_lab(
    name: str,
    nodes: int,
    servers: int,
    base: Path,
    *,
    notice: str = "",
    artifacts: str = "",
    image: str = "",
) -> LabLayout:
    """Lay a new lab out: node names, roles and addresses. Raises `UsageError` for bad numbers.

    `base` is the tree that its nodes start from, `image` the card of a node of another lab that
    theirs are copies of (none: empty ones), `artifacts` a directory that is served to them and
    `notice` what every output has to say about what is in it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a lab", fix="use up to 11 lower-case letters and digits"
        )
    if not 1 <= nodes <= _MOST_NODES or not 1 <= servers <= nodes:
        raise UsageError(
            f"{nodes} nodes with {servers} servers are no lab",
            fix=f"ask for 1 to {_MOST_NODES} nodes, and for at least one server",
        )
    directory = labs_directory() / name
    number = _free_number()
    planned = tuple(
        LabNode(
            lab_number=number,
            number=index,
            name=f"{name}{index}",
            address=f"10.213.{number}.{_FIRST_HOST + index - 1}",
            role="server" if index <= servers else "agent",
            directory=directory / "nodes" / f"{name}{index}",
        )
        for index in range(1, nodes + 1)
    )
    return LabLayout(name, number, directory, base, planned, notice, artifacts, image)


def _free_number() -> int:
    """Return the lowest subnet number that neither a recorded lab has nor this computer knows.

    Another user's labs are recorded elsewhere, but their guard routes are seen.
    """
    taken = {read_lab(path.name).number for path in recorded_labs()}
    for number in range(1, 255):
        known = attempt("ip", "route", "show", "root", f"10.213.{number}.0/24").stdout.strip()
        if number not in taken and not known:
            return number
    raise UsageError("there are 254 labs already", fix="picluster lab list; picluster lab down")


def recorded_labs() -> list[Path]:
    """Return the directories of the labs that are recorded."""
    directory = labs_directory()
    if not directory.is_dir():
        return []
    return sorted(path.parent for path in directory.glob("*/lab.json"))


def save_lab(lab: LabLayout) -> None:
    """Record the lab, so that later commands find it."""
    lab.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = lab.directory / f".lab.json.{os.getpid()}"
    part.write_text(json.dumps(asdict(lab), default=str, indent=1))
    part.replace(lab.directory / "lab.json")


def read_lab(name: str) -> LabLayout:
    """Read a recorded lab. Raises `UsageError` if there is none of that name."""
    path = labs_directory() / name / "lab.json"
    if not path.is_file():
        known = ", ".join(lab.name for lab in recorded_labs()) or "none"
        raise UsageError(f"there is no lab {name!r}", fix=f"labs here: {known}")
    record = json.loads(path.read_text())
    nodes = tuple(
        LabNode(**{**node, "directory": Path(node["directory"])}) for node in record["nodes"]
    )
    paths = {key: Path(record[key]) for key in ("directory", "base")}
    return LabLayout(**{**record, **paths, "nodes": nodes})
