"""Images of an air-gap directory on a node: those for its processor, each content once."""

from __future__ import annotations

from pathlib import Path

from tests.unit.steps.k3s.looks import printed
from tests.unit.steps.looking import decide_from

from picluster.engine.step import Change, Run, Satisfied
from picluster.model import Cluster, parse
from picluster.phases.k3s import image_steps
from picluster.steps.k3s.images import ARCHIVES, ImagesThere
from picluster.steps.k3s.state import STATE
from picluster.steps.saved_images import AirGap, write_sums
from picluster.steps.spread import Spread

WEB, VIP = "docker.io_own_web_1.tar", "ghcr.io_kube-vip_kube-vip_v1.2.3.tar"
SAVED = AirGap(
    Path("/gap"),
    {
        f"images/arm64/{WEB}": "a" * 64,
        f"images/arm64/{VIP}": "b" * 64,
        f"images/amd64/{WEB}": "c" * 64,
        "docker/docker.io_library_registry_2.tar": "d" * 64,
        "k3s-arm64": "e" * 64,
    },
)
IMAGES = "/var/lib/rancher/k3s/agent/images"
WEB_THERE = f"picluster-{WEB[:-4]}-{'a' * 12}.tar"
VIP_THERE = f"picluster-{VIP[:-4]}-{'b' * 12}.tar"


def decide(*there: str, step: ImagesThere = ImagesThere(SAVED)) -> object:  # noqa: B008 - frozen
    return decide_from(step, frozenset(there), {STATE.name: printed(arch="arm64")})


def test_a_bare_node_gets_those_for_its_processor() -> None:
    assert decide() == Change(
        "send 2 archives of images",
        (
            Spread(Path(f"/gap/images/arm64/{WEB}"), f"{IMAGES}/{WEB_THERE}", "a" * 64),
            Spread(Path(f"/gap/images/arm64/{VIP}"), f"{IMAGES}/{VIP_THERE}", "b" * 64),
        ),
        reason="the node can pull none of them",
    )


def test_what_is_there_is_not_sent_again() -> None:
    assert decide(WEB_THERE, VIP_THERE) == Satisfied(detail="2 archives")


def test_another_content_is_another_file_and_the_former_goes() -> None:
    former = WEB_THERE.replace("aaa", "000")
    decision = decide(former, VIP_THERE)
    assert isinstance(decision, Change)
    assert decision.summary == "send 1 archive of images and remove 1 of former ones"
    assert decision.actions == (
        Run(f"rm -f {IMAGES}/{former}"),
        Spread(Path(f"/gap/images/arm64/{WEB}"), f"{IMAGES}/{WEB_THERE}", "a" * 64),
    )


def test_what_others_put_there_is_not_looked_at(tmp_path: Path) -> None:
    """The shell is run: it names picluster's own archives, and no others."""
    from tests.doubles.tool_doubles import run_with  # noqa: PLC0415

    images = tmp_path / "images"
    images.mkdir()
    for name in (WEB_THERE, "mine.tar", "k3s-airgap-images-arm64.tar.zst"):
        (images / name).touch()
    done = run_with(tmp_path / "tools", ARCHIVES.text.replace(IMAGES, str(images)))
    assert done.stdout.splitlines() == [f"archive={WEB_THERE}"]


def cluster_of(directory: Path) -> Cluster:
    return parse(
        "name: home\n"
        "nodes:\n"
        "  - {name: pi1, address: 10.0.0.1, role: server}\n"
        "  - {name: pi2, address: 10.0.0.2, role: agent}\n"
        "k3s:\n"
        f"  airgap_dir: {directory}\n"
        "  vip: {address: 10.0.0.9, image: 'ghcr.io/kube-vip/kube-vip:v1.2.3'}\n"
    ).cluster


def test_kube_vip_is_sent_to_servers_alone(tmp_path: Path) -> None:
    write_sums(tmp_path, SAVED.sums)
    cluster = cluster_of(tmp_path)
    saved = AirGap(tmp_path, SAVED.sums)
    assert image_steps(cluster, cluster.node("pi1")) == [ImagesThere(saved)]
    assert image_steps(cluster, cluster.node("pi2")) == [ImagesThere(saved, frozenset((VIP,)))]
    without = ImagesThere(SAVED, frozenset((VIP,)))
    assert decide(WEB_THERE, step=without) == Satisfied(detail="1 archive")


def test_a_directory_made_by_hand_sends_none(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path)
    assert image_steps(cluster, cluster.node("pi1")) == []
