"""Generated secrets are made once, and never again while data depends on them."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.steps.acting import decided, done, place

from picluster.engine.step import Blocked, Change, Satisfied
from picluster.secret import Secret, redact
from picluster.steps.manifests.secrets import (
    GenerateSecrets,
    Keys,
    SecretKept,
    Wanted,
    read_secret,
)

PATH = "/api/v1/namespaces/tak/secrets/app"


class Counted:
    def __init__(self) -> None:
        self.count = 0

    def make(self, present: Mapping[str, str]) -> dict[str, Secret]:
        self.count += 1
        return {key: Secret(f"sesame-{key}-{self.count}") for key in ("first", "second")}


@pytest.fixture
def api() -> ApiInMemory:
    return ApiInMemory("pi1")


def kept(*keys: str, **more: tuple[str, ...]) -> SecretKept:
    wanted = Wanted("app", "tak", "app", keys or ("first", "second"), Counted(), **more)
    return SecretKept("s", wanted)


def test_it_is_made_once_and_stays_as_it_is(api: ApiInMemory) -> None:
    change = done(kept(), at=place(api))
    assert "first, second" in change.summary
    before = api.get(PATH)
    assert decided(kept(), at=place(api)) == Satisfied()
    assert api.get(PATH) == before


def test_a_key_that_is_missing_is_added_and_the_others_stay(api: ApiInMemory) -> None:
    done(kept("first"), at=place(api))
    api.edit(PATH, {"data": {"first": base64.b64encode(b"changed by hand").decode()}})
    change = done(kept(), at=place(api))
    assert "generate second in" in change.summary
    values = read_secret(api, "tak", "app") or {}
    assert values["first"] == "changed by hand"
    assert values["second"] == "sesame-second-1"


def test_a_second_run_that_comes_between_wins(api: ApiInMemory) -> None:
    late = decided(kept(), at=place(api))
    done(kept(), at=place(api))
    assert isinstance(late, Change)
    before = api.get(PATH)["data"]
    (action,) = late.actions
    assert isinstance(action, GenerateSecrets)
    action.perform(place(api))
    assert api.get(PATH)["data"] == before


def test_it_is_not_made_anew_beside_the_data_that_wants_the_old_one(api: ApiInMemory) -> None:
    done(kept(), at=place(api))
    api.create(
        "/api/v1/namespaces/tak/persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        "data-0",
        spec={},
    )
    looked = kept(claims=("data-0",)).probe().ask(place(api).tools)
    assert looked == Keys(True, frozenset({"first", "second"})), "no data is without its secret"
    api.call("DELETE", PATH)
    decision = decided(kept(claims=("data-0",)), at=place(api))
    assert isinstance(decision, Blocked)
    assert "data-0" in decision.reason
    assert "AND ITS DATA" in decision.fix


def test_what_it_generates_is_in_no_decision_and_hidden_from_every_log(api: ApiInMemory) -> None:
    change = done(kept(), at=place(api))
    assert "sesame" not in repr(change)
    for text in ("sesame-first-1", base64.b64encode(b"sesame-first-1").decode()):
        assert text not in redact(f"x {text} y")
    assert "sesame" not in repr(kept().probe().ask(place(api).tools))
