"""Every command that README and docs show is run on a lab, in the order of a cluster's life.

K3s is the lab's stand-in, and Longhorn's manifest a double: what is tested is that each command
does what its page says, not what runs in pods.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.lab import registry_image, rehearsal
from picluster.lab.layout import read_lab, recorded_labs
from picluster.model.k3s import DEFAULT_VERSION
from picluster.paths import cluster_state
from tests.documented import documented_calls
from tests.lab.bench import Bench
from tests.lab.terminal import terminal

PICLUSTER = [sys.executable, "-m", "picluster"]
LONGHORN = Path(__file__).parent / "manifests" / "longhorn_like.yaml"
INVENTORY = """\
[k3s_master]
old1 ansible_host=10.0.0.11
[k3s_agents]
old2 ansible_host=10.0.0.12
"""
WEB = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {colour: green}\n"
REFUSED, UNREACHED = 2, 4


@dataclass(slots=True)
class Desk:
    """Where somebody sits who works through the documentation, with a lab called box."""

    directory: Path
    artifacts: Path

    @property
    def file(self) -> Path:
        return self.directory / "box" / "cluster.yaml"

    @property
    def bench(self) -> Bench:
        return Bench(read_lab("box"), self.file)

    def snapshot(self) -> str:
        """Return the name of the snapshot that `snapshot save` copied here."""
        (saved,) = (self.state / "snapshots").glob("*by-hand*")
        return saved.name

    @property
    def state(self) -> Path:
        return cluster_state("box")


Before = Callable[[Desk], Mapping[str, str] | None]
"""Prepares a command; what it returns is filled into the command's words."""


@dataclass(frozen=True)
class Row:
    """Calls as pages show them, and the one that stands for them here.

    `types` are lines for its questions, for which it gets a terminal; `says` has to be in its
    output, and `code` is how it ends.
    """

    shown: tuple[str, ...]
    words: str
    says: str = ""
    code: int = 0
    types: tuple[str, ...] = ()
    before: Before = lambda desk: None
    after: Before = lambda desk: None


def sections(desk: Desk) -> None:
    """Add what the pages of registry, storage, images and applications tell to add."""
    (desk.directory / "web.yaml").write_text(WEB)
    desk.file.write_text(
        f"{desk.file.read_text()}longhorn: {{manifest: {LONGHORN}}}\n"
        f"apps:\n  - {{name: web, path: {desk.directory / 'web.yaml'}, namespace: own}}\n"
    )


def registry(desk: Desk) -> None:
    """Give the cluster a registry, from an air-gap directory as its page tells."""
    airgap = desk.directory / "airgap"
    shutil.copytree(desk.artifacts / DEFAULT_VERSION, airgap)
    shutil.copy(desk.artifacts / "install.sh", airgap)
    registry_image.build(desk.bench.lab.base, airgap / registry_image.ARCHIVE)
    desk.file.write_text(
        f"{desk.file.read_text()}  airgap_dir: {airgap}\nregistry: {{node: box1}}\n"
    )


def joined_again(desk: Desk) -> None:
    desk.bench.picluster("up")


def inventory(desk: Desk) -> None:
    (desk.directory / "inventory").mkdir()
    (desk.directory / "inventory" / "production.yml").unlink(missing_ok=True)
    (desk.directory / "inventory" / "hosts.ini").write_text(INVENTORY)


def half_a_drift(desk: Desk) -> None:
    desk.bench.node(2).sh("rm /etc/sysctl.d/99-k3s.conf")


def trusted(desk: Desk) -> None:
    lab = desk.bench.lab
    rehearsal.trust(lab, list(lab.nodes))


def reflashed(desk: Desk) -> None:
    desk.bench.reflash(desk.bench.node(4))


def snapshot(desk: Desk) -> Mapping[str, str]:
    return {"NAME": desk.snapshot()}


def on_a_server(desk: Desk) -> Mapping[str, str]:
    """A snapshot that only a server has: the copy here goes, as after a new computer."""
    listed = json.loads(run(desk, "snapshot list --json")[1])
    there = {each["name"] for each in listed["servers"]}
    name = min(name for name in there if "by-hand" in name)
    for kept in (desk.state / "snapshots").glob("*by-hand*"):
        shutil.rmtree(kept)
    return {"NAME": name}


def directory(desk: Desk) -> Mapping[str, str]:
    return {"DIRECTORY": str(desk.state / "snapshots" / desk.snapshot())}


def list_of_images(desk: Desk) -> None:
    """K3s's release page has a list of its images; the stand-in's has none, as it runs none."""
    listed = desk.artifacts / DEFAULT_VERSION / "k3s-images.txt"
    listed.write_text("docker.io/rancher/mirrored-pause:3.6\n")


