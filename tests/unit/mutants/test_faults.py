"""The tool that plants faults: which ones, and which tests they are shown to."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.mutants.operators import mutations
from tests.mutants.reach import Reach, moved

MODULE = Path("src/picluster/kube/quorum.py")


def faulty(source: str) -> set[str]:
    """Every source that the tool makes of one, written the way of the tool."""
    return {each.source for each in mutations(source)}


def written(source: str) -> str:
    return ast.unparse(ast.parse(source))


def test_a_comparison_is_turned_at_its_border() -> None:
    assert written("found = a <= b") in faulty("found = a < b")
    assert written("found = a not in b") in faulty("found = a in b")


def test_a_condition_holds_always_and_never() -> None:
    source = "if ready:\n    start()"
    assert faulty(source) >= {
        written("if True:\n    start()"),
        written("if False:\n    start()"),
    }


def test_what_is_done_is_left_out_and_a_refusal_is_not_raised() -> None:
    source = "def stop():\n    halt()\n    raise Refused(1)"
    assert faulty(source) >= {
        written("def stop():\n    pass\n    raise Refused(1)"),
        written("def stop():\n    halt()\n    pass"),
    }


def test_an_action_is_left_out_of_those_that_are_decided_on() -> None:
    assert written("decided = (b(),)") in faulty("decided = (a(), b())")


def test_a_fault_stands_in_its_whole_statement_and_not_in_what_is_inside_of_that() -> None:
    source = "def f():\n    if (\n        a == b\n    ):\n        g(\n            1,\n        )\n"
    found = {each.what: (each.line, each.lines) for each in mutations(source)}
    assert found["compared otherwise: a == b"] == (3, (2, 4))
    assert found["one more: 1"] == (6, (5, 7))
    assert found["left out `g(1)` in: a == b"] == (5, (5, 7))


def test_what_is_only_said_is_left_alone() -> None:
    assert faulty('"""Some words."""\nfound: Literal[1]\nassert found\n') == set()


def test_how_long_something_is_waited_for_is_left_alone() -> None:
    assert faulty("_STOP_SECONDS = 180\nrun(script, timeout=30)\n") == {
        written("_STOP_SECONDS = 180\npass\n")
    }


def test_a_line_that_moved_keeps_its_tests() -> None:
    old, new = "a = 1\nb = 2\nc = 3\n", "# more\na = 1\nb = 2\nx = 0\nc = 3\n"
    lines = {"t": {str(MODULE): hex(1 << 2 | 1 << 3)}}
    assert moved(lines, {str(MODULE): old}, {str(MODULE): new}) == {
        "t": {str(MODULE): 1 << 3 | 1 << 4 | 1 << 5}
    }, "b and c were run, and so would be what was put between them"


def test_a_fault_is_shown_to_the_tests_of_its_line_the_nearest_and_quickest_first() -> None:
    line = {str(MODULE): 1 << 7}
    far, slow, quick = (f"tests/unit/{name}.py::t" for name in ("a/x", "kube/x", "kube/y"))
    other = "tests/unit/kube/z.py::t"
    lines = {far: line, slow: line, quick: line, other: {str(MODULE): 1 << 8}}
    reach = Reach(lines, {far: 0.1, slow: 2.0, quick: 0.1})
    assert reach.tests(MODULE, 7, 7) == [quick, slow, far]


def test_a_line_that_no_test_runs_has_the_tests_of_its_module() -> None:
    test = "tests/unit/kube/x.py::t"
    reach = Reach({"": {str(MODULE): 1 << 3}, test: {str(MODULE): 1 << 9}}, {})
    assert reach.tests(MODULE, 3, 3) == [test]
    assert reach.at_import(MODULE, 3, 3)
    assert not reach.at_import(MODULE, 9, 9)


def test_what_is_named_at_import_is_shown_first_to_the_tests_that_read_it() -> None:
    source = "_MOST = 5\n\nclass Limit:\n    width: int = 2\n\n    def full(self):\n"
    source += "        return self.width\n\ndef most():\n    return _MOST\n"
    readers = {each.what: each.readers for each in mutations(source)}
    assert readers == {"one more: 5": 1 << 10, "one more: 2": 1 << 7}
    near, far = (f"tests/unit/{name}.py::t" for name in ("kube/quorum", "a/x"))
    lines = {near: {str(MODULE): 1 << 7}, far: {str(MODULE): 1 << 10}}
    assert Reach(lines, {}).tests(MODULE, 1, 1, "_MOST", 1 << 10) == [far, near]


def test_mere_data_has_the_tests_of_its_room() -> None:
    beside, elsewhere = ("tests/unit/kube/x.py::t", "tests/unit/a/x.py::t")
    reach = Reach({"": {str(MODULE): 1 << 3}, beside: {}, elsewhere: {}}, {})
    assert reach.tests(MODULE, 3, 3) == [beside]


def test_what_is_named_at_import_is_shown_to_tests_of_its_room_that_name_it(tmp_path: Path) -> None:
    for name, text in (("kube/a.py", "a = MOST"), ("kube/b.py", "a = MOSTLY"), ("a.py", "MOST")):
        (tmp_path / "tests/unit" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests/unit" / name).write_text(text)
    lines: dict[str, dict[str, int]] = {
        f"tests/unit/{name}::t": {} for name in ("kube/a.py", "kube/b.py", "a.py")
    }
    lines["tests/unit/x.py::t"] = {str(MODULE): 1 << 9}
    found = Reach(lines, {}, tmp_path).tests(MODULE, 1, 1, "MOST")
    assert found == ["tests/unit/kube/a.py::t", "tests/unit/x.py::t"]
