"""Answers of nodes, read strictly: facts, or one kind of error."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.shell_nodes import ShellNodes

from picluster.engine.observe import observe
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Fact
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, Unreadable

COUNT = ShellProbe("count", "cat count", lambda seen: seen.number("count"))
READERS: dict[str, Callable[[Observation], object]] = {
    "text": lambda answer: answer.text("key"),
    "flag": lambda answer: answer.flag("key"),
    "number": lambda answer: answer.number("key"),
    "decimal": lambda answer: answer.decimal("key"),
    "content": lambda answer: answer.content("key"),
}


def answer(*lines: str) -> Observation:
    return Observation(out="\n".join(lines))


@pytest.mark.parametrize("name", READERS)
@given(value=st.binary())
def test_any_bytes_are_facts_or_unreadable(name: str, value: bytes) -> None:
    out = (b"key=" + value).decode("utf-8", "replace")
    with contextlib.suppress(Unreadable):
        READERS[name](Observation(out=out))


@pytest.mark.parametrize("value", ["²", "--5", "5 ", "0x5", "", "1e3", "٣", "9" * 30])
def test_what_only_looks_like_a_number_is_none(value: str) -> None:
    with pytest.raises(Unreadable):
        answer(f"key={value}").number("key")


def test_each_reader_reads_what_it_is_for() -> None:
    said = answer("a=1", "a=2", "b=yes", "c=-3.5", "d=aMOk", "noise", "e=")
    assert said.every("a") == ("1", "2")
    assert said.number("a") == 2
    assert said.flag("b")
    assert not said.flag("z")
    assert said.decimal("c") == -3.5
    assert said.content("d") == "hä"
    assert said.content("z") is None
    assert said.number("e", 7) == said.number("z", 7) == 7
    assert said.decimal("e", 1.5) == said.decimal("z", 1.5) == 1.5
    assert not said.flag("e")
    assert said.every("z") == ()
    assert said.text("z", "none") == "none"


def test_a_line_ends_at_a_line_feed_only() -> None:
    assert Observation(out="a=1\u2028b=2\x85c=3\rd=4\n").lines == ["a=1\u2028b=2\x85c=3\rd=4"]


def test_an_answer_that_makes_no_sense_fails_its_node_with_what_it_said(
    shell_nodes: ShellNodes,
) -> None:
    (shell_nodes.root("pi1") / "count").write_text("count=²\n")
    with pytest.raises(Unreadable) as failure:
        observe(Sessions(shell_nodes), Tools(), "pi1", [Fact("count", "", COUNT)], 10)
    assert failure.value.where == "pi1"
    assert "'²'" in failure.value.what
    assert "count=²" in failure.value.evidence


def test_facts_are_read_by_their_probe(shell_nodes: ShellNodes) -> None:
    (shell_nodes.root("pi1") / "count").write_text("count=3\n")
    seen = observe(Sessions(shell_nodes), Tools(), "pi1", [Fact("fact", "", COUNT)], 10)
    look = Look("pi1", "fact", {"pi1": seen})
    assert look.read(COUNT) == 3
    assert look.find(COUNT, "pi2") is None
    assert look.every(COUNT) == {"pi1": 3}
    with pytest.raises(LookupError):
        look.read(COUNT, "pi2")


@dataclass(frozen=True)
class Told:
    """Another's answer, of which a number is read."""

    answer: str
    name: str = "told"
    secret: bool = False

    def ask(self, tools: Tools) -> int:
        document = json.loads(self.answer)
        return int(document["items"][0]["number"])


@pytest.mark.parametrize(
    "answer", ["5", "{}", '{"items": []}', '{"items": [5]}', '{"items": [{"number": 1e999}]}']
)
def test_an_answer_of_another_shape_fails_the_target_that_asked(answer: str) -> None:
    step, nobody = Fact("told", "it is known", Told(answer)), cast("Any", None)
    with pytest.raises(ActionFailed, match="the answer to `told` makes no sense") as caught:
        observe(nobody, nobody, "pi3", [step], 1.0)
    assert caught.value.where == "pi3"


def test_a_parser_that_did_not_think_of_it_fails_its_node_alone(tmp_path: Path) -> None:
    nodes = ShellNodes(tmp_path)
    careless = ShellProbe("careless", "echo 5", lambda seen: seen.lines[3])
    with pytest.raises(Unreadable, match="`careless` cannot be read") as caught:
        observe(Sessions(nodes), Tools(), "pi3", [Fact("careless", "known", careless)], 5.0)
    assert caught.value.where == "pi3"
    assert caught.value.evidence == "5"
