"""What programs read is what docs/schemas promises."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.unit.ui.samples import failed_run, fine, hosts, plan, reboot, refused

from picluster.apps.needed_images import Use, WantedImage
from picluster.engine import events
from picluster.engine.journal import to_line
from picluster.engine.plan import LeftOut
from picluster.errors import StepFailed, Unreachable
from picluster.model import load
from picluster.queries.validate import Verdict
from picluster.steps.registry.contents import StoredImage
from picluster.steps.registry.garbage import Freed
from picluster.ui import config_view, images_view, plan_view, registry_view, validate_view

_ROOT = Path(__file__).parents[3]


def schema(name: str) -> dict[str, Any]:
    text = (_ROOT / "docs" / "schemas" / f"{name}.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def check(document: object, name: str) -> None:
    jsonschema.validate(json.loads(json.dumps(document)), schema(name))


def test_every_event_of_a_run() -> None:
    for event in failed_run():
        check(json.loads(to_line(event)), "event")


def test_the_schema_knows_every_event_and_every_field() -> None:
    described = {
        entry["properties"]["event"]["const"]: set(entry["properties"]) - {"event"}
        for entry in schema("event")["oneOf"]
    }
    parts = {"Output", "TargetTally"}  # kept in output.log, and inside RunFinished
    real = {
        kind.__name__: {field.name for field in fields(kind)} - {"at"}
        for kind in events.Event.__subclasses__()
        if kind.__name__ not in parts
    }
    assert described == real


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check({"picluster": 1, "event": "Nonsense", "at": 0}, "event")


def test_a_plan() -> None:
    plans = [plan(hosts("pi1"), reboot("pi1"), refused("pi2"), fine("pi2", "slow clock"))]
    document = plan_view.as_document("home", plans, ["a notice"])
    check(document, "plan")
    assert [len(document[key]) for key in ("changes", "refused", "warnings")] == [2, 1, 1]


def test_a_plan_and_a_validation_name_the_nodes_that_are_missing() -> None:
    gone = {"pi2": Unreachable("it cannot be reached over SSH", why="no answer", fix="look at it")}
    told = [
        {
            "target": "pi2",
            "what": "it cannot be reached over SSH",
            "why": "no answer",
            "fix": "look at it",
        }
    ]
    needy = replace(plan(hosts("pi1")), left_out=(LeftOut("pi2", ("the registry runs",)),))
    planned = plan_view.as_document("home", [needy], (), gone)
    check(planned, "plan")
    assert planned["missing"] == told
    assert planned["left_out"] == [
        {"phase": "prepare", "node": "pi2", "stages": ["the registry runs"]}
    ]
    validated = validate_view.as_document(Verdict("home", (plan(fine("pi1")),), True, (), gone))
    check(validated, "validate")
    assert (validated["missing"], validated["exit_code"]) == (told, 4)


def test_a_registrys_images() -> None:
    images = [StoredImage("lab/a", "1", "sha256:aa", 473), StoredImage("lab/b", "2", "", 5_200_000)]
    check(registry_view.as_document("home", images, ["a notice"]), "registry")
    check(registry_view.as_document("home", []), "registry")
    text = registry_view.as_text(images, ["a notice"])
    assert "lab/b:2    5.2 MB" in text
    assert "2 images in 2 repositories\nNOTE: a notice" in text
    assert registry_view.as_text([]) == "0 images in 0 repositories\n"
    assert registry_view.freed_text(Freed(5_000_000, 2_000_000)).startswith("freed 3.0 MB; ")


def test_the_images_that_are_needed() -> None:
    images = [
        WantedImage("registry:2", "registry", ("arm64",), Use.DOCKER),
        WantedImage("own/web:1", "app web", ("arm64", "amd64"), Use.NODES),
    ]
    check(images_view.as_document("home", images), "images")
    assert images_view.as_text(images) == (
        "registry:2  registry  Docker, on the node of the registry or the builder\n"
        "own/web:1   app web   every node\n"
        "2 images\n"
    )


def test_what_was_saved_and_what_was_not() -> None:
    assert images_view.saved_text("gap", 3, ()) == (
        "everything is in gap: 3 files; `sha256sum -c SHA256SUMS` there checks them\n"
    )
    failure = StepFailed("own/web:1 cannot be had", fix="check the network")
    assert images_view.saved_text("gap", 3, (failure,)) == (
        "own/web:1 cannot be had\n  fix: check the network\n"
        "NOT whole: gap lacks 1 thing, named above\n"
    )


def test_a_configuration() -> None:
    check(config_view.as_document(load(_ROOT / "examples" / "ha.yaml").rows()), "config")


@pytest.mark.parametrize(
    ("plans", "installed", "code"),
    [
        ((plan(fine("pi1", "slow clock"), phase="preflight"),), False, 0),
        ((plan(refused("pi1"), phase="preflight"),), False, 5),
        ((plan(fine("pi1"), phase="preflight"), plan(fine("pi1"))), True, 0),
        ((plan(fine("pi1"), phase="preflight"), plan(hosts("pi1"))), True, 1),
        ((plan(fine("pi1"), phase="preflight"), plan(refused("pi1"))), True, 1),
        ((plan(refused("pi1"), phase="preflight"), plan(hosts("pi1"))), True, 5),
    ],
)
def test_a_validation(plans: tuple[Any, ...], installed: bool, code: int) -> None:
    verdict = Verdict("home", plans, installed)
    document = validate_view.as_document(verdict)
    check(document, "validate")
    assert document["exit_code"] == code
    assert document["ok"] is (code == 0)
