"""A root that forgets what is written to it is refused: everything would be gone after a reboot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.steps.looking import decide

from picluster.engine.probe import Observation
from picluster.engine.step import Blocked, Satisfied
from picluster.model import parse
from picluster.phases.preflight import preflight
from picluster.steps.preflight.root import ROOT, Root, RootKept

PI = "console=serial0,115200 root=PARTUUID=1-02 rootfstype=ext4 rootwait"
CARD = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n"
LAYER = "overlayroot / overlay rw,relatime,lowerdir=/media/root-ro,upperdir=/media/root-rw/o 0 0\n"


def seen(tmp_path: Path, cmdline: str, mounts: str) -> Root:
    """Return what the probe sees of a machine with these files in /proc."""
    (tmp_path / "cmdline").write_text(f"{cmdline}\n")
    (tmp_path / "mounts").write_text(mounts)
    script = ROOT.text.replace("/proc/", f"{tmp_path}/")
    done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, check=True)
    return ROOT.parse(Observation(out=done.stdout))


@pytest.mark.parametrize(
    ("cmdline", "mounts", "layer"),
    [
        (
            f"boot=overlay {PI}",
            "overlay / overlay rw,upperdir=/overlay/rw/upper 0 0\n",
            "boot=overlay",
        ),
        (f"overlayroot=tmpfs {PI}", LAYER, "overlayroot"),
        (PI, LAYER, "overlayroot"),
    ],
)
def test_every_way_to_an_overlay_is_seen(
    tmp_path: Path, cmdline: str, mounts: str, layer: str
) -> None:
    assert seen(tmp_path, cmdline, mounts).layer == layer


@pytest.mark.parametrize("cmdline", [PI, f"overlayroot=disabled {PI}", f"{PI} overlayroot="])
def test_a_card_is_a_card(tmp_path: Path, cmdline: str) -> None:
    assert (
        seen(tmp_path, cmdline, f"rootfs / rootfs ro 0 0\n{CARD}proc /proc proc ro 0 0\n") == Root()
    )


def test_a_container_on_an_overlay_of_its_own_is_no_such_thing(tmp_path: Path) -> None:
    assert seen(tmp_path, PI, "overlay / overlay rw,lowerdir=/a,upperdir=/b 0 0\n") == Root()


def test_a_root_that_cannot_be_written_to_is_seen(tmp_path: Path) -> None:
    assert seen(tmp_path, PI, CARD.replace("rw,", "ro,")).read_only


def test_an_overlay_is_refused_with_what_switches_it_off() -> None:
    decision = decide(RootKept(), "layer=boot=overlay")
    assert isinstance(decision, Blocked)
    assert "nothing would survive a reboot" in decision.reason
    assert "raspi-config nonint disable_overlayfs" in decision.fix


def test_a_read_only_root_is_refused() -> None:
    decision = decide(RootKept(), "read_only=yes")
    assert isinstance(decision, Blocked)
    assert "remount,rw" in decision.fix
    assert decide(RootKept()) == Satisfied()


def test_every_node_is_asked_before_anything_changes() -> None:
    cluster = parse("name: c\nnodes:\n- {name: pi1, address: 10.0.0.1, role: server}\n").cluster
    assert "root" in [step.name for step in preflight(cluster).steps_for("pi1")]
