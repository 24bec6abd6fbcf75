"""Steps and actions are data: what will be done can be compared, shown and kept."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import tempfile
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase as HypothesisPhase
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.phases.everything import PASSWORD, phases
from tests.unit.phases.test_nonsense import VALUES, answers

import picluster
from picluster.engine.phase import Phase
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Act, Action, Change, Fact, Step
from picluster.engine.survey import Look, Survey
from picluster.engine.waiting import Wait
from picluster.errors import Unreadable
from picluster.steps.k3s.config import TokenFile

_BY_HAND = {(ShellProbe, "parse"), (Wait, "judge")}
"""Fields that are functions of a module: what they are named after is compared beside them."""


def classes() -> Iterator[type[Any]]:
    """Yield every class of picluster that decides, does or asks something for the engine."""
    for found in pkgutil.walk_packages(picluster.__path__, "picluster."):
        if found.name.endswith("__main__") or ".firstboot" in found.name:
            continue
        module = importlib.import_module(found.name)
        for _, each in inspect.getmembers(module, inspect.isclass):
            if each.__module__ == found.name and not getattr(each, "_is_protocol", False):
                yield each


STEPS = [each for each in classes() if hasattr(each, "decide") and hasattr(each, "probe")]
ACTS = [
    each
    for each in classes()
    if "place" in inspect.signature(getattr(each, "perform", lambda: None)).parameters
]
ASKS = [
    each
    for each in classes()
    if "tools" in inspect.signature(getattr(each, "ask", lambda: None)).parameters
]


def named(each: type[Any]) -> str:
    return f"{each.__module__.removeprefix('picluster.')}.{each.__name__}"


def functions_in(kind: Any, seen: tuple[Any, ...] = ()) -> Iterator[str]:
    """Name the fields of a type, however deep, that hold functions."""
    origin = typing.get_origin(kind) or kind
    if origin is Callable or origin is typing.get_origin(Callable[..., Any]):
        yield "it"
    for inner in typing.get_args(kind):
        if not isinstance(inner, list | str | tuple):
            yield from functions_in(inner, seen)
    if not dataclasses.is_dataclass(origin) or origin in seen:
        return
    hints = typing.get_type_hints(origin, localns=_types_of(origin))
    for field in dataclasses.fields(origin):
        if (origin, field.name) not in _BY_HAND:
            for path in functions_in(hints[field.name], (*seen, origin)):
                yield f"{field.name}: {path}"


def _types_of(kind: Any) -> dict[str, Any]:
    """What a module knows only while it is type-checked."""
    return {"Place": object, "Tools": object} | dict(vars(inspect.getmodule(kind) or picluster))


def test_there_is_something_to_hold_to_it() -> None:
    assert len(STEPS) > 100
    assert len(ACTS) > 30
    assert len(ASKS) > 20


@pytest.mark.parametrize("each", [*STEPS, *ACTS, *ASKS], ids=named)
def test_it_is_frozen_data_without_functions(each: type[Any]) -> None:
    assert dataclasses.is_dataclass(each), "it is no dataclass"
    assert each.__dataclass_params__.frozen, "it can change"  # type: ignore[attr-defined]
    hidden = [f.name for f in dataclasses.fields(each) if not f.compare and f.type != "float"]
    assert hidden == [], "two that differ in this are taken for the same"
    assert list(functions_in(each)) == []


# ------------------------------------------------------------------ what is decided


def looks(draw: Any, phase: Phase) -> Survey:
    """What a look at every target of a phase may see; a target that talks nonsense is missing."""
    survey: dict[str, dict[str, object]] = {}
    for target in phase.targets():
        survey[target] = {}
        for step in phase.steps_for(target):
            probe = step.probe()
            if isinstance(probe, ShellProbe) and probe.name not in survey[target]:
                survey[target] |= answered(draw, probe)
    return survey


def answered(draw: Any, probe: ShellProbe[Any]) -> dict[str, object]:
    for out in (draw(answers(probe.text)), draw(VALUES), ""):
        try:
            return {probe.name: probe.parse(Observation(out=out))}
        except Unreadable:
            continue
    return {}


def decided(survey: Survey, phase: Phase) -> Iterator[tuple[Step, Look]]:
    for target in phase.targets():
        for step in phase.steps_for(target):
            yield step, Look(target, step.name, survey)


with tempfile.TemporaryDirectory() as made:
    PHASES = list(phases(Path(made)))

SECRETS = {PASSWORD} | {
    step.candidate.reveal()
    for phase in PHASES
    for target in phase.targets()
    for step in phase.steps_for(target)
    if isinstance(step, TokenFile)
}
_OPAQUE = re.compile(r"<(function|bound method|lambda|[\w.]+ object at)|0x[0-9a-f]{6,}")
_REACHED: Counter[str] = Counter()


@pytest.mark.parametrize("phase", PHASES, ids=[f"{n}-{each.name}" for n, each in enumerate(PHASES)])
@settings(max_examples=5, deadline=None, phases=(HypothesisPhase.generate,), derandomize=True)
@given(data=st.data())
def test_what_is_decided_is_the_same_again_and_can_be_written_down(
    phase: Phase, data: st.DataObject
) -> None:
    for step, look in decided(looks(data.draw, phase), phase):
        try:
            decision = step.decide(look)
        except LookupError:  # a node that talks nonsense is not judged
            continue
        assert decision == step.decide(look), f"{step.name} decides on something else again"
        if isinstance(decision, Change):
            for action in decision.actions:
                _REACHED[type(action).__name__] += 1
                assert_can_be_kept(action)


def assert_can_be_kept(action: Action) -> None:
    text = repr(action)
    assert not _OPAQUE.search(text), f"nobody can read what is done: {text}"
    assert not [each for each in SECRETS if each in text], "a secret would be written down"


def test_enough_of_the_actions_were_decided_on() -> None:
    if not _REACHED:
        pytest.skip("the test above has not run here")
    assert {"Run", "WriteFile"} <= set(_REACHED)
    assert len(_REACHED) > 8, _REACHED


def test_a_fact_and_an_act_are_among_them() -> None:
    assert Fact in STEPS
    assert not isinstance(object(), Act)
