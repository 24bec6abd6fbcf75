"""What fuzzing found once, and what it starts from, stays without findings."""

from __future__ import annotations

import pytest
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.targets import TARGETS

CASES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_of_the_corpus_raises_nothing_unexpected(path):
    TARGETS[path.parent.name](path.read_bytes())


def test_every_parser_has_inputs_and_the_corpus_is_small():
    assert {path.parent.name for path in CASES} == set(TARGETS)
    assert sum(path.stat().st_size for path in CASES) < 200_000
