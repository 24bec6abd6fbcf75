"""Longhorn: its manifest is changed as data, and nodes that cannot carry it are told in time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.steps.acting import HERE
from tests.unit.steps.looking import decide

from picluster.apps.longhorn.manifest import ManifestHere, adapted
from picluster.engine.step import Change, Satisfied
from picluster.errors import ActionFailed, ConfigInvalid
from picluster.model.storage import Longhorn
from picluster.steps.manifests.component import Unsettled
from picluster.steps.storage.readiness import FitForLonghorn, GiveUp

SETTING = "default-setting.yaml"
CLASS = """\
kind: StorageClass
apiVersion: storage.k8s.io/v1
metadata:
  name: longhorn
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: driver.longhorn.io
parameters:
  numberOfReplicas: "3"
  fsType: "ext4"
"""


def config(name: str, key: str, text: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "longhorn-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {key: text}}


def manifests() -> list[dict[str, Any]]:
    frontend = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "longhorn-frontend", "namespace": "longhorn-system"},
        "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": 80}]},
    }
    return [
        config("longhorn-default-setting", SETTING, "priority-class: longhorn-critical\n"),
        config("longhorn-storageclass", "storageclass.yaml", CLASS),
        frontend,
    ]


def held(objects: list[dict[str, Any]], name: str, key: str) -> dict[str, Any]:
    found = next(each for each in objects if each["metadata"]["name"] == name)
    return yaml.safe_load(found["data"][key])  # type: ignore[no-any-return]


def test_settings_are_merged_into_the_manifests_own() -> None:
    wanted = Longhorn(
        data_path="/mnt/disk/longhorn", only_labelled="yes", settings={"log-level": "Debug"}
    )
    settings = held(adapted(manifests(), wanted, 2), "longhorn-default-setting", SETTING)
    assert settings == {
        "priority-class": "longhorn-critical",
        "default-data-path": "/mnt/disk/longhorn",
        "default-replica-count": "2",
        "create-default-disk-labeled-nodes": "true",
        "log-level": "Debug",
    }


def test_what_is_of_backups_is_set_where_longhorn_reads_it() -> None:
    """Since 1.8 the backup target is a resource: as a setting it does nothing."""
    target = {"backup-target": "nfs://nas.lan:/backups", "log-level": "Debug"}
    resource = config("longhorn-default-resource", "default-resource.yaml", "")
    objects = adapted([*manifests(), resource], Longhorn(settings=target), 2)
    settings = held(objects, "longhorn-default-setting", SETTING)
    assert (settings["log-level"], "backup-target" in settings) == ("Debug", False)
    resources = held(objects, "longhorn-default-resource", "default-resource.yaml")
    assert resources == {"backup-target": "nfs://nas.lan:/backups"}
    older = held(
        adapted(manifests(), Longhorn(settings=target), 2), *("longhorn-default-setting", SETTING)
    )
    assert older["backup-target"] == "nfs://nas.lan:/backups"


def test_the_storage_class_keeps_as_many_copies_and_its_other_parameters() -> None:
    made = held(
        adapted(manifests(), Longhorn(default_class="no"), 2),
        "longhorn-storageclass",
        "storageclass.yaml",
    )
    assert made["parameters"] == {"numberOfReplicas": "2", "fsType": "ext4"}
    flag = "storageclass.kubernetes.io/is-default-class"
    assert made["metadata"]["annotations"] == {flag: "false"}


def test_the_web_interface_is_closed_unless_it_has_a_port() -> None:
    assert adapted(manifests(), Longhorn(), 1)[2] == manifests()[2]
    spec = adapted(manifests(), Longhorn(ui_port="30800"), 1)[2]["spec"]
    assert (spec["type"], spec["ports"][0]["nodePort"]) == ("NodePort", 30800)


def test_the_same_settings_give_the_same_text() -> None:
    assert adapted(manifests(), Longhorn(), 3) == adapted(manifests(), Longhorn(), 3)


def test_a_manifest_that_is_not_longhorns_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="longhorn-default-setting"):
        adapted(manifests()[1:], Longhorn(), 1)


def test_the_manifest_is_taken_from_where_it_is(tmp_path: Path) -> None:
    cache, airgap = tmp_path / "cache", tmp_path / "airgap"
    airgap.mkdir()
    step = ManifestHere(Longhorn(), cache, airgap)
    assert step.path == cache / f"longhorn-{Longhorn().version}.yaml"
    with pytest.raises(Unsettled):
        step.read()
    (airgap / "longhorn.yaml").write_text(yaml.safe_dump_all(manifests()))
    assert step.path == airgap / "longhorn.yaml"
    assert len(step.read()) == 3
    (tmp_path / "mine.yaml").touch()
    named = Longhorn(manifest=tmp_path / "mine.yaml")
    assert ManifestHere(named, cache, airgap).path == tmp_path / "mine.yaml"


@pytest.mark.parametrize("fits", [True, False])
def test_a_manifest_has_the_digest_that_the_file_says(tmp_path: Path, fits: bool) -> None:
    text = yaml.safe_dump_all(manifests())
    (tmp_path / "mine.yaml").write_text(text if fits else f"{text}# and more\n")
    digest = hashlib.sha256(text.encode()).hexdigest()
    step = ManifestHere(
        Longhorn(manifest=tmp_path / "mine.yaml", manifest_sha256=digest), tmp_path / "cache"
    )
    if fits:
        assert len(step.read()) == 3
        return
    with pytest.raises(ConfigInvalid, match="checksum of Longhorn's manifest is wrong"):
        step.read()


def test_what_was_fetched_without_a_digest_is_not_taken_for_what_has_it(tmp_path: Path) -> None:
    pinned = Longhorn(manifest_sha256="0" * 64)
    assert ManifestHere(pinned, tmp_path).path != ManifestHere(Longhorn(), tmp_path).path


@pytest.mark.parametrize("text", ["- a", "a: [", "&a [*a]", "2026-02-31", "[" * 200 + "]" * 200])
def test_settings_inside_the_manifest_that_are_no_mapping_are_refused(text: str) -> None:
    broken = manifests()
    for each in broken[:2]:
        each["data"] = dict.fromkeys(each["data"], text)
    with pytest.raises(ConfigInvalid, match="is not YAML"):
        adapted(broken, Longhorn(), 1)


# ------------------------------------------------------------------ nodes

FIT = {
    "iscsid": "active",
    "container": "none",
    "iscsi_tcp": "yes",
    "nfs": "yes",
    "multipathd": "inactive",
    "propagation": "shared",
    "free": str(100 * 10**9),
}


def judged(**changed: str | None) -> Any:
    facts = {key: value for key, value in {**FIT, **changed}.items() if value is not None}
    lines = (f"{key}={value}" for key, value in facts.items())
    return decide(FitForLonghorn("pi1", "/var/lib/longhorn"), *lines)


def test_a_node_with_all_it_takes_is_fit() -> None:
    assert judged() == Satisfied()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"iscsid": "inactive"}, "iscsid does not run"),
        ({"iscsi_tcp": None}, "no iscsi_tcp"),
        ({"multipathd": "active"}, "multipathd would grab"),
        ({"propagation": "private"}, "not shared"),
        ({"free": "1000"}, "0.0 GB are free"),
    ],
)
def test_a_node_that_cannot_carry_longhorn_fails_with_cause_and_fix(
    changed: dict[str, str | None], said: str
) -> None:
    decision = judged(**changed)
    assert isinstance(decision, Change)
    assert said in decision.reason
    (action,) = decision.actions
    assert isinstance(action, GiveUp)
    with pytest.raises(ActionFailed) as caught:
        action.perform(HERE)
    assert said in caught.value.why
    assert caught.value.fix


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"nfs": None}, "no NFS client"),
        ({"free": str(5 * 10**9)}, "only 5.0 GB"),
        ({"container": "lxc", "iscsid": "inactive", "iscsi_tcp": None}, "is a container"),
    ],
)
def test_what_is_merely_doubtful_is_a_warning(changed: dict[str, str | None], said: str) -> None:
    decision = judged(**changed)
    assert isinstance(decision, Satisfied)
    assert said in decision.warning


def test_a_blacklist_makes_multipath_harmless() -> None:
    assert judged(multipathd="active", blacklist="yes") == Satisfied()
