"""Data that one node alone has: who is told of what, and what nobody loses unasked."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.progress import ProgressDouble
from tests.unit.kube.cluster_objects import (
    local_path,
    longhorn_volume,
    node,
    persistent,
    pod,
    replica,
)
from tests.unit.steps.acting import decided, done, place
from tests.unit.steps.k3s.looks import NEW, OLD, printed

from picluster.engine.step import Blocked, Change, Decision, Risk, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.apply import apply
from picluster.kube.errors import NotFound
from picluster.kube.nodes import NodeState
from picluster.kube.volumes import Stored, stored_in
from picluster.steps.k3s.leftovers import OwnNetwork, Traces
from picluster.steps.k3s.maintenance import Drained
from picluster.steps.k3s.reset_volumes import VolumesAtReset
from picluster.steps.k3s.restart import Restarted
from picluster.steps.k3s.service import READY, Arrival, Registered
from picluster.steps.k3s.state import STATE
from picluster.steps.k3s.uninstall import UNINSTALLED, Installation, Uninstalled
from picluster.steps.storage.only_copies import GivenUp, GiveVolumeUp, LossesNamed, VolumeConsents
from picluster.steps.storage.stored_data import STORED, NotKnown, StoredBeforeUpgrade

PHOTOS, DATABASE = "own/photos", "tak/data-postgres-0"
NOBODY = VolumeConsents()
LOSE, KEEP = VolumeConsents(lose=frozenset({DATABASE})), VolumeConsents(keep=frozenset({DATABASE}))


def database() -> Stored:
    """A cluster whose database is on pi4 alone."""
    return stored_in(
        [node("pi1"), node("pi4")],
        [local_path(DATABASE, "pi4")],
        [pod("tak/postgres-0", "pi4", claim="data-postgres-0")],
        [],
    )


def seen(step: Any, stored: Stored | NotKnown, **survey: dict[str, object]) -> Decision:
    observed = {CLUSTER: {STORED.name: stored}, **survey}
    target = next(iter(survey), CLUSTER)
    return step.decide(Look(target, step.name, observed))  # type: ignore[no-any-return]


# ------------------------------------------------------------------ a node that leaves


def test_the_only_copy_is_refused_naming_claim_application_and_the_exact_option() -> None:
    decision = seen(LossesNamed("pi4", NOBODY), database())
    assert isinstance(decision, Blocked)
    assert decision.reason == (
        "pi4 has the only copy of tak/data-postgres-0 (5Gi, local); "
        "StatefulSet tak/postgres could not start on any other node"
    )
    assert decision.fix.startswith("copy what you need of it first; then give it up with")
    assert "if a pi4 with that data comes back" in decision.fix
    assert "`--lose-volume tak/data-postgres-0`" in decision.fix
    assert "`--keep-volume tak/data-postgres-0`" in decision.fix
    assert seen(LossesNamed("pi1", NOBODY), database()) == Satisfied()


def test_every_volume_has_to_be_named() -> None:
    both = stored_in(
        [node("pi4")], [local_path(DATABASE, "pi4"), local_path(PHOTOS, "pi4")], [], []
    )
    decision = seen(LossesNamed("pi4", LOSE), both)
    assert isinstance(decision, Blocked)
    assert "no pod uses it now" in decision.reason
    assert "`--lose-volume own/photos`" in decision.fix
    assert DATABASE not in decision.reason + decision.fix


def test_a_machine_that_is_no_more_had_it() -> None:
    decision = seen(LossesNamed("pi4", NOBODY, "the former pi4"), database())
    assert isinstance(decision, Blocked)
    assert decision.reason == (
        "the former pi4 had the only copy of tak/data-postgres-0 (5Gi, local); "
        "StatefulSet tak/postgres would wait for it, or start on an empty directory"
    )
    assert decision.fix.startswith("give it up with"), "there is nothing left to copy"
    assert "if its disk is in pi4 again" in decision.fix


def test_what_is_not_known_is_not_lost() -> None:
    decision = seen(LossesNamed("pi4", LOSE), NotKnown("the Kubernetes API is not available"))
    assert isinstance(decision, Blocked)
    assert "not known: the Kubernetes API is not available" in decision.reason
    assert seen(GivenUp("pi4", LOSE), NotKnown("it is away")) == Satisfied()


def test_a_volume_that_waits_for_its_node_is_told_and_left_alone() -> None:
    decision = seen(LossesNamed("pi4", KEEP), database())
    assert isinstance(decision, Satisfied)
    assert "tak/data-postgres-0 stays bound to pi4: StatefulSet tak/postgres" in decision.warning
    assert seen(GivenUp("pi4", KEEP), database()) == Satisfied()


def test_a_volume_that_is_given_up_is_a_loss_of_data_in_the_plan() -> None:
    decision = seen(GivenUp("pi4", LOSE), database())
    assert isinstance(decision, Change)
    assert decision.risk is Risk.DATA_LOSS
    assert decision.retry_safe
    assert decision.summary == "give up tak/data-postgres-0 (5Gi, local)"
    assert decision.reason == (
        "--lose-volume names tak/data-postgres-0: StatefulSet tak/postgres starts anew, empty"
    )
    assert decision.actions == (GiveVolumeUp(("tak", "data-postgres-0"), "pvc-data-postgres-0"),)


def test_only_this_nodes_volumes_are_given_up() -> None:
    assert seen(GivenUp("pi1", LOSE), database()) == Satisfied()


def test_longhorn_deletes_its_own_volume_and_what_nobody_claims_is_only_deleted() -> None:
    claimed = longhorn_volume(PHOTOS, "vol")
    kept = local_path("own/old", "pi4", persistentVolumeReclaimPolicy="Retain")
    kept["status"]["phase"] = "Released"
    stored = stored_in([node("pi4")], [claimed, kept], [], [replica("vol", "pi4")])
    decision = seen(GivenUp("pi4", VolumeConsents(lose=frozenset({PHOTOS, "own/old"}))), stored)
    assert isinstance(decision, Change)
    assert set(decision.actions) == {
        GiveVolumeUp(("own", "photos"), ""),
        GiveVolumeUp(None, "pvc-old"),
    }
    assert "--lose-volume names own/old; " in f"{decision.reason}; ", "no pod uses it"


def test_a_directory_of_the_host_is_named_too_and_nothing_has_to_be_deleted_for_it() -> None:
    source = {"path": "/srv/my photos"}
    pods = [pod("own/web-0", "pi4", host_path=source)]
    stored = stored_in([node("pi1"), node("pi4")], [], pods, [])
    refused = seen(LossesNamed("pi4", NOBODY), stored)
    assert isinstance(refused, Blocked)
    assert "StatefulSet own/web would start elsewhere without it" in refused.reason
    assert "--lose-volume 'own/web:/srv/my photos'" in refused.fix, "it is pasted into a shell"
    consents = VolumeConsents(lose=frozenset({"own/web:/srv/my photos"}))
    assert seen(LossesNamed("pi4", consents), stored) == Satisfied()
    assert seen(GivenUp("pi4", consents), stored) == Satisfied()


# ------------------------------------------------------------------ on an API


CLAIM = "/api/v1/namespaces/default/persistentvolumeclaims/data-db-0"
POD = "/api/v1/namespaces/default/pods/db-0"


@pytest.fixture
def api() -> ApiInMemory:
    """Two nodes, and a database whose volume is on the first."""
    made = ApiInMemory("pi1", "pi2")
    made.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        "storage.k8s.io/v1",
        "StorageClass",
        "local-path",
        volumeBindingMode="WaitForFirstConsumer",
    )
    labels = {"app": "db"}
    claim = {"storageClassName": "local-path", "resources": {"requests": {"storage": "5Gi"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "db"}]}}
    made.create(
        "/apis/apps/v1/namespaces/default/statefulsets",
        "apps/v1",
        "StatefulSet",
        "db",
        spec={
            "selector": {"matchLabels": labels},
            "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    )
    assert made.get(POD)["spec"]["nodeName"] == "pi1"
    return made


def test_a_claim_that_is_given_up_is_made_anew_and_its_application_starts_elsewhere(
    api: ApiInMemory,
) -> None:
    api.edit(CLAIM, {"metadata": {"labels": {"mine": "yes"}}})
    former = api.get(CLAIM)
    api.call("DELETE", "/api/v1/nodes/pi1")
    assert "nodeName" not in api.get(POD)["spec"], "it waits for its volume, for ever"
    step = GivenUp("pi1", VolumeConsents(lose=frozenset({"default/data-db-0"})))
    done(step, at=place(api))
    anew = api.get(CLAIM)
    assert anew["metadata"]["uid"] != former["metadata"]["uid"]
    assert anew["spec"]["volumeName"] != former["spec"]["volumeName"]
    assert anew["spec"]["resources"] == former["spec"]["resources"]
    assert api.get(POD)["spec"]["nodeName"] == "pi2"
    with pytest.raises(NotFound):
        api.get(f"/api/v1/persistentvolumes/{former['spec']['volumeName']}")
    assert decided(step, at=place(api)) == Satisfied()


def test_a_claim_that_nobody_else_makes_is_made_again_as_it_was_asked_for(
    api: ApiInMemory,
) -> None:
    path = CLAIM.replace("data-db-0", "files")
    spec = {"storageClassName": "local-path", "accessModes": ["ReadWriteOnce"]}
    notes = {"own/note": "kept", "volume.kubernetes.io/selected-node": "pi1"}
    api.create(
        path.rpartition("/")[0],
        "v1",
        "PersistentVolumeClaim",
        "files",
        metadata={"labels": {"app": "files"}, "annotations": notes},
        spec={**spec, "volumeName": "gone"},
    )
    volume = persistent("gone", "default/files", hostPath={"path": "/x"})
    api.create("/api/v1/persistentvolumes", "v1", "PersistentVolume", "gone", spec=volume["spec"])
    GiveVolumeUp(("default", "files"), "gone").perform(place(api))
    with pytest.raises(NotFound):
        api.get("/api/v1/persistentvolumes/gone")
    anew = api.get(path)
    assert anew["spec"] == spec
    assert anew["metadata"]["labels"] == {"app": "files"}
    assert anew["metadata"]["annotations"] == {"own/note": "kept"}


def test_a_volume_that_nobody_claims_is_deleted_and_no_claim_is_made(api: ApiInMemory) -> None:
    path = "/api/v1/persistentvolumes"
    spec = persistent("old", hostPath={"path": "/x"})["spec"]
    api.create(path, "v1", "PersistentVolume", "old", spec=spec)
    api.sent.clear()
    deletion = GiveVolumeUp(None, "old")
    assert deletion.title == "deleting the volume old"
    deletion.perform(place(api))
    assert api.writes == [f"DELETE {path}/old"]


def test_a_claim_that_is_gone_already_is_not_made_again(api: ApiInMemory) -> None:
    api.sent.clear()
    giving_up = GiveVolumeUp(("default", "none"), "")
    assert giving_up.title == "making the claim default/none anew"
    giving_up.perform(place(api))
    assert api.writes == []


class Waiting(ProgressDouble):
    """Somebody who waits while time passes in the cluster, too."""

    def __init__(self, api: ApiInMemory) -> None:
        super().__init__()
        self.api = api

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.api.slept += seconds


def test_a_pod_that_still_runs_leaves_its_volume_before_the_claim_is_made_anew(
    api: ApiInMemory,
) -> None:
    """Such as that of a volume of Longhorn's, whose last copy is on another node than its pod."""
    space = "/api/v1/namespaces/default"
    api.create(
        f"{space}/persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        "files",
        spec={"storageClassName": "local-path"},
    )
    volumes = [{"name": "files", "persistentVolumeClaim": {"claimName": "files"}}]
    api.create(
        f"{space}/pods",
        "v1",
        "Pod",
        "reader",
        spec={"containers": [{"name": "it"}], "volumes": volumes},
    )
    path = CLAIM.replace("data-db-0", "files")
    former, database = api.get(path)["metadata"]["uid"], api.get(POD)["metadata"]["uid"]
    assert api.get(f"{space}/pods/reader")["spec"]["nodeName"]
    GiveVolumeUp(("default", "files"), "").perform(replaced(place(api), progress=Waiting(api)))
    assert api.get(path)["metadata"]["uid"] != former
    assert api.get(POD)["metadata"]["uid"] == database, "a pod of another volume was deleted"


