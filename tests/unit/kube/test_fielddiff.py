"""Field diffs: what a plan shows of an object."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from picluster.kube.fielddiff import ABSENT, FieldChange, field_diff


def lines(before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    return [str(change) for change in field_diff(before, after)]


def test_the_servers_bookkeeping_is_left_out() -> None:
    before = {"metadata": {"name": "a", "resourceVersion": "1", "managedFields": []}, "status": 1}
    after = {"metadata": {"name": "a", "resourceVersion": "2", "generation": 3}, "status": 2}
    assert lines(before, after) == []


def test_items_of_lists_are_known_by_their_names() -> None:
    web, log = {"name": "web", "image": "a:1"}, {"name": "log", "image": "l"}
    before = {"spec": {"containers": [web]}}
    after = {"spec": {"containers": [log, {**web, "image": "a:2"}]}}
    assert lines(before, after) == [
        "spec.containers[web].image: a:1 -> a:2",
        "spec.containers[log]: <absent> -> {'name': 'log', 'image': 'l'}",
    ]


def test_plain_lists_are_compared_by_place() -> None:
    assert lines({"args": ["a", "b"]}, {"args": ["a", "c", "d"]}) == [
        "args[1]: b -> c",
        "args[2]: <absent> -> d",
    ]


def test_a_number_is_not_a_boolean() -> None:
    assert lines({"a": 1}, {"a": True}) == ["a: 1 -> True"]


def test_a_new_object_is_all_new() -> None:
    made = field_diff(None, {"kind": "X", "metadata": {"name": "n"}})
    assert made == (FieldChange("kind", ABSENT, "X"), FieldChange("metadata.name", ABSENT, "n"))


def test_secrets_show_names_only() -> None:
    before = {"kind": "Secret", "data": {"old": "b2xk", "same": "c2FtZQ=="}}
    after = {"kind": "Secret", "data": {"new": "bmV3", "same": "Y2hhbmdlZA=="}}
    assert lines(before, after) == [
        "data.new: <absent> -> ***",
        "data.old: *** -> <absent>",
        "data.same: *** -> ***",
    ]
    assert lines({"kind": "Secret", "data": None}, after) == [
        "data: *** -> {'new': '***', 'same': '***'}"
    ]


def test_a_secrets_own_last_applied_annotation_is_masked_too() -> None:
    key = "kubectl.kubernetes.io/last-applied-configuration"
    after = {"kind": "Secret", "metadata": {"annotations": {key: '{"data":{"a":"aHVudGVy"}}'}}}
    assert "aHVudGVy" not in str(lines({"metadata": {"annotations": {"x": "y"}}}, after))
    assert "aHVudGVy" not in str(lines(None, after))


trees: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(["spec", "data"]), trees, max_size=2)


@given(objects)
def test_nothing_differs_from_itself(tree: dict[str, Any]) -> None:
    assert field_diff(tree, tree) == ()


@given(objects, objects)
def test_what_differs_is_seen(one: dict[str, Any], other: dict[str, Any]) -> None:
    if _sorted(one) != _sorted(other):
        assert field_diff(one, other)


def _sorted(value: Any) -> Any:
    """Leave out what a diff leaves out on purpose: the order of a list's named items."""
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items()}
    return sorted(repr(_sorted(each)) for each in value) if isinstance(value, list) else value
