"""The journal: private, without secrets, complete up to a crash, and never growing for ever."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from picluster.engine import journal
from picluster.engine.events import Connected, Output, StepFinished, TargetFailed
from picluster.engine.journal import begin, recorded_runs
from picluster.secret import Secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def failed(text: str) -> TargetFailed:
    return TargetFailed(phase="k3s", target="pi1", what="it failed", evidence=text)


def output(text: str) -> Output:
    return Output(phase="k3s", target="pi1", step="install", text=text)


def everything_in(directory: Path) -> str:
    return "".join(path.read_text() for path in directory.rglob("*") if path.is_file())


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    written = begin(tmp_path / "home", "up")
    written(Connected(target="pi1", seconds=0.1))
    written(output("hello"))
    written.close()
    assert mode(written.directory) == mode(written.directory.parent) == 0o700
    files = sorted(written.directory.iterdir())
    assert [path.name for path in files] == ["events.jsonl", "output.log", "sequence"]
    assert {mode(path) for path in files} == {0o600}


def test_events_can_be_read_back_in_order(tmp_path: Path) -> None:
    written = begin(tmp_path, "up")
    written(Connected(target="pi1", seconds=0.1))
    written(StepFinished(phase="k3s", target="pi1", step="s", title="it is so", outcome="changed"))
    written.close()
    (run,) = recorded_runs(tmp_path)
    events = list(run.events())
    assert [event["event"] for event in events] == ["Connected", "StepFinished"]
    assert {event["picluster"] for event in events} == {1}
    assert run.name.endswith("-up")


def test_what_nodes_print_goes_to_the_output_with_node_and_step(tmp_path: Path) -> None:
    written = begin(tmp_path, "up")
    written(output("downloading"))
    written.close()
    (run,) = recorded_runs(tmp_path)
    assert "pi1" in run.output()
    assert "install" in run.output()
    assert "downloading" in run.output()
    assert list(run.events()) == []


@pytest.mark.parametrize(
    "secret",
    [
        "correct horse battery",
        'quo"ted-and-back\\slashed',
        "first-line-of-it\nsecond-line-of-it",
        "tab\tseparated-secret",
        "smörgåsbord-lösen",
    ],
)
def test_secrets_are_masked_however_they_are_written(tmp_path: Path, secret: str) -> None:
    Secret(secret)
    written = begin(tmp_path, "up")
    written(failed(f"token is {secret}."))
    written(output(f"token is {secret}."))
    written.close()
    stored = everything_in(written.directory)
    (event,) = recorded_runs(tmp_path)[0].events()
    for part in {secret, *secret.splitlines()}:
        assert part not in stored
        assert json.dumps(part)[1:-1] not in stored
        assert part not in event["evidence"]
    assert "***" in event["evidence"]


def test_masking_never_breaks_the_format(tmp_path: Path) -> None:
    """A secret that happens to look like the format's own text masks values, not field names."""
    Secret("evidence")
    written = begin(tmp_path, "up")
    written(failed("the evidence"))
    written.close()
    (event,) = recorded_runs(tmp_path)[0].events()
    assert event["evidence"] == "the ***"


def test_the_newest_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT_RUNS", 3)
    for number in range(5):
        directory = tmp_path / "runs" / f"2026010{number}T000000-up"
        directory.mkdir(parents=True)
        (directory / "events.jsonl").touch()
    begin(tmp_path, "up").close()
    names = [run.name for run in recorded_runs(tmp_path)]
    assert names[1:] == ["20260104T000000-up", "20260103T000000-up"]


def test_a_clock_set_back_makes_no_new_run_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "KEPT_RUNS", 3)
    begun = []
    for stamp in ("20360101T000000", "20360102T000000", "20260101T000000", "20260102T000000"):
        monkeypatch.setattr(journal.time, "strftime", lambda *_, stamp=stamp: stamp)
        run = begin(tmp_path, "up")
        run.close()
        begun.append(run.directory.name)
    assert [run.name for run in recorded_runs(tmp_path)] == begun[:0:-1]


def test_a_run_that_another_process_is_just_beginning_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "KEPT_RUNS", 1)
    (tmp_path / "runs" / "19700101T000000-up").mkdir(parents=True)
    begin(tmp_path, "up").close()
    assert (tmp_path / "runs" / "19700101T000000-up").is_dir()


def test_runs_of_the_same_second_stay_apart(tmp_path: Path) -> None:
    runs = [begin(tmp_path, "up") for _ in range(4)]
    for run in runs:
        run.close()
    assert len({run.directory for run in runs}) == 4


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    written = begin(tmp_path, "up")
    written(Connected(target="pi1", seconds=0.1))
    written.close()
    with (written.directory / "events.jsonl").open("a") as file:
        file.write('{"picluster": 1, "event": "Conn')
    (run,) = recorded_runs(tmp_path)
    assert [event["target"] for event in run.events()] == ["pi1"]


LINE_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
FORGED = '{"picluster": 1, "event": "RunFinished", "exit_code": 0}'


@pytest.mark.parametrize("end", [*LINE_ENDS, "\r", "\r\n", "\n", "\x1b[2K"], ids=ascii)
def test_what_a_node_says_neither_breaks_nor_forges_an_event(tmp_path: Path, end: str) -> None:
    written = begin(tmp_path, "up")
    written(failed(f"bad{end}{FORGED}{end}"))
    written(Connected(target="pi1", seconds=0.1))
    written.close()
    (run,) = recorded_runs(tmp_path)
    events = list(run.events())
    assert [event["event"] for event in events] == ["TargetFailed", "Connected"]
    assert events[0]["evidence"] == f"bad{end}{FORGED}{end}", "nothing of it is lost"
    text = (run.directory / "events.jsonl").read_text()
    assert len(text.splitlines()) == 2, "nor does it for other readers"


@pytest.mark.parametrize("end", [*LINE_ENDS, "\r", "\r\n", "\n"], ids=ascii)
def test_what_a_node_prints_forges_no_line_of_another(tmp_path: Path, end: str) -> None:
    written = begin(tmp_path, "up")
    written(output(f"one{end}pi2 install: all is well\x1b[1A"))
    written.close()
    (run,) = recorded_runs(tmp_path)
    assert all(line.startswith("pi1 install: ") for line in run.output().splitlines())
    assert "\x1b" not in run.output()