def files(size: str) -> dict[str, Any]:
    """A claim as picluster applies it, which names no class: it gets the default."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "files", "namespace": "default", "labels": {"app": "files"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def test_a_claim_of_picluster_s_own_is_picluster_s_own_again(api: ApiInMemory) -> None:
    """Else the next `up` would take away what it has not set, or find its size to be another's."""
    flag = {"storageclass.kubernetes.io/is-default-class": "true"}
    path = "/apis/storage.k8s.io/v1/storageclasses/local-path"
    api.edit(path, {"metadata": {"annotations": flag}})
    outcomes = [apply(api, files("5Gi"))]
    GiveVolumeUp(("default", "files"), "").perform(place(api))
    outcomes += [apply(api, files(size)) for size in ("5Gi", "6Gi")]
    assert [getattr(each, "outcome", each) for each in outcomes] == [
        "created",
        "unchanged",
        "changed",
    ]
    assert api.get(CLAIM.replace("data-db-0", "files"))["spec"]["storageClassName"] == "local-path"


def test_looking_changes_nothing(api: ApiInMemory) -> None:
    api.sent.clear()
    decided(LossesNamed("pi1", NOBODY), at=place(api))
    decided(GivenUp("pi1", NOBODY), at=place(api))
    assert api.writes == []