def no_list_of_images(desk: Desk) -> None:
    (desk.artifacts / DEFAULT_VERSION / "k3s-images.txt").unlink()


LIFE = (
    Row(("version",), "version", "picluster 0."),
    Row(("--help",), "--help", "From a box of Raspberry Pis"),
    Row(("schema",), "schema", '"$schema"'),
    Row(("explain FIELD", "explain [FIELD]"), "explain k3s.version", "The exact K3s release"),
    Row(("completion SHELL",), "completion bash", "complete"),
    Row(
        ("init",),
        "init --output asked.yaml",
        "wrote asked.yaml; next: picluster validate -f asked.yaml",
        types=("home", "", "pi1=10.0.0.11", "", "1", "pi", ""),
    ),
    Row(
        ("init --from-ansible inventory/production.yml",),
        "init --from-ansible inventory/hosts.ini --output old.yaml",
        "nodes, from the groups of servers and agents",
        before=inventory,
    ),
    Row(
        (
            "lab",
            "lab up",
            "lab up --debian trixie",  # test_card runs it
            "lab up --name box --nodes 4 --servers 3 --output box/cluster.yaml",
        ),
        "lab up --name box --nodes 4 --servers 3 --output box/cluster.yaml --serve ARTIFACTS",
        "4 nodes are up",
    ),
    Row(("lab list",), "lab list", "box4"),
    Row(("config show",), "config show", "box/cluster.yaml"),
    Row(("image", "image NODE", "image pi1"), "image box1", "picluster up"),
    Row(
        ("image pi1 --output /media/me/bootfs",),
        "image box1 --output bootfs",
        "bootfs/user-data: written",
    ),
    Row(("validate",), "validate", "fit for `picluster up`"),
    Row(("doctor", "doctor [--fix]"), "doctor", "box1: "),
    # --check would ask the internet, where no test goes.
    Row(("versions", "versions [--check]"), "versions", "in the file"),
    Row(("plan",), "plan", "changes to make"),
    Row(("up --dry-run",), "up --dry-run", "changes to make"),
    Row(("diff",), "diff", "+++ "),
    Row(("phase bootstrap",), "phase bootstrap", "nothing to do"),
    Row(("phase prepare",), "phase prepare", "next: picluster validate"),
    Row(("phase NAME", "phase k3s"), "phase k3s", "next: picluster validate"),
    Row(("up", "up -f box/cluster.yaml"), "up -f box/cluster.yaml", "up: "),
    Row(("up --json",), "up --json", '"event": "RunFinished"'),
    Row(("phase NAME --json",), "phase prepare --json", '"event": "RunFinished"'),
    Row(("up --until prepare",), "up --until prepare", "nothing to do"),
    # To save would ask the internet, where no test goes; test_apps saves from a double of it.
    Row(
        ("images", "images list", "images save", "images save DIR", "images save airgap"),
        "images list",
        "docker.io/rancher/mirrored-pause:3.6",
        before=list_of_images,
        after=no_list_of_images,
    ),
    Row(("up --limit NODE",), "up --limit box2", "nothing to do"),
    Row(
        ("up --format-disk pi1:/dev/disk/by-id/usb-Samsung_T7_0123456789-0:0",),
        "up --format-disk box1:/dev/disk/by-id/usb-Samsung_T7_0123456789-0:0",
        "box1 has no such disk in the cluster file",
        REFUSED,
    ),
    Row(("doctor --fix",), "doctor --fix", "box2: ", before=half_a_drift),
    Row(("doctor --json --node pi2",), "doctor --json --node box2", '"ok": true'),
    Row(("status",), "status", "box: healthy, 4 of 4 nodes Ready"),
    Row(("logs", "logs [RUN]"), "logs", "ended with exit code 0"),
    Row(("logs --json",), "logs --json", '"event": "RunStarted"'),
    Row(("report", "report [RUN]"), "report", "report.html"),
    Row(("support-bundle",), "support-bundle", "passwords, tokens and keys were taken out"),
    Row(("ssh", "ssh NODE"), "ssh box2", "box2", types=("hostname", "exit")),
    Row(("exec -- CMD", "exec -- COMMAND"), "exec -- hostname", "box3: box3"),
    Row(("kubeconfig",), "kubeconfig", "--merge puts it into"),
    Row(("phase registry",), "phase registry", "next: picluster validate", before=registry),
    Row(("registry list",), "registry list", "1 image in 1 repository"),
    Row(("registry gc",), "registry gc", "freed 0 bytes"),
    Row(("phase build", "phase build -v"), "phase build -v", "nothing to do"),
    Row(("phase rancher",), "phase rancher", "nothing to do"),
    Row(("phase longhorn",), "phase longhorn", "next: picluster validate", before=sections),
    Row(("deploy", "deploy [--fix]"), "deploy", "next: picluster validate"),
    Row(("deploy --fix",), "deploy --fix", "next: picluster validate"),
    Row(("credentials",), "credentials", "no application that one logs in to", 1),
    Row(("snapshot save",), "snapshot save --name by-hand", "snapshot"),
    Row(("snapshot list",), "snapshot list", "by-hand"),
    Row(("snapshot pull NAME",), "snapshot pull NAME", "by-hand", before=on_a_server),
    Row(
        ("snapshot restore", "snapshot restore NAME"),
        "snapshot restore NAME",
        "next: picluster validate",
        types=("box",),
        before=snapshot,
    ),
    Row(
        ("snapshot restore DIRECTORY",),
        "snapshot restore DIRECTORY",
        "next: picluster validate",
        types=("box",),
        before=directory,
    ),
    Row(("restart",), "restart", "next: picluster validate"),
    Row(("restart --node NODE",), "restart --node box2", "next: picluster validate"),
    Row(("upgrade --dry-run",), "upgrade --dry-run", "nothing to do"),
    Row(("upgrade",), "upgrade", "nothing to do"),
    Row(
        ("lab break FAULT NODE", "lab break cut box3 --name box"),
        "lab break cut box3 --name box",
        "box3",
    ),
    Row(
        ("lab mend NODE", "lab mend box3 --name box"),
        "lab mend box3 --name box",
        "box3 is mended",
    ),
    Row(
        ("known-hosts forget NODE",),
        "known-hosts forget box2",
        "box2: forgotten",
        after=trusted,
    ),
    Row(
        ("node replace", "node replace NODE"),
        "node replace box4",
        "next: picluster validate",
        types=("yes",),
        before=reflashed,
    ),
    Row(
        (
            "node remove",
            "node remove NODE",
            "node remove NODE --lose-volume NAMESPACE/CLAIM",
        ),
        "node remove box4 --lose-volume own/nothing",
        "next: picluster",
        types=("box4",),
        after=joined_again,
    ),
    Row(
        ("reset --node NODE",),
        "reset --node box4",
        "next: picluster",
        types=("box4",),
    ),
    Row(("reset --dry-run",), "reset --dry-run", "box1"),
    Row(("reset --data",), "reset --data", "next: picluster up", types=("box",)),
    Row(("reset",), "reset", "nothing to do"),
    Row(("lab down", "lab down --name box"), "lab down --name box", "the lab box is gone"),
)


