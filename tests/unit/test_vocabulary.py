"""A class is one thing: no name stands for two of them."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.documented import ROOT


def test_no_class_shares_its_name_with_another() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "src/picluster").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(ROOT / "src/picluster")))
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert not twice, f"one name, two things: {twice}"
