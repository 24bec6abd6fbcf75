"""What `up`, operations and queries are made of, written down: nothing leaves or comes unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.phases.everything import PASSWORD
from tests.unit.phases.outline import KEPT, OF, outlines


@pytest.mark.parametrize("name", OF)
def test_phases_are_made_of_what_is_written_down(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICLUSTER_TEST_PASSWORD", PASSWORD)
    assert outlines(OF[name](tmp_path)) == (KEPT / name).read_text(), (
        "if that is meant, `python -m tests.unit.phases.outline` writes it down anew"
    )
