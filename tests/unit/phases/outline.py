"""Phases as text: their stages, and who gets which steps in which order, with what they are told.

`python -m tests.unit.phases.outline` writes down anew what `test_outlines.py` compares with.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from tests.unit.phases.everything import ONE, SOME, phases, phases_of_all_nodes

from picluster.engine.phase import Phase, Stage

KEPT = Path(__file__).with_name("outlines")
OF: dict[str, Callable[[Path], Iterable[Phase]]] = {
    "everything.txt": phases,
    "some.txt": lambda here: phases_of_all_nodes(here, SOME),
    "one-server.txt": lambda here: phases_of_all_nodes(here, ONE),
}
_SHORT = 60
_RELEASE = re.compile(r"(?<![\d.])v?\d+\.\d+\.\d+(\+k3s\d+)?(?![\d.])")
_MOMENT = re.compile(r"\b20\d{6}t\d{6}z\b")


def outlines(made: Iterable[Phase]) -> str:
    """Return the text; of a phase that is there twice, the second is only named."""
    told = dict.fromkeys(_RELEASE.sub("RELEASE", _MOMENT.sub("NOW", _of(each))) for each in made)
    return "\n".join(told)


def _of(phase: Phase) -> str:
    lines = [f"{phase.name}: {phase.title}"]
    for stage in phase.stages:
        lines += [f"  {stage.title}{_told(stage, but=('title', 'steps'))}", *_steps(stage)]
    return "\n".join(lines) + "\n"


def _steps(stage: Stage) -> Iterator[str]:
    lists: dict[str, list[str]] = {}
    for target, steps in stage.steps.items():
        text = "".join(f"      {each.name}{_told(each)}\n" for each in steps)
        lists.setdefault(_without_its_name(text, target), []).append(target or "cluster")
    for text, targets in lists.items():
        yield f"    {' '.join(targets)}:\n{text}".rstrip()


def _without_its_name(text: str, target: str) -> str:
    return re.sub(rf"='({target}|10\.0\.0\.{target[2:]})'", "=ITSELF", text) if target else text


def _told(it: Any, but: tuple[str, ...] = ("name", "title")) -> str:
    """Return what it is told that is short, and differs from what it is told by default."""
    if not is_dataclass(it):
        return ""
    said = [
        f"{field.name}={_shown(value)}" if _is_short(value) else field.name
        for field in fields(it)
        if field.name not in but
        and (value := getattr(it, field.name)) != _default(field)
        and (_is_short(value) or callable(value))
    ]
    return f" ({', '.join(said)})" if said else ""


def _shown(value: object) -> str:
    return f"{{{', '.join(sorted(value))}}}" if isinstance(value, frozenset) else repr(value)


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _is_short(value: object) -> bool:
    if isinstance(value, tuple | list | frozenset):
        return all(isinstance(each, str) for each in value) and len(repr(value)) <= _SHORT
    return isinstance(value, str | bool | int | float) and len(repr(value)) <= _SHORT


if __name__ == "__main__":
    for name, make in OF.items():
        with tempfile.TemporaryDirectory() as here:
            (KEPT / name).write_text(outlines(make(Path(here))))
