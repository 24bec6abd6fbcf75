"""What the benchmarks make of figures: the page, its promises, and what became dearer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from benchmarks import page, quick
from benchmarks.measure import Series, Work, as_record, changed, counted, measure
from benchmarks.plot import plot
from benchmarks.rivals import changed_by_ansible, changed_by_pyinfra


def series(name: str, *seconds: float, **counts: int) -> Series:
    many = [1.0] * len(seconds)
    return Series(name, "", list(seconds), many, many, many, many, counts)


def seven(up: float = 2.0) -> list[Series]:
    return [
        series(page.BY_HAND, 0.9, 1.0, 1.3),
        series(page.SAME_WORK, 1.1, connections=7, scripts=7),
        series(page.PREPARE, 1.5, scripts=7, bytes_sent=1000),
        series(page.UP, up, scripts=7),
        series("pyinfra 3", 3.3),
        series("Ansible 2, pipelining", 19.0),
    ]


def section(*more: Series, up: float = 2.0) -> dict[str, Any]:
    machine = {"machine": "2 cores", "python": "3", "measured": "now", "nodes": 7, "cores": 2}
    return machine | {"rows": rows([*seven(up), *more])}


def rows(all_series: list[Series]) -> list[dict[str, Any]]:
    return [as_record(each) for each in all_series]


def test_a_promise_is_held_or_is_said_not_to_be() -> None:
    kept = page.must_hold(section())
    broken = page.must_hold(section(up=2.3))
    assert kept.count("holds |") == 5, kept
    assert "| Ansible, to the rivals' work | at least 18 | 17.27 | **does not hold** |" in kept
    assert "| `up`, to the script over ssh | at most 2.2 | 2.30 | **does not hold** |" in broken
    ansible = "| Ansible, to the rivals' work | at least 18 | | not measured |"
    alone = section()
    alone["rows"] = [row for row in alone["rows"] if "Ansible" not in row["name"]]
    assert ansible in page.must_hold(alone)


def test_what_is_missed_is_told_with_where_its_time_goes() -> None:
    slow = section(series(page.IMPORTS, 0.4), up=2.3)
    up = next(row for row in slow["rows"] if row["name"] == page.UP)
    up["cpu"], up["nodes_cpu"] = [1.4], [2.5]
    told = page.must_hold(slow)
    assert f"| {page.UP} | 2.30 s | 1.40 s | 2.50 s | 1.95 s | 85 % |" in told
    assert (
        f"- {page.UP} takes 1.30 s more than the script: 0.40 s of CPU here more "
        "(what `up` imports is 1.00 s), 1.50 s on the nodes."
    ) in told
    assert f"| {page.PREPARE} | 1.50 s" not in told


def test_a_row_tells_median_range_number_load_and_what_each_node_paid() -> None:
    text = page.table(page.SEVEN, section(Series("gone", "pip cannot | install it")))
    assert "| 1.00 s | 0.90-1.30 s | 1.00 | 3 | 1.00 s | 0.143 s | 1 MB | 1.0-1.0 |  |" in text
    assert "| 1.50 | 1 | 1.00 s | 0.143 s | 1 MB | 1.0-1.0 | 1 scripts, 143 bytes sent |" in text
    assert "| gone | missing | | | 0 | | | | | pip cannot / install it |" in text
    assert "&lt;" not in plot({page.SEVEN: section()})


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


RECAP = """\
10.0.0.11 : ok=7    changed=1    unreachable=0    failed=0
10.0.0.12 : ok=7    changed=2    unreachable=0    failed=0
"""
TOTAL = """\
             Hosts   Success   Error   No Change
Grand total  18      {}        -       18
"""


def test_what_was_changed_is_read_in_everybodys_own_words() -> None:
    assert changed('{"event": "x"}\n{"tallies": [{"changed": 1}, {"changed": 2}]}\n') == 3
    assert changed('{"scripts": 7, "changed": 0}\n') == 0
    assert changed_by_ansible(RECAP) == 3
    assert changed_by_pyinfra(TOTAL.format("-")) == 0
    assert changed_by_pyinfra(TOTAL.format("2")) == 2
    with pytest.raises(RuntimeError, match="recap"):
        changed_by_pyinfra("--> Disconnecting from hosts...")


def test_a_time_is_refused_where_something_else_was_done_than_wanted() -> None:
    def work(said: str, changes: int = 0) -> Work:
        return Work(("echo", said), changed=int, changes=changes)

    kinds = {"idle": work("0"), "busy": work("1"), "drift": work("1", 1), "lazy": work("0", 1)}
    found = {each.name: each for each in measure("some", kinds, 2)}
    measured = {name: len(each.seconds) for name, each in found.items()}
    assert measured == {"idle": 2, "busy": 0, "drift": 2, "lazy": 0}
    assert found["busy"].note == "it changed 1 things, and not 0"


def test_nodes_pay_what_their_meter_says_meanwhile() -> None:
    clock = iter([5.0, 5.25])
    found = Series("")
    Work(("true",), meter=lambda: next(clock)).into(found)
    assert found.nodes_cpu == [0.25]
