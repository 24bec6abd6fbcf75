"""Lab up, down and list: from nothing to booted nodes and a cluster file that names them."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.errors import StepFailed, UsageError
from picluster.lab import background, identity, network, requirements
from picluster.lab.base_tree import SUITE, Report, base_tree
from picluster.lab.cluster_file import NOTICE_FILE, render
from picluster.lab.inside import run_inside
from picluster.lab.layout import (
    LabLayout,
    LabNode,
    labs_directory,
    plan_lab,
    read_lab,
    recorded_labs,
    save_lab,
    trees_directory,
)
from picluster.lab.serve import url
from picluster.lab.slow_disk import relieve
from picluster.lab.supervise import power_off, power_on
from picluster.lab.waiting import Aloud, becomes
from picluster.local_files import write_private
from picluster.paths import kept_of

_LOCK = Path("/run/lock/picluster-lab")
_BOOT_SECONDS = 60.0
_OFF_SECONDS = 30.0
_POLL_SECONDS = 0.1
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What lab to have: how many nodes, what to serve them, where to write the cluster file.

    `image` is a node's card to copy (see `keep_card`); without one they begin with empty cards.
    `debian` is the release that they run.
    """

    name: str
    nodes: int
    servers: int
    artifacts: Path | None
    output: Path
    image: Path | None = None
    debian: str = SUITE


def up(wish: Wish, report: Report) -> LabLayout:
    """Boot the lab's nodes and write its cluster file. Idempotent: what runs is left alone.

    Raises `PreflightRefused` if this computer cannot run it, `UsageError` if there is a lab of
    that name with other nodes, and `StepFailed` with the console of a node that does not boot.
    """
    requirements.check()
    with alone():
        lab = _existing(wish) or _plan(wish, base_tree(trees_directory(), wish.debian, report))
        save_lab(lab)
        identity.make_login_key(lab)
        network.lay_cables(lab)
    _serve(lab)
    report(f"booting {len(lab.nodes)} nodes")
    _each(lab.nodes, lambda node: _start(lab, node))
    _each(lab.nodes, lambda node: wait_until_booted(node, report))
    trust(lab, lab.nodes)
    _write_cluster_file(lab, wish.output)
    return lab


@contextmanager
def alone() -> Iterator[None]:
    """Wait for another lab that is being laid out: both would take the same free subnet."""
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def down(name: str) -> None:
    """Switch the lab's nodes off and remove all that is left of it. Raises `UsageError`."""
    requirements.check()
    lab = read_lab(name)
    _each(lab.nodes, relieve)
    _each(lab.nodes, power_off)
    _each(lab.nodes, identity.unmount)
    server = background.recorded(_server_record(lab), "server")
    if server is not None:
        background.end(server)
    network.remove_cables(lab)
    shutil.rmtree(lab.directory)


def keep_card(node: LabNode, image: Path) -> None:
    """Switch the node off as its user would, and keep its card as an image that others begin with.

    Raises `StepFailed` if it does not go off.
    """
    run_inside(node, "systemctl poweroff")
    if not becomes(lambda: not node.power.exists(), _OFF_SECONDS):
        raise StepFailed(
            f"{node.name} does not go off",
            where=str(node.console),
            fix="is this computer busy? its console log says what it waits for",
        )
    identity.copy_card(node.card, image)


def labs() -> list[LabLayout]:
    """Return every lab on this computer."""
    return [read_lab(path.name) for path in recorded_labs()]


def wait_until_booted(node: LabNode, report: Report) -> None:
    """Wait until the node has finished booting. Raises `StepFailed` with its console."""

    def system() -> str:
        try:
            return run_inside(node, "systemctl is-system-running").stdout.strip()
        except StepFailed:
            return ""

    def judge(state: str) -> Verdict:
        if state in ("running", "degraded"):
            return Done()
        return Waiting(f"{node.name}: systemd says {state or 'nothing yet'}")

    wait_until(
        f"{node.name} has not booted",
        system,
        judge,
        timeout=_BOOT_SECONDS,
        progress=Aloud(report),
        interval=_POLL_SECONDS,
        where=str(node.console),
        fix="is this computer busy, or its disk full? `picluster lab up` goes on from here",
        evidence=lambda: "\n".join(node.console.read_text(errors="replace").splitlines()[-10:]),
    )
    report(f"{node.name} is up at {node.address}")


def trust(lab: LabLayout, nodes: Iterable[LabNode]) -> None:
    """Pin the present host keys of nodes: the lab made them, so it knows them first-hand."""
    pins = kept_of(lab.name).known_hosts
    addresses = {node.address for node in nodes}
    kept = [
        line
        for line in (pins.read_text().splitlines() if pins.exists() else [])
        if line.split(maxsplit=1)[:1] and line.split(maxsplit=1)[0] not in addresses
    ]
    fresh = [identity.host_key_lines(node) for node in nodes]
    write_private(pins, "".join(f"{line}\n" for line in kept) + "".join(fresh))


def _existing(wish: Wish) -> LabLayout | None:
    if not (labs_directory() / wish.name / "lab.json").exists():
        return None
    lab = read_lab(wish.name)
    servers = sum(node.role == "server" for node in lab.nodes)
    if (len(lab.nodes), servers) != (wish.nodes, wish.servers):
        raise UsageError(
            f"there is a lab {lab.name} already, with {len(lab.nodes)} nodes, {servers} servers",
            fix=f"picluster lab down --name {lab.name}, or give this one another --name",
        )
    return lab


def _plan(wish: Wish, base: Path) -> LabLayout:
    notice = ""
    if wish.artifacts is not None and (wish.artifacts / "NOTICE").exists():
        notice = (wish.artifacts / "NOTICE").read_text().strip()
    artifacts = str(wish.artifacts.resolve()) if wish.artifacts else ""
    return plan_lab(
        wish.name,
        wish.nodes,
        wish.servers,
        base,
        notice=notice,
        artifacts=artifacts,
        image=str(wish.image or ""),
    )


def _start(lab: LabLayout, node: LabNode) -> None:
    if not node.card.exists():
        identity.flash(lab, node)
    power_on(lab, node)


def _server_record(lab: LabLayout) -> Path:
    return lab.directory / "server.json"


def _serve(lab: LabLayout) -> None:
    record = _server_record(lab)
    if not lab.artifacts or background.recorded(record, "server") is not None:
        return
    log = lab.directory / "server.log"
    server = background.start("picluster.lab.serve", lab.gateway, lab.artifacts, log=log)
    background.record(record, server=server)


def _write_cluster_file(lab: LabLayout, output: Path) -> None:
    """Write the cluster file unless there is one already: by then it is the user's."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if lab.notice:
        output.with_name(NOTICE_FILE).write_text(f"{lab.notice}\n")
    if output.exists() and str(lab.nodes[0].address) in output.read_text():
        return
    if output.exists():
        raise UsageError(
            "there is a file already, and it is not of this lab",
            where=str(output),
            fix="move it away, or give another --output",
        )
    output.write_text(render(lab, url(lab.gateway) if lab.artifacts else ""))


def _each(nodes: Iterable[LabNode], action: Callable[[LabNode], object]) -> None:
    """Do it to every node, several at a time; the first failure is raised when all are done."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(action, node) for node in nodes]:
            done.result()