@pytest.fixture(scope="module")
def desk(home: Path, artifacts: Path) -> Iterator[Desk]:
    """An empty directory; the lab that is made in it does not outlive the tests."""
    place = home / "desk"
    place.mkdir()
    try:
        yield Desk(place, artifacts)
    finally:
        if "box" in [lab.name for lab in recorded_labs()]:
            rehearsal.down("box")


def run(desk: Desk, words: str) -> tuple[int, str]:
    """Run a command without a terminal."""
    environment = os.environ | {"PICLUSTER_FILE": "box/cluster.yaml"}
    done = subprocess.run(
        [*PICLUSTER, *words.split()],
        cwd=desk.directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def run_and_type(desk: Desk, words: str, lines: tuple[str, ...]) -> tuple[int, str]:
    """Run a command in a terminal, and answer each question when it stands there."""
    more = {"PICLUSTER_FILE": "box/cluster.yaml"}
    with terminal([*PICLUSTER, *words.split()], desk.directory, 120, more=more) as opened:
        for line in lines:
            opened.wait_still()
            opened.type(line)
        return opened.status(), opened.screen()


@pytest.mark.parametrize("row", LIFE, ids=[row.words for row in LIFE])
def test_what_the_pages_show_does_what_they_say(row: Row, desk: Desk) -> None:
    words = row.words
    filled = {"ARTIFACTS": str(desk.artifacts), **(row.before(desk) or {})}
    for name, value in filled.items():
        words = words.replace(name, value)
    code, said = run_and_type(desk, words, row.types) if row.types else run(desk, words)
    assert code == row.code, f"`picluster {words}` ended with {code}:\n{said[-3000:]}"
    assert row.says in said, f"`picluster {words}` said:\n{said[-3000:]}"
    assert "Traceback" not in said
    row.after(desk)


def test_every_command_of_the_pages_is_run_here() -> None:
    run_here = {call for row in LIFE for call in row.shown}
    shown = documented_calls()
    assert shown - run_here == set(), "shown on a page, and not run"
    assert run_here - shown == set(), "run for a page that shows it no more"
