"""Labels and taints: only what picluster set is ever taken away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kube.kube_double import Cluster, Store, merged, node

from picluster.errors import NotConverged
from picluster.kube.labels import (
    MANAGED_LABELS,
    MANAGED_TAINTS,
    drift_patch,
    node_drift,
    parse_taint,
    settle_node,
)
from picluster.kube.nodes import NodeState, Taint, node_state

GPU = Taint("gpu", "yes", "NoSchedule")


def state(**parts: Any) -> NodeState:
    return node_state({**node("n", **parts)})


def patched(seen: dict[str, Any], labels: dict[str, str], taints: list[Taint]) -> dict[str, Any]:
    read = node_state(seen)
    patch = drift_patch(read, node_drift(read, labels, taints))
    patch["metadata"].pop("resourceVersion", None)
    return merged(seen, patch)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "taint"),
    [
        ("gpu=yes:NoSchedule", GPU),
        ("gpu:NoExecute", Taint("gpu", "", "NoExecute")),
        ("a.b/c=:PreferNoSchedule", Taint("a.b/c", "", "PreferNoSchedule")),
    ],
)
def test_taints_are_written_as_in_the_file(text: str, taint: Taint) -> None:
    assert parse_taint(text) == taint


def test_nothing_wanted_and_nothing_managed_is_no_drift() -> None:
    assert not node_drift(state(labels={"mine": "1"}, taints=[{"key": "k", "effect": "E"}]), {}, [])


def test_what_is_missing_is_set_and_remembered() -> None:
    drift = node_drift(state(), {"tier": "gold"}, [GPU])
    assert drift.labels == {"tier": "gold"}
    assert drift.taints == (GPU,)
    assert drift.annotations == {MANAGED_LABELS: "tier", MANAGED_TAINTS: "gpu:NoSchedule"}
    assert str(drift) == "+ label tier=gold\n+ taint gpu=yes:NoSchedule"


def test_a_label_that_is_there_already_is_only_remembered() -> None:
    drift = node_drift(state(labels={"tier": "gold"}), {"tier": "gold"}, [])
    assert drift
    assert not drift.labels
    assert drift.taints is None
    assert "from now on" in str(drift)


def test_a_key_that_left_the_file_leaves_the_node() -> None:
    seen = state(labels={"tier": "gold", "users": "1"}, annotations={MANAGED_LABELS: "tier"})
    drift = node_drift(seen, {}, [])
    assert drift.labels == {"tier": None}
    assert drift.annotations == {MANAGED_LABELS: None}
    assert str(drift) == "- label tier=gold"


def test_a_users_own_labels_and_taints_stay() -> None:
    users = {"key": "users", "effect": "NoExecute", "timeAdded": "2025-01-01T00:00:00Z"}
    gpu = {"key": "gpu", "value": "old", "effect": "NoSchedule"}
    seen = node(
        "n",
        labels={"users": "1"},
        taints=[users, gpu],
        annotations={MANAGED_TAINTS: "gpu:NoSchedule"},
    )
    after = patched(seen, {}, [])
    assert after["spec"]["taints"] == [users]
    assert after["metadata"]["labels"]["users"] == "1"


def test_a_changed_value_replaces_the_taint() -> None:
    seen = state(taints=[{"key": "gpu", "value": "old", "effect": "NoSchedule"}])
    assert node_drift(seen, {}, [GPU]).taints == (GPU,)


def test_the_last_taint_goes_by_removing_the_list() -> None:
    seen = node(
        "n",
        taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
        annotations={MANAGED_TAINTS: "gpu:NoSchedule"},
    )
    assert "taints" not in patched(seen, {}, [])["spec"]


def test_only_a_patch_of_taints_names_the_version() -> None:
    seen = state()
    assert "resourceVersion" not in str(drift_patch(seen, node_drift(seen, {"a": "b"}, [])))
    assert "resourceVersion" in str(drift_patch(seen, node_drift(seen, {}, [GPU])))


def test_settling_a_node_needs_a_read_and_a_write_and_then_only_a_read(cluster: Cluster) -> None:
    cluster.store.node("s1")
    requests = cluster.apis["s1"].requests
    assert settle_node(cluster.access, "s1", {"a": "b"}, [GPU])
    assert len(requests) == 2
    assert not settle_node(cluster.access, "s1", {"a": "b"}, [GPU])
    assert len(requests) == 3


def test_somebody_elses_taint_that_comes_in_between_is_kept(cluster: Cluster) -> None:
    cluster.store.node("s1")

    def cordon(store: Store) -> None:
        seen = store.objects["/api/v1/nodes/s1"]
        store.put(
            "/api/v1/nodes/s1", merged(seen, {"spec": {"taints": [{"key": "u", "effect": "E"}]}})
        )

    cluster.store.meddle.append(cordon)
    settle_node(cluster.access, "s1", {}, [GPU])
    keys = [each["key"] for each in cluster.store.objects["/api/v1/nodes/s1"]["spec"]["taints"]]
    assert keys == ["u", "gpu"]


def test_a_node_that_never_holds_still_is_an_error(cluster: Cluster) -> None:
    cluster.store.node("s1")
    cluster.store.meddle.extend([lambda store: store.node("s1")] * 9)
    with pytest.raises(NotConverged, match="5 attempts"):
        settle_node(cluster.access, "s1", {}, [GPU])


def test_a_node_that_is_not_there_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(NotConverged, match="s7"):
        settle_node(cluster.access, "s7", {"a": "b"}, [])


keys = st.sampled_from(["a", "b", "c", "x.io/d"])
labels = st.dictionaries(keys, st.sampled_from(["1", "2"]))
taints = st.lists(
    st.builds(
        Taint, keys, st.sampled_from(["", "v"]), st.sampled_from(["NoSchedule", "NoExecute"])
    ),
    unique_by=lambda taint: taint.identity,
    max_size=4,
)


wishes = st.tuples(labels, taints)


@given(wishes, wishes, wishes)
def test_one_patch_settles_and_strangers_survive(
    own: tuple[dict[str, str], list[Taint]],
    first: tuple[dict[str, str], list[Taint]],
    second: tuple[dict[str, str], list[Taint]],
) -> None:
    listed = [{"key": t.key, "value": t.value, "effect": t.effect} for t in own[1]]
    bare = node("n", labels=own[0], taints=listed)
    final = node_state(patched(patched(bare, *first), *second))
    assert not node_drift(final, *second)
    assert second[0].items() <= final.labels.items()
    assert set(second[1]) <= set(final.taints)
    for key in own[0].keys() - first[0].keys() - second[0].keys():
        assert final.labels[key] == own[0][key]
    touched = {taint.identity for taint in (*first[1], *second[1])}
    assert {t for t in own[1] if t.identity not in touched} <= set(final.taints)
    assert not (first[0].keys() - second[0].keys()) & final.labels.keys()
