"""kube-vip's manifest: valid Kubernetes objects, written once, taken away with what it deployed."""

from __future__ import annotations

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from tests.unit.steps.looking import decide_from

from picluster.engine.step import Change, Decision, Run, Satisfied, WriteFile
from picluster.facts.files import FileState
from picluster.model import Vip
from picluster.steps.k3s.paths import VIP_MANIFEST
from picluster.steps.k3s.vip import DeleteKubeVip, VipManifest, render

VIP = Vip(address="10.0.0.100")


def decide(vip: Vip | None, present: str | None) -> Decision:
    file = FileState() if present is None else FileState("600 root:root", content=present)
    return decide_from(VipManifest(vip), file)


@pytest.mark.parametrize("version", ["1.32", "1.33"])
def test_every_object_fits_the_published_schemas(version: str) -> None:
    for found in yaml.safe_load_all(render(VIP)):
        kubernetes_validate.validate(found, version, strict=True)


def test_the_address_and_the_interface_reach_kube_vip() -> None:
    *_, daemon_set = yaml.safe_load_all(render(Vip(address="10.0.0.100", interface="eth0")))
    container = daemon_set["spec"]["template"]["spec"]["containers"][0]
    settings = {each["name"]: each.get("value") for each in container["env"]}
    assert settings["address"] == "10.0.0.100"
    assert settings["vip_interface"] == "eth0"
    assert settings["cp_enable"] == "true"


def test_a_missing_or_edited_manifest_is_written() -> None:
    write = WriteFile(VIP_MANIFEST, render(VIP), 0o600)
    for present in (None, "edited"):
        decision = decide(VIP, present)
        assert isinstance(decision, Change)
        assert decision.actions == (write,)
    assert decide(VIP, render(VIP)) == Satisfied()


def test_without_a_vip_nothing_is_left_of_an_earlier_one() -> None:
    decision = decide(None, render(VIP))
    assert isinstance(decision, Change)
    assert decision.actions == (Run(f"rm -f {VIP_MANIFEST}"), DeleteKubeVip())
    assert decide(None, None) == Satisfied()
