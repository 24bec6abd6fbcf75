"""What fuzzing found once, and what it starts from, stays without findings; no parser is forgotten.

The rule for the next one: a function that decodes text is run by some input of the corpus, or it is
said here why what it reads is nobody else's.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.targets import TARGETS

SOURCE = Path(__file__).parents[2] / "src/picluster"
CASES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
DECODERS = frozenset(
    """
    loads load_all safe_load read_yaml b64decode fromhex fromisoformat parsedate_to_datetime
    unpack ZipFile getresponse
    """.split()  # noqa: SIM905 - on two lines
)

OTHERS = {
    "apps/opentakserver/interface.py FetchUi.perform": "it hands the file to `unpack`",
    "apps/opentakserver/pod.py managed": "in a pod, of what picluster put into it",
    "apps/opentakserver/pod.py merged": "in a pod, of OpenTAKServer's own file",
    "kube/official.py _TimedConnection.getresponse": "the official client reads the answer",
    "kube/template.py template": "files of picluster's own package",
    "steps/manifests/inventory.py objects_of": "the API's objects: tests/unit/phases/test_nonsense",
    "steps/manifests/secrets.py read_secret": "the API's objects: tests/unit/phases/test_nonsense",
}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_of_the_corpus_raises_nothing_unexpected(path):
    TARGETS[path.parent.name](path.read_bytes())


def test_every_parser_has_inputs_and_the_corpus_is_small():
    assert {path.parent.name for path in CASES} == set(TARGETS)
    assert sum(path.stat().st_size for path in CASES) < 200_000


def decoding(path: Path) -> Iterator[tuple[int, str]]:
    """Name the functions of a file that call a decoder, each with its first line."""
    inside = {}
    for scope in ast.walk(ast.parse(path.read_text())):
        if isinstance(scope, ast.ClassDef | ast.FunctionDef):
            prefix = inside.get(scope, "")
            for each in ast.walk(scope):
                if each is not scope and isinstance(each, ast.ClassDef | ast.FunctionDef):
                    inside[each] = f"{prefix}{scope.name}."
        if isinstance(scope, ast.FunctionDef) and any(map(_decodes, ast.walk(scope))):
            lines = [scope.lineno, *(each.lineno for each in scope.decorator_list)]
            name = f"{inside.get(scope, '')}{scope.name}"
            yield min(lines), f"{path.relative_to(SOURCE).as_posix()} {name}"


def _decodes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in DECODERS


def test_every_function_that_decodes_text_is_run_by_the_corpus():
    found = {
        (str(path), line): name
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] not in ("lab", "cli", "ui")
        for line, name in decoding(path)
    }
    assert len(found) > 30, "the enumeration is blind"
    run = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            run.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for path in CASES:
            TARGETS[path.parent.name](path.read_bytes())
    finally:
        sys.setprofile(before)
    forgotten = sorted(name for place, name in found.items() if place not in run)
    assert sorted(set(forgotten) - set(OTHERS)) == [], (
        "a parser without a fuzzer: give it a target in tests/fuzz/targets.py, and an input"
    )
    assert sorted(set(OTHERS) - set(forgotten)) == [], "these reasons are for nothing any more"
