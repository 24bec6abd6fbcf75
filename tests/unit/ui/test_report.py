"""A run's report: its story, where things lie in time, and a page that nothing can get out of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.ui.samples import NOTICE, busy_run, failed_run, records

from picluster.cli import reading
from picluster.cli.report import report
from picluster.engine.events import (
    Event,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
    TargetFailed,
)
from picluster.engine.journal import begin
from picluster.errors import PiclusterError, UsageError
from picluster.model import load, parse
from picluster.paths import cluster_state
from picluster.ui.report.axis import Axis, Stretch
from picluster.ui.report.flame import Piece, pieces
from picluster.ui.report.page import as_html, verdict
from picluster.ui.report.story import UNFINISHED, Story, tell
from picluster.ui.report.topology import topology_of

ROOT = Path(__file__).parents[3]
FILE = ROOT / "examples" / "ha.yaml"


def page(story: Story) -> str:
    return as_html("20261124T100000-up", story, topology_of(load(FILE).cluster), "0.1.0")


# ------------------------------------------------------------------ the story


def test_a_run_is_told_with_its_failure_and_numbers() -> None:
    story = tell(records(failed_run()))
    assert (story.command, story.cluster, story.exit_code) == ("up", "home", 1)
    assert (story.connections, story.scripts, story.seconds) == (2, 7, 12.0)
    assert (story.bytes_sent, story.bytes_received) == (26_000, 4_000)
    assert (story.forks, story.cpu_seconds) == (4711, 0.3)
    assert [(span.name, span.outcome) for span in story.phases] == [("prepare", "failed")]
    assert [(failure.target, failure.why) for failure in story.failures] == [
        ("pi2", "no space left on device")
    ]
    assert verdict(story) == ("failed", "failed with exit code 1")


def test_a_phase_says_whom_it_went_without() -> None:
    over = PhaseFinished(phase="prepare", seconds=2.0, outcome="changed", missing=("pi2",))
    events = [over if isinstance(each, PhaseFinished) else each for each in failed_run()]
    story = tell(records(events))
    assert [(span.outcome, span.missing) for span in story.phases] == [("changed", ("pi2",))]
    assert "prepare: changed, without pi2" in page(story)


def test_the_page_tells_what_each_node_paid() -> None:
    shown = page(tell(records(failed_run())))
    assert "<b>4711</b> processes and <b>0.3 s</b> of CPU on the nodes" in shown
    assert '<td class="number">7</td><td class="number">4711</td>' in shown


def test_a_journal_of_before_tells_no_costs_and_is_shown_all_the_same() -> None:
    events = [each for each in records(failed_run()) if each["event"] != "Exchanged"]
    for event in (*events, *(tally for each in events for tally in each.get("tallies", ()))):
        for name in ("forks", "cpu_seconds", "bytes_sent", "bytes_received", "scripts"):
            if event.get("event") != "RunFinished" or name != "scripts":
                event.pop(name, None)
    assert "processes" not in page(tell(events))


def test_a_step_lasts_as_long_as_it_took_itself_not_until_its_script_ended() -> None:
    (bar,) = tell(records(failed_run())).bars
    assert (bar.target, bar.outcome) == ("pi1", "changed")
    assert bar.seconds == pytest.approx(1.2)


def test_a_run_that_was_cut_off_is_told_to_where_it_came() -> None:
    events = [each for each in busy_run(1, 3) if not isinstance(each, RunFinished | PhaseFinished)]
    story = tell(records(events[:-1]))
    assert [bar.outcome for bar in story.lane("pi1")] == ["changed", "changed", UNFINISHED]
    assert [span.outcome for span in story.phases] == [UNFINISHED]
    assert story.seconds == 8.0
    assert verdict(story) == ("failed", "was cut off")


def test_nothing_to_do_is_said() -> None:
    start, end = busy_run(1, 0)[0], busy_run(1, 0)[-1]
    story = tell(records([start, end]))
    assert verdict(story) == ("ok", "went well, nothing to do")
    assert "no step had anything to do" in page(story)


def test_events_of_a_newer_picluster_are_passed_over() -> None:
    assert tell([{"event": "Danced", "at": 5.0}]).bars == []


def test_the_slowest_come_first_and_what_took_no_time_is_left_out() -> None:
    story = tell(records(busy_run(2, 8)))
    assert len(story.slowest) == 10
    assert story.lanes == ["pi1", "pi2"]


# ------------------------------------------------------------------ the axis


def test_a_place_is_in_percent_and_never_leaves_the_axis() -> None:
    axis = Axis(10)
    assert axis.place(2, 7) == Stretch(20.0, 50.0)
    assert axis.place(3, 3).width > 0
    assert axis.place(10, 10).left + axis.place(10, 10).width <= 100
    assert axis.place(9, 20) == Stretch(90.0, 10.0)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0, ["0", "1 s"]),
        (9.7, ["0", "2 s", "4 s", "6 s", "8 s"]),
        (100, ["0", "30 s", "1 min", "1 min 30 s"]),
        (1300, ["0", "5 min", "10 min", "15 min", "20 min"]),
    ],
)
def test_the_ticks_are_round_and_few(seconds: float, labels: list[str]) -> None:
    assert [label for _, label in Axis(seconds).ticks()] == labels


# ------------------------------------------------------------------ the topology


def test_the_topology_has_every_node_in_its_tier_with_what_it_does() -> None:
    text = """\
