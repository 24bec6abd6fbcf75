"""Every fault with a name has its place: whoever moves the code is told to move the fault too."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mutants.named import NAMED

SOURCE = Path(__file__).parents[3] / "src" / "picluster"


@pytest.mark.parametrize("name", NAMED)
def test_the_place_of_a_fault_with_a_name_is_there_exactly_once(name: str) -> None:
    file, before, after = NAMED[name]
    path = SOURCE / file
    assert path.is_file(), f"{file} is gone: tests/mutants/named.py names the file of {name!r}"
    text = path.read_text()
    assert text.count(before) == 1, (
        f"tests/mutants/named.py plants {name!r} where {file} reads as follows, "
        f"which is there {text.count(before)} times now; move it to where that is decided:\n"
        f"{before}"
    )
    compile(text.replace(before, after), file, "exec")
