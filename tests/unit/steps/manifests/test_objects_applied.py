"""Objects are applied as their manifests say, drift is seen, and what left the file is pruned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.progress import ProgressDouble
from tests.unit.steps.acting import decided, done, place
from tests.unit.steps.looking import decide_from
from tests.unit.steps.manifests.sources import Given, NotYet

from picluster.engine.step import Blocked, Change, Decision, Diff, Satisfied
from picluster.errors import ActionFailed, ConfigInvalid
from picluster.kube.errors import ApiRefused, NotFound
from picluster.kube.fielddiff import FieldChange
from picluster.steps.manifests import component
from picluster.steps.manifests.applied import (
    ApplyPart,
    ObjectsApplied,
    PartsGone,
    PartsLeft,
    RemoveParts,
)
from picluster.steps.manifests.component import ObjectSeen, Part, PartSeen
from picluster.steps.manifests.objects import (
    PART_LABEL,
    Identity,
    holds,
    identity,
    in_order,
    marked,
    parse_objects,
)

CONFIG = "/api/v1/namespaces/default/configmaps/web"


def config(name: str = "web", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data or {"colour": "green"},
    }


def claim(name: str = "data") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def applied(*objects: dict[str, Any], part: str = "web", **more: Any) -> Any:
    return ObjectsApplied("it", "it is there", Part(part, Given(objects), **more))


@pytest.fixture
def api() -> ApiInMemory:
    return ApiInMemory("pi1")


def test_a_part_can_be_applied_in_two_goes_and_neither_takes_the_others_for_left_over(
    api: ApiInMemory,
) -> None:
    first, second = config(), config("door")
    inside = applied(first, beside=(identity(second),))
    outside = applied(second, beside=(identity(first),))
    done(inside, at=place(api))
    with pytest.raises(NotFound):
        api.get(CONFIG.replace("web", "door"))
    done(outside, at=place(api))
    assert decided(inside, at=place(api)) == decided(outside, at=place(api)) == Satisfied()
    done(applied(config(colour="red"), beside=(identity(second),)), at=place(api))
    assert api.get(CONFIG.replace("web", "door"))
    assert "delete 1" in done(applied(config(colour="red")), at=place(api)).summary


def test_objects_that_are_not_there_are_made_and_then_left_alone(api: ApiInMemory) -> None:
    step = applied(config(), claim())
    change = done(step, at=place(api))
    assert change.summary == "web: create 2 objects"
    assert "ConfigMap default/web: new" in change.diff.after
    assert api.get(CONFIG)["metadata"]["labels"] == {PART_LABEL: "web"}
    api.sent.clear()
    assert decided(step, at=place(api)) == Satisfied()
    assert not api.writes
    assert not [each for each in api.sent if "(dry)" in each], "no dry run if nothing differs"


@pytest.mark.parametrize(
    ("why", "fix"),
    [
        ("spec.selector: field is immutable", "`picluster deploy --fix` makes anew what cannot be"),
        ("spec: Forbidden: updates to statefulset spec", "`picluster deploy --fix` makes anew"),
        ("spec.replicas: Invalid value", "correct the manifest"),
    ],
)
def test_a_refusal_says_whether_the_object_has_to_be_made_anew(
    api: ApiInMemory, monkeypatch: pytest.MonkeyPatch, why: str, fix: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ApiRefused("it was refused", status=422, message=why)

    monkeypatch.setattr(component, "apply", refuse)
    with pytest.raises(ActionFailed, match="ConfigMap default/web was refused") as refused:
        ApplyPart(applied(config()).part).perform(place(api))
    assert refused.value.why == why
    assert refused.value.fix.startswith(fix)


def test_an_object_is_called_by_its_kind_its_namespace_and_its_name() -> None:
    assert str(identity(config())) == "ConfigMap default/web"
    assert str(Identity("v1", "Namespace", "", "web")) == "Namespace web"


def test_a_plan_changes_nothing(api: ApiInMemory) -> None:
    decided(applied(config()), at=place(api))
    assert not api.writes


def test_a_changed_manifest_is_planned_field_by_field(api: ApiInMemory) -> None:
    done(applied(config()), at=place(api))
    change = decided(applied(config(colour="red")), at=place(api))
    assert change.summary == "web: change 1 object"
    assert "data.colour: green -> red" in change.diff.after.replace('"', "")


def test_a_field_edited_by_hand_is_a_conflict_that_names_who_did_it(api: ApiInMemory) -> None:
    step = applied(config())
    done(step, at=place(api))
    api.edit(CONFIG, {"data": {"colour": "blue"}})
    decision = decided(step, at=place(api))
    assert isinstance(decision, Blocked)
    assert "kubectl-edit" in decision.reason
    assert ".data.colour" in decision.reason
    assert "--force-conflicts" in decision.fix
    assert api.get(CONFIG)["data"] == {"colour": "blue"}


def test_with_force_an_edited_field_is_taken_back(api: ApiInMemory) -> None:
    done(applied(config()), at=place(api))
    api.edit(CONFIG, {"data": {"colour": "blue"}})
    change = done(applied(config(), force=True), at=place(api))
    assert "blue -> green" in change.diff.after.replace('"', "")
    assert api.get(CONFIG)["data"] == {"colour": "green"}


def test_a_conflict_that_arises_after_the_look_is_not_forced(api: ApiInMemory) -> None:
    done(applied(config()), at=place(api))
    step = applied(config(colour="red"))
    assert decided(step, at=place(api)).actions == (ApplyPart(step.part),)
    api.edit(CONFIG, {"data": {"colour": "blue"}})
    with pytest.raises(ActionFailed, match="kubectl-edit"):
        ApplyPart(step.part).perform(place(api))
    assert api.get(CONFIG)["data"] == {"colour": "blue"}


def test_what_somebody_else_added_is_no_difference(api: ApiInMemory) -> None:
    step = applied(config())
    done(step, at=place(api))
    api.edit(CONFIG, {"data": {"other": "x"}, "metadata": {"labels": {"theirs": "y"}}})
    assert decided(step, at=place(api)) == Satisfied()


def test_what_left_the_manifests_is_planned_and_pruned(api: ApiInMemory) -> None:
    done(applied(config(), config("old")), at=place(api))
    step = applied(config())
    change = done(step, at=place(api))
    assert change.summary == "web: delete 1 object"
    assert "ConfigMap default/old: no longer in the file; delete it" in change.diff.after
    assert decided(step, at=place(api)) == Satisfied()
    with pytest.raises(NotFound):
        api.get("/api/v1/namespaces/default/configmaps/old")


@pytest.mark.parametrize("path", ["persistentvolumeclaims/data"])
def test_what_data_hangs_on_is_never_pruned_but_named(api: ApiInMemory, path: str) -> None:
    done(applied(config(), claim()), at=place(api))
    step = applied(config())
    decision = decided(step, at=place(api))
    assert isinstance(decision, Satisfied)
    assert "PersistentVolumeClaim default/data" in decision.warning
    assert api.get(f"/api/v1/namespaces/default/{path}")
    again = decided(step, at=place(api))
    assert again == decision, "nor is it forgotten"


def test_an_object_that_somebody_made_theirs_is_not_pruned(api: ApiInMemory) -> None:
    done(applied(config(), config("old")), at=place(api))
    api.edit(
        "/api/v1/namespaces/default/configmaps/old",
        {"metadata": {"labels": {PART_LABEL: None}}},
    )
    assert decided(applied(config()), at=place(api)) == Satisfied()


def test_manifests_that_cannot_be_told_yet_are_a_change_with_the_reason(api: ApiInMemory) -> None:
    part = Part("web", NotYet("web:1 was not built yet"))
    decision = decided(ObjectsApplied("it", "it is there", part), at=place(api))
    assert isinstance(decision, Change)
    assert decision.reason == "web:1 was not built yet"


def test_before_there_is_a_cluster_everything_is_still_to_be_done(api: ApiInMemory) -> None:
    api.away = True
    decision = decided(applied(config()), at=place(api))
    assert isinstance(decision, Change)
    assert "does not answer" in decision.reason


def test_an_object_of_a_kind_that_the_same_manifests_define_is_applied_after_it(
    api: ApiInMemory,
) -> None:
    names = {"plural": "boats", "kind": "Boat"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {}}]
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.sea.example"},
        "spec": {
            "group": "sea.example",
            "names": names,
            "scope": "Namespaced",
            "versions": versions,
        },
    }
    boat = {
        "apiVersion": "sea.example/v1",
        "kind": "Boat",
        "metadata": {"name": "one", "namespace": "default"},
        "spec": {"sails": 2},
    }
    step = applied(boat, crd)
    done(step, at=place(api))
    assert decided(step, at=place(api)) == Satisfied()
    assert api.get("/apis/sea.example/v1/namespaces/default/boats/one")["spec"] == {"sails": 2}


def test_a_run_that_was_cut_off_knows_what_it_had_made(api: ApiInMemory) -> None:
    class Cut(Exception):
        pass

    class After(ProgressDouble):
        def follow(self, line: str) -> None:
            if line.startswith("2 of"):
                raise Cut

    part = applied(config("one"), config("two")).part
    with pytest.raises(Cut):
        ApplyPart(part).perform(replace(place(api), progress=After()))
    change = done(applied(config("two")), at=place(api))
    assert "ConfigMap default/one: no longer in the file" in change.diff.after


def test_a_secrets_value_is_in_no_plan(api: ApiInMemory) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": "default"},
        "stringData": {"password": "open-sesame"},
    }
    step = applied(secret)
    first = done(step, at=place(api))
    assert decided(step, at=place(api)) == Satisfied()
    changed = {**secret, "stringData": {"password": "shut-sesame"}}
    second = decided(applied(changed), at=place(api))
    for change in (first, second):
        assert "sesame" not in repr(change.diff) + change.reason + change.summary
    assert isinstance(second, Change)


# ------------------------------------------------------------------ whole apps


def test_an_app_that_left_the_file_is_removed_except_for_its_data(api: ApiInMemory) -> None:
    done(applied(config(), claim(), part="web"), at=place(api))
    done(applied(config("other"), part="other"), at=place(api))
    step = PartsGone("gone", "gone", frozenset({"other", "longhorn"}))
    change = done(step, at=place(api))
    assert "remove web" in change.summary
    assert change.diff.after == "ConfigMap default/web: delete it"
    decision = decided(step, at=place(api))
    assert isinstance(decision, Satisfied)
    assert "PersistentVolumeClaim default/data" in decision.warning
    assert api.get("/api/v1/namespaces/default/configmaps/other")


def test_parts_that_picluster_manages_otherwise_stay(api: ApiInMemory) -> None:
    done(applied(config(), part="longhorn"), at=place(api))
    assert decided(PartsGone("gone", "gone", frozenset({"longhorn"})), at=place(api)) == Satisfied()


# ------------------------------------------------------------------ manifests as text


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("a: [1\nb: 2", "m.yaml:2", ""),
        ("- 1", "m.yaml (document 1)", "no mapping"),
        ("kind: X\n", "m.yaml (document 1)", "apiVersion"),
        ("apiVersion: v1\nkind: X\n", "m.yaml (document 1)", "metadata.name"),
    ],
)
def test_text_that_is_no_manifest_is_refused_with_its_place(
    text: str, where: str, why: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse_objects(text, "m.yaml")
    assert caught.value.where.startswith(where)
    assert why in caught.value.why


def test_lists_and_empty_documents_are_taken_apart() -> None:
    one = "{apiVersion: v1, kind: A, metadata: {name: x}}"
    text = f"---\n---\napiVersion: v1\nkind: List\nitems:\n- {one}\n"
    assert [each["kind"] for each in parse_objects(text, "m.yaml")] == ["A"]


def test_what_others_need_comes_first() -> None:
    kinds = ["Deployment", "Service", "Secret", "CustomResourceDefinition", "Namespace"]
    objects = [{"kind": each} for each in kinds]
    assert [each["kind"] for each in in_order(objects)] == [*reversed(kinds[1:]), "Deployment"]


def test_a_mark_changes_with_the_manifest_and_only_with_it() -> None:
    def digest(manifest: dict[str, Any]) -> str:
        return str(marked(manifest, "web")["metadata"]["annotations"]["picluster.dev/manifest"])

    assert digest(config()) == digest(config())
    assert digest(config()) != digest(config(colour="red"))


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_a_live_object_holds_a_manifest_if_it_has_all_of_it(
    live: object, wanted: object, same: bool
) -> None:
    assert holds(live, wanted) is same


# ------------------------------------------------------------------ what is decided


ONE, TWO = (Identity("v1", "ConfigMap", "default", name) for name in ("one", "two"))
PVC = Identity("v1", "PersistentVolumeClaim", "default", "data")
COLOUR = FieldChange("data.colour", "green", "red")
CHANGED = ObjectSeen(ONE, changes=(COLOUR,))
STAYS = "no longer in the file; it stays, for data hangs on it"


def change(summary: str, reason: str, *lines: str, warning: str = "") -> Change:
    part = Part("web", Given(()), warning=warning)
    diff = Diff("", "\n".join(lines)) if lines else None
    return Change(summary, (ApplyPart(part),), reason=reason, diff=diff)


@pytest.mark.parametrize(
    ("seen", "warning", "expected"),
    [
        (PartSeen(), "", Satisfied()),
        (PartSeen((ObjectSeen(ONE),)), "", Satisfied()),
        (PartSeen(), "a guess", Satisfied(warning="a guess")),
        (
            PartSeen(kept=(PVC,)),
            "a guess",
            Satisfied(
                warning=f"no longer in the file, and left because data hangs on it: {PVC}; a guess"
            ),
        ),
        (PartSeen(unknown="not yet"), "", change("apply web", "not yet")),
        (
            PartSeen(unknown="not yet"),
            "a guess",
            change("apply web", "not yet; a guess", warning="a guess"),
        ),
        (
            PartSeen((ObjectSeen(ONE, fresh=True), ObjectSeen(TWO))),
            "",
            change("web: create 1 object", "not in the cluster yet", f"{ONE}: new"),
        ),
        (
            PartSeen((CHANGED, ObjectSeen(TWO, fresh=True, changes=(COLOUR,))), kept=(PVC,)),
            "",
            change(
                "web: create 1, change 1 objects",
                f"differs: {ONE}",
                f"{ONE}: {COLOUR}",
                f"{TWO}: new",
                f"{PVC}: {STAYS}",
            ),
        ),
        (
            PartSeen(stale=(ONE, TWO)),
            "",
            change(
                "web: delete 2 objects",
                f"no longer in the file: {ONE}, {TWO}",
                f"{ONE}: no longer in the file; delete it",
                f"{TWO}: no longer in the file; delete it",
            ),
        ),
        (
            PartSeen((ObjectSeen(ONE, conflicts=("a", "b")), CHANGED)),
            "",
            Blocked(
                f"{ONE}: a; {ONE}: b",
                "leave those fields out, or take them over with --force-conflicts",
            ),
        ),
    ],
)
def test_a_part_is_decided_on_by_what_differs(
    seen: PartSeen, warning: str, expected: Decision
) -> None:
    step = ObjectsApplied("it", "it is there", Part("web", Given(()), warning=warning))
    assert decide_from(step, seen) == expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({}, Satisfied()),
        ({"web": PartSeen()}, Satisfied()),
        (
            {"web": PartSeen(kept=(PVC,))},
            Satisfied(warning=f"of apps that left the file, data is kept: {PVC}"),
        ),
        (
            {"web": PartSeen(stale=(ONE, TWO), kept=(PVC,)), "door": PartSeen()},
            Change(
                f"remove web: delete 2 objects; keep {PVC}",
                (RemoveParts(PartsLeft("gone", frozenset()), "web"),),
                reason="no longer in the file",
                diff=Diff("", f"{ONE}: delete it\n{TWO}: delete it"),
            ),
        ),
    ],
)
def test_what_is_left_of_apps_is_decided_on(left: dict[str, PartSeen], expected: Decision) -> None:
    assert decide_from(PartsGone("gone", "gone", frozenset()), left) == expected


def test_nothing_is_left_of_parts_while_the_cluster_does_not_answer(api: ApiInMemory) -> None:
    api.away = True
    assert decided(PartsGone("gone", "gone", frozenset()), at=place(api)) == Satisfied()