name: box
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: server}
  - {name: pi3, address: 10.0.0.13, role: server}
  - {name: pi4, address: 10.0.0.14, role: agent}
k3s: {vip: {address: 10.0.0.100}}
registry: {node: pi4}
longhorn: {}
opentakserver: {}
"""
    found = topology_of(parse(text).cluster)
    assert [node.name for node in found.servers] == ["pi1", "pi2", "pi3"]
    assert [(node.name, node.duties) for node in found.agents] == [("pi4", ("registry",))]
    assert found.servers[0].duties == ("etcd voter",)
    assert found.endpoint == "virtual IP 10.0.0.100"
    assert found.carries[1:] == ("OpenTAKServer",)


# ------------------------------------------------------------------ the page


def test_the_page_shows_failure_notice_and_every_node() -> None:
    html = page(tell(records(failed_run())))
    assert f"NOTE: {NOTICE}" in html
    for text in ("no space left on device", "free some space", "sh: write error"):
        assert text in html
    assert all(node.name in html for node in load(FILE).cluster.nodes)


def test_nothing_that_a_node_says_becomes_markup() -> None:
    hostile = "<script>x</script>\"'><img src=x onerror=y>\x1b[2J"
    html = page(tell(records(busy_run(1, 1, says=hostile))))
    assert "<script" not in html
    assert "<img" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = page(tell(records(busy_run(2, 2))))
    assert re.findall(r"https?://|//[a-z]|@import|url\(|\bsrc=|<link|<script", html) == []


# ------------------------------------------------------------------ the command


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster file with one recorded `up`, and a look after it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "cluster.yaml"
    file.write_text("name: home\nnodes:\n  - {name: pi1, address: 10.0.0.11, role: server}\n")
    for command in ("up", "doctor"):
        journal = begin(cluster_state("home"), command)
        for event in busy_run(1, 2):
            journal(event)
        journal.close()
    return file


def test_the_report_of_the_newest_change_lies_beside_its_journal(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(file=recorded)
    path = Path(capsys.readouterr().out.strip())
    assert path.name == "report.html"
    assert path.parent.name.endswith("-up")
    assert path.stat().st_mode & 0o077 == 0
    assert "went well" in path.read_text()


def test_a_file_that_is_in_the_way_is_kept(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mine.html"
    output.write_text("my own")
    report(file=recorded, output=output)
    assert (tmp_path / "mine.html.before-picluster").read_text() == "my own"
    assert "mine.html.before-picluster: what was in mine.html" in capsys.readouterr().out
    report(file=recorded, output=output)
    assert not (tmp_path / "mine.html.before-picluster-2").exists()


def test_a_report_that_cannot_be_written_or_told_says_what_to_do(
    recorded: Path, tmp_path: Path
) -> None:
    with pytest.raises(PiclusterError, match="cannot be written") as refused:
        report(file=recorded, output=tmp_path / "no" / "such" / "dir.html")
    assert "--output" in refused.value.fix
    with pytest.raises(UsageError, match="no recorded run nonsense"):
        report(run="nonsense", file=recorded)
    with pytest.raises(UsageError, match="no run of another is recorded") as none_yet:
        reading.recorded_run("another", None)
    assert "picluster plan" in none_yet.value.fix


def test_runs_that_only_look_are_not_the_newest_change(recorded: Path) -> None:
    assert reading.recorded_run("home", None).name.endswith("-up")


def test_a_started_run_alone_is_a_story_too() -> None:
    start = RunStarted(at=3, command="up", cluster="home", targets=("pi1",), phases=("prepare",))
    assert "was cut off" in page(tell(records([start])))


# ------------------------------------------------------------------ where a node's time went


def changed(target: str, start: float, end: float) -> list[Event]:
    step = {"phase": "k3s", "step": "k3s-running", "title": "K3s runs", "target": target}
    return [
        StepStarted(at=start, summary="start k3s", **step),
        StepFinished(at=end, outcome="changed", seconds=end - start, **step),
    ]


def waiting(target: str, at: float, state: str, *, passing: bool = False) -> StepProgress:
    return StepProgress(
        at=at, phase="k3s", target=target, step="k3s-running", state=state, passing=passing
    )


def exchanged(target: str, at: float, seconds: float, **paid: float) -> dict[str, object]:
    spent = {"bytes_sent": 0, "bytes_received": 0, "forks": 0, "cpu_seconds": 0.0} | paid
    kind = "upload" if "bytes_sent" in paid else "script"
    return {
        "event": "Exchanged", "at": at, "target": target, "kind": kind, "seconds": seconds, **spent
    }  # fmt: skip


START = RunStarted(at=100, command="up", cluster="home", targets=("pi1", "pi2"), phases=("k3s",))
PHASE = PhaseStarted(at=100, phase="k3s", title="K3s runs", targets=("pi1", "pi2"))


def in_order(*events: Event) -> list[dict[str, object]]:
    return sorted(records([START, PHASE, *events]), key=lambda each: float(each["at"]))


def test_a_script_is_told_with_its_cpu_and_a_file_with_its_size() -> None:
    told = [
        exchanged("pi1", 103, 2, forks=40, cpu_seconds=0.5),
        exchanged("pi2", 104, 1, bytes_sent=70_000_000),
    ]
    assert pieces([*in_order(), *told]) == {
        "pi1": [Piece("script", "script: 40 processes, 0.5 s of CPU", 1, 3, 0.5)],
        "pi2": [Piece("upload", "70.0 MB sent", 3, 4)],
    }


def test_a_script_on_several_cores_is_busy_no_longer_than_it_lasts() -> None:
    (piece,) = pieces([*in_order(), exchanged("pi1", 103, 2, cpu_seconds=7.0)])["pi1"]
    assert (piece.cpu, piece.end - piece.start) == (2, 2)


def test_what_is_waited_for_lasts_until_the_next_word_of_its_step() -> None:
    events = in_order(
        *changed("pi1", 101, 109),
        waiting("pi1", 102, "not Ready"),
        waiting("pi1", 103, "a line of output", passing=True),
        waiting("pi1", 106, "still learning"),
    )
    assert pieces(events)["pi1"] == [
        Piece("waits", "not Ready", 2, 6),
        Piece("waits", "still learning", 6, 9),
    ]


def test_who_has_nothing_to_do_waits_for_those_who_have() -> None:
    over = PhaseFinished(at=120, phase="k3s", seconds=20, outcome="changed")
    events = in_order(*changed("pi1", 101, 108), *changed("pi2", 108.2, 115), over)
    assert pieces(events) == {
        "pi2": [Piece("others", "waits for pi1", 1, 8)],
        "pi1": [Piece("others", "waits for pi2", pytest.approx(8.2), 15)],
    }


def test_a_wait_for_others_ends_with_the_phase_or_with_their_failure() -> None:
    begun = changed("pi1", 101, 108)[0]
    failed = TargetFailed(at=105, phase="k3s", target="pi1", what="it ended")
    over = PhaseFinished(at=107, phase="k3s", seconds=7, outcome="failed")
    assert pieces(in_order(begun, over))["pi2"] == [Piece("others", "waits for pi1", 1, 7)]
    assert pieces(in_order(begun, failed, over))["pi2"] == [Piece("others", "waits for pi1", 1, 5)]


def test_the_page_draws_every_piece_and_needs_no_script() -> None:
    told = [
        *in_order(*changed("pi1", 101, 109), waiting("pi1", 102, "not Ready")),
        exchanged("pi1", 103, 2, forks=40, cpu_seconds=0.5),
        exchanged("pi2", 104, 1, bytes_sent=70_000_000),
    ]
    shown = page(tell(told))
    drawn = re.findall(r'class="flame (\w+)" [^>]*title="([^"]*)"', shown)
    assert drawn == [
        ("waits", "not Ready (7.0 s)"),
        ("script", "script: 40 processes, 0.5 s of CPU (2.0 s)"),
        ("others", "waits for pi1 (8.0 s)"),
        ("upload", "70.0 MB sent (1.0 s)"),
    ]
    assert "<script" not in shown
