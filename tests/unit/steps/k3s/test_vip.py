"""kube-vip's manifest: valid Kubernetes objects, written once, taken away with what it deployed."""

from __future__ import annotations

import base64
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from tests.unit.steps.k3s.looks import look
from tests.unit.steps.k3s.test_maintenance import SESSIONS

from picluster.engine.step import Call, Change, Decision, Observation, Satisfied
from picluster.model import Vip
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.vip import VipManifest, render

VIP = Vip(address="10.0.0.100")
API = ClusterApi((), SESSIONS, Path("/nonexistent"))


def decide(vip: Vip | None, present: str | None) -> Decision:
    text = "" if present is None else f"text={base64.b64encode(present.encode()).decode()}"
    return VipManifest(vip, API).decide(look("k3s-vip", own=Observation(out=text)))


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
    assert isinstance(decide(VIP, None), Change)
    assert isinstance(decide(VIP, "edited"), Change)
    assert decide(VIP, render(VIP)) == Satisfied()


def test_without_a_vip_nothing_is_left_of_an_earlier_one() -> None:
    decision = decide(None, render(VIP))
    assert isinstance(decision, Change)
    assert any(isinstance(action, Call) for action in decision.actions)
    assert decide(None, None) == Satisfied()
