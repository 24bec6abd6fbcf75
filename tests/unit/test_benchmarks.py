"""What the benchmarks make of figures: the page, its promises, and what became dearer."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks import page, quick
from benchmarks.measure import Series, as_record, counted
from benchmarks.plot import plot


def series(name: str, *seconds: float, **counts: int) -> Series:
    many = [1.0] * len(seconds)
    return Series(name, "", list(seconds), many, many, many, counts)


def seven(up: float = 2.0) -> list[Series]:
    return [
        series(page.BY_HAND, 0.9, 1.0, 1.3),
        series(page.SAME_WORK, 1.1, connections=7, scripts=7),
        series(page.PREPARE, 1.5, scripts=7, bytes_sent=1000),
        series(page.UP, up, scripts=7),
        series("pyinfra 3", 3.3),
        series("Ansible 2, pipelining", 19.0),
    ]


def rows(all_series: list[Series]) -> list[dict[str, Any]]:
    return [as_record(each) for each in all_series]


def test_a_promise_is_held_or_is_said_not_to_be() -> None:
    kept = page.must_hold(rows(seven()))
    broken = page.must_hold(rows(seven(up=2.3)))
    assert kept.count("holds |") == 5, kept
    assert "| Ansible, to the rivals' work | at least 18 | 17.27 | **does not hold** |" in kept
    assert "| `up`, to the script over ssh | at most 2.2 | 2.30 | **does not hold** |" in broken


def test_a_row_tells_median_range_number_load_and_counts() -> None:
    section = {"machine": "2 cores", "python": "3", "measured": "now", "rows": rows(seven())}
    section["rows"] += rows([Series("gone", "pip cannot | install it")])
    text = page.table(page.SEVEN, section)
    assert "| 1.00 s | 0.90-1.30 s | 1.00 | 3 | 1.00 s | 1 MB | 1.0-1.0 |  |" in text
    assert "| 1.50 | 1 | 1.00 s | 1 MB | 1.0-1.0 | 7 scripts, 1000 bytes sent |" in text
    assert "| gone | missing | | | 0 | | | | pip cannot / install it |" in text
    assert "&lt;" not in plot({page.SEVEN: section})


def test_dearer_is_more_of_a_count_or_a_higher_ratio() -> None:
    before = seven()
    assert list(quick.differences(rows(before), before)) == []
    slower_machine = [series(each.name, *(10 * s for s in each.seconds)) for each in before]
    assert list(quick.differences(rows(before), slower_machine)) == []
    now = copy.deepcopy(before)
    now[1].counts["scripts"] = 8
    now[2].counts["bytes_sent"] = 1099
    now[3].seconds = [2.7]
    assert list(quick.differences(rows(before), now)) == [
        f"{page.SAME_WORK}: 8 scripts, and 7 were committed",
        f"{page.UP}: 2.70 times the script over ssh, and 2.00 were committed",
    ]


def test_counts_are_read_from_a_document_and_from_the_last_line() -> None:
    assert counted('{"scripts": 2, "other": 1}') == {"scripts": 2}
    assert counted('{"scripts": 1}\n{"connections": 3}\n') == {"connections": 3}
    assert counted("usage: none\n") == {}
