"""Progress: plain lines without a terminal, a table on one; neither decorates a pipe."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console
from tests.unit.ui.samples import failed_run

from picluster.engine.events import Output, RunStarted, StepProgress
from picluster.ui.json_lines import JsonLines
from picluster.ui.live import LiveProgress, Row, for_whom_it_waits, what_it_does
from picluster.ui.plain import PlainProgress
from picluster.ui.words import UNICODE


def plain(*, verbose: bool) -> list[str]:
    stream = io.StringIO()
    sink = PlainProgress(stream, verbose=verbose)
    for event in failed_run():
        sink(event)
    return stream.getvalue().splitlines()


def test_plain_lines_have_no_colour_and_one_line_for_each_happening() -> None:
    lines = plain(verbose=False)
    assert "\x1b" not in "".join(lines)
    assert any("pi1" in line and "write /etc/hosts" in line for line in lines)
    assert any("pi2" in line and "status 1" in line for line in lines)


def test_verbose_tells_more() -> None:
    assert any("connected" in line for line in plain(verbose=True))
    assert not any("connected" in line for line in plain(verbose=False))


def test_json_lines_are_json_and_leave_raw_output_to_the_journal() -> None:
    stream = io.StringIO()
    sink = JsonLines(stream)
    for event in [*failed_run(), Output(phase="p", target="pi1", step="s", text="noise")]:
        sink(event)
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(records) == len(failed_run())
    assert "noise" not in stream.getvalue()


def table_at(width: int, events: int, phases: tuple[str, ...] = ()) -> str:
    """Return the live table as it is drawn after the first few events of the run."""
    live = LiveProgress(io.StringIO(), UNICODE)
    live._console.width = width
    for event in failed_run()[:events]:
        if phases and isinstance(event, RunStarted):
            event = replace(event, phases=phases)  # noqa: PLW2901 - the same run, with more of them
        live(event)
    drawn = io.StringIO()
    Console(file=drawn, width=width).print(live._table())
    live.close()
    return drawn.getvalue()


MANY = ("preflight", "prepare", "k3s", "registry", "longhorn", "build", "deploy", "rancher")


def test_many_phases_share_one_column_of_a_narrow_terminal() -> None:
    text = table_at(80, 5, MANY)
    assert "2 of 8" in text.splitlines()[0]
    assert "waiting for disk" in text, "what is being done is not squeezed out"
    assert max(map(len, text.splitlines())) <= 80
    assert "longhorn" in table_at(160, 5, MANY), "a wide one has room for their names"


def test_a_long_state_does_not_squeeze_out_the_nodes_names() -> None:
    live = LiveProgress(io.StringIO(), UNICODE)
    for event in failed_run()[:5]:
        live(replace(event, state="not Ready: " * 20) if isinstance(event, StepProgress) else event)
    for width in (80, 120):
        drawn = io.StringIO()
        Console(file=drawn, width=width).print(live._table())
        assert "pi1" in drawn.getvalue()
        assert "prepare" in drawn.getvalue()
        assert max(map(len, drawn.getvalue().splitlines())) <= width
    live.close()


def test_the_table_shows_what_is_waited_for_at_80_and_120_columns() -> None:
    for width in (80, 120):
        text = table_at(width, 5)
        assert "write /etc/hosts" in text
        assert "waiting for disk" in text
        assert max(map(len, text.splitlines())) <= width


BUSY = Row(doing="start k3s.service", state="not Ready", since=10.0, state_since=40.0)


def test_a_node_says_what_it_waits_for_and_since_when() -> None:
    assert what_it_does(BUSY, 100.0) == "start k3s.service · not Ready, 1 min 0 s · 1 min 30 s"
    assert what_it_does(replace(BUSY, state_since=10.2), 22.0) == (
        "start k3s.service · not Ready · 12 s"
    ), "it has waited for that all the time"
    assert what_it_does(replace(BUSY, state=""), 22.0) == "start k3s.service · 12 s"
    assert what_it_does(Row(), 22.0) == ""


def test_a_node_with_nothing_to_do_says_for_whom_it_waits() -> None:
    idle, later = Row(idle_since=25.0), replace(BUSY, since=30.0)
    assert for_whom_it_waits({}, idle, 60.0) == ""
    assert for_whom_it_waits({"pi1": BUSY}, idle, 60.0) == "waits for pi1 · 35 s"
    assert for_whom_it_waits({"pi1": later}, idle, 60.0) == "waits for pi1 · 30 s"
    all_of_them = {"pi1": BUSY, "pi2": later, "pi3": later}
    assert for_whom_it_waits(all_of_them, idle, 60.0) == "waits for pi1, pi2 and 1 more · 35 s"


def test_the_table_shows_who_waits_for_whom() -> None:
    text = table_at(100, 5)
    assert "waits for pi1 · 0.0 s" in next(line for line in text.splitlines() if "pi2" in line)


def test_the_table_names_every_node_and_phase_from_the_start() -> None:
    text = table_at(80, 1)
    for word in ("pi1", "pi2", "prepare"):
        assert word in text