# ------------------------------------------------------------------ a node that is away for a while


def test_a_drain_says_which_application_is_away() -> None:
    step = Drained("pi4", NEW, alone=False, timeout=600)
    ready = NodeState("pi4", ready=True, version=OLD)
    looks = {STATE.name: printed(version=OLD), READY: Registered(ready)}
    decision = seen(step, database(), pi4=looks)
    assert isinstance(decision, Change)
    assert decision.reason == (
        f"K3s {OLD} becomes {NEW}; away until it is back: "
        "StatefulSet tak/postgres (tak/data-postgres-0 is on no other node)"
    )


def test_a_drain_says_what_longhorn_may_not_let_go() -> None:
    stored = stored_in(
        [node("pi4"), node("pi1")], [longhorn_volume(PHOTOS, "vol")], [], [replica("vol", "pi4")]
    )
    step = Drained("pi4", NEW, alone=False, timeout=600)
    ready = NodeState("pi4", ready=True, version=OLD)
    looks = {STATE.name: printed(version=OLD), READY: Registered(ready)}
    decision = seen(step, stored, pi4=looks)
    assert isinstance(decision, Change)
    assert "node-drain-policy may not let the last good copy of own/photos go" in decision.reason


def test_a_restart_says_that_pods_go_on_and_which_could_start_nowhere_else() -> None:
    arrival = Arrival("pi4", "k3s", "", False, 1)
    step = Restarted(arrival)
    looks = {STATE.name: printed(unit="k3s")}
    decision = seen(step, database(), pi4=looks)
    assert isinstance(decision, Change)
    assert "pods go on meanwhile" in decision.reason
    assert "StatefulSet tak/postgres (tak/data-postgres-0 is on no other node)" in decision.reason


