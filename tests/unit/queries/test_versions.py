"""What runs is compared with what is asked for, what is known and what is published."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.phases.desk import FILE

from picluster.errors import StepFailed
from picluster.model import parse
from picluster.model.releases import KNOWN
from picluster.queries.versions import VersionRow, current, rows
from picluster.ui.versions_view import as_text

CLUSTER = parse(f"{FILE}k3s: {{version: v1.35.8+k3s1}}\nlonghorn: {{}}\n").cluster


def test_what_stands_between_is_told_with_its_reasons() -> None:
    found = rows(CLUSTER, ("v1.33.5+k3s1", "v1.34.11+k3s1"), "v1.11.0")
    assert found[0].way == (
        "v1.33.13+k3s2",
        "v1.34.11+k3s1",
        "v1.35.8+k3s1",
        "v1.36.4+k3s1",
        "v1.37.1+k3s1",
    )
    text = as_text(found, {})
    assert "v1.33.5+k3s1, v1.34.11+k3s1" in text
    assert "https://etcd.io/" in text
    assert "picluster upgrade --to v1.37.1+k3s1 --dry-run" in text
    assert "published" not in text


def test_a_cluster_that_cannot_be_asked_still_has_a_file() -> None:
    found = rows(CLUSTER, (), "")
    assert [(row.wanted, row.running, row.way) for row in found[:1]] == [("v1.35.8+k3s1", (), ())]
    by_key = {row.key: row for row in found}
    assert by_key["rancher"].wanted == "", "the file does without"
    assert by_key["longhorn"].wanted == by_key["longhorn"].known


def test_the_newest_needs_no_way() -> None:
    newest = KNOWN.newest[max(KNOWN.newest)]
    assert rows(CLUSTER, (newest,), "")[0].way == ()


def answers(url: str) -> Any:
    if "channels" in url:
        return {"data": [{"id": "stable", "latest": "v1.38.0+k3s1"}, {"id": "testing"}]}
    if "longhorn" in url:
        return {"tag_name": "v1.13.0"}
    if "rancher" in url:
        return ["no document"]
    raise StepFailed("no network")


def test_what_is_published_is_read_and_a_silent_publisher_is_no_failure() -> None:
    assert current(answers) == {"k3s": "v1.38.0+k3s1", "longhorn": "v1.13.0"}
    text = as_text(rows(CLUSTER, (), ""), current(answers))
    line = next(line for line in text.splitlines() if line.startswith("Longhorn"))
    assert line.split()[-1] == "v1.13.0"
    assert next(line for line in text.splitlines() if line.startswith("Rancher")).endswith("?")


@pytest.mark.parametrize("evil", ["\x1b[31mv9", "v9\nnext"])
def test_nothing_that_is_published_reaches_the_terminal_as_it_is(evil: str) -> None:
    text = as_text([VersionRow("k3s", "K3s", "v1", "v1")], {"k3s": evil})
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2