def test_where_every_node_has_the_version_only_the_nodes_are_asked(api: ApiInMemory) -> None:
    version = {"status": {"nodeInfo": {"kubeletVersion": NEW}}}
    for name in ("pi1", "pi2"):
        api.edit(f"/api/v1/nodes/{name}/status", version)
    api.sent.clear()
    at = place(api)
    assert StoredBeforeUpgrade(NEW).ask(at.tools) == Stored()
    assert api.sent == ["GET /api/v1/nodes"]
    found = StoredBeforeUpgrade(OLD).ask(at.tools)
    assert isinstance(found, Stored)
    assert [volume.name for volume in found.only_on("pi1")] == ["default/data-db-0"]


# ------------------------------------------------------------------ a cluster that is reset


CLEANED = Uninstalled(OwnNetwork("10.42.0.0/16", frozenset()))


def everything() -> Stored:
    return stored_in(
        [node("pi1"), node("pi4")],
        [
            local_path(DATABASE, "pi4"),
            longhorn_volume(PHOTOS, "vol"),
            persistent("usb", "own/disk", local={"path": "/mnt/usb"}, nodeAffinity=at("pi1")),
        ],
        [pod("tak/postgres-0", "pi4", claim="data-postgres-0")],
        [replica("vol", "pi1"), replica("vol", "pi4")],
    )


def at(host: str) -> dict[str, Any]:
    wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}


def warned(step: VolumesAtReset, stored: Stored | NotKnown, **survey: Any) -> str:
    decision = step.decide(Look(CLUSTER, step.name, {CLUSTER: {STORED.name: stored}, **survey}))
    assert isinstance(decision, Satisfied)
    return decision.warning


def test_a_reset_with_data_names_what_it_deletes_and_what_it_does_not() -> None:
    said = warned(VolumesAtReset(CLEANED, True, "/var/lib/longhorn"), everything())
    deleted, _, kept = said.partition(". ")
    assert deleted == (
        "--data DELETES own/photos (5Gi, Longhorn) on pi1, pi4; "
        "tak/data-postgres-0 (5Gi, local), of StatefulSet tak/postgres, on pi4"
    )
    assert kept == "kept: own/disk (5Gi, local) on pi1 in /mnt/usb"


def test_a_reset_that_deletes_everything_says_nothing_is_kept() -> None:
    assert warned(VolumesAtReset(CLEANED, True, "/var/lib/longhorn"), database()) == (
        "--data DELETES tak/data-postgres-0 (5Gi, local), of StatefulSet tak/postgres, on pi4"
    )


def test_a_reset_without_data_says_where_each_volume_stays() -> None:
    said = warned(VolumesAtReset(CLEANED, False, "/mnt/data"), everything())
    assert said.startswith("kept: own/disk")
    assert "own/photos (5Gi, Longhorn) on pi1, pi4 in /mnt/data" in said
    path = "/var/lib/rancher/k3s/storage/pvc-1_tak_data-postgres-0"
    assert f"on pi4 in {path}" in said


def test_a_volume_of_a_node_that_is_away_is_not_deleted() -> None:
    said = warned(VolumesAtReset(CLEANED, True, "/var/lib/longhorn", ["pi4"]), everything())
    assert "DELETES" not in said


def test_a_reset_without_an_api_says_that_the_names_are_not_known() -> None:
    away = NotKnown("the Kubernetes API is not available")
    left, clean = (
        {UNINSTALLED: Installation(Traces(left=things), False, 0)}
        for things in (("/usr/local/bin/k3s",), ())
    )
    step = VolumesAtReset(CLEANED, True, "/var/lib/longhorn")
    assert "is not known: the Kubernetes API is not available" in warned(step, away, pi1=left)
    assert warned(step, away, pi1=clean) == ""
