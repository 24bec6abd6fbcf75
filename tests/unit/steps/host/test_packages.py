"""Packages: what is missing, what was interrupted, and how apt is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.steps import looking

from picluster.causes.cause import explain
from picluster.engine.step import Change, Run, Satisfied
from picluster.errors import Unreadable
from picluster.steps.host.packages import Packages, installation

STEP = Packages(("curl", "git:arm64", "systemd-timesyncd"), 3600)
ALL = ("have=installed curl", "have=installed git", "have=installed systemd-timesyncd")


def decide(*lines: str) -> Change | Satisfied:
    decision = looking.decide(STEP, *lines)
    assert isinstance(decision, Change | Satisfied)
    return decision


def script(decision: Change | Satisfied) -> str:
    assert isinstance(decision, Change)
    (action,) = decision.actions
    assert isinstance(action, Run)
    return action.script


def test_nothing_is_done_when_all_are_installed_however_old_the_lists() -> None:
    assert decide(*ALL, "age=999999", "lists=none") == Satisfied()


def test_another_time_daemon_will_do() -> None:
    assert decide(*ALL[:2], "have=installed chrony", "age=1") == Satisfied()


@pytest.mark.parametrize("state", ["config-files", "half-installed", "not-installed", "unpacked"])
def test_only_installed_counts(state: str) -> None:
    decision = decide(*ALL[1:], f"have={state} curl", "age=1")
    assert isinstance(decision, Change)
    assert decision.summary == "install curl"


@pytest.mark.parametrize(
    ("facts", "refreshed"),
    [
        (("age=3599",), False),
        (("age=3600",), True),
        (("age=-500",), False),
        (("age=10", "lists=none"), True),
    ],
)
def test_lists_are_refreshed_first_only_when_old(facts: tuple[str, ...], refreshed: bool) -> None:
    decision = decide(*ALL[1:], *facts)
    assert isinstance(decision, Change)
    assert decision.actions == (installation(["curl"], repair=False, refresh=refreshed),)


def test_an_age_that_is_no_number_is_not_guessed_at() -> None:
    with pytest.raises(Unreadable, match="`age` is not a number: '²'"):
        decide(*ALL[1:], "age=²")


def test_what_was_interrupted_is_finished_and_named() -> None:
    decision = decide(*ALL, "interrupted=yes", "age=1")
    assert isinstance(decision, Change)
    assert decision.reason == "an installation was interrupted"
    assert decision.actions == (installation([], repair=True, refresh=False),)


def test_what_apt_says_when_it_fails_is_translated() -> None:
    decision = decide("age=1")
    assert isinstance(decision, Change)
    (action,) = decision.actions
    assert isinstance(action, Run)
    said = "Err:1 http://deb.debian.org Temporary failure resolving 'deb.debian.org'"
    cause = explain(said, action.causes)
    assert cause is not None
    assert "no DNS, or no internet" in cause.why


def test_one_transaction_installs_all() -> None:
    decision = decide("age=1")
    assert isinstance(decision, Change)
    assert decision.actions == (installation(STEP.packages, repair=False, refresh=False),)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A directory of programs that stand for apt's."""
    (tmp_path / "bin").mkdir()
    return tmp_path


def run(system: Path, apt: str, decision: Change | Satisfied) -> subprocess.CompletedProcess[str]:
    program = system / "bin/apt-get"
    program.write_text(f'#!/bin/sh\necho "$@" >>{system}/calls\n{apt}\n')
    program.chmod(0o755)
    sleep = system / "bin/sleep"
    sleep.write_text("#!/bin/sh\n")
    sleep.chmod(0o755)
    text = script(decision).replace("/run/picluster-apt.log", str(system / "log"))
    return subprocess.run(
        ["sh", "-e"],
        input=text,
        env={"PATH": f"{system}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_what_apt_says_is_passed_on_and_its_errors_come_last(system: Path) -> None:
    done = run(system, "echo 'E: Unable to locate package curl' >&2; exit 100", decide("age=9999"))
    assert done.returncode != 0
    assert "Unable to locate package curl" in done.stderr
    assert "Unable to locate package curl" in done.stdout


def test_a_lock_that_another_holds_is_waited_for(system: Path) -> None:
    held = f"[ $(wc -l <{system}/calls) -gt 3 ] || {{ echo 'E: Could not get lock /x'; exit 100; }}"
    done = run(system, held, decide("age=9999"))
    assert done.returncode == 0, done.stderr
    assert "waiting for another program" in done.stdout


def test_an_interrupted_installation_is_repaired_before_anything_is_installed(
    system: Path,
) -> None:
    dpkg = system / "bin/dpkg"
    dpkg.write_text(f'#!/bin/sh\necho dpkg "$@" >>{system}/calls\n')
    dpkg.chmod(0o755)
    done = run(system, "", decide(*ALL[1:], "interrupted=yes", "age=1"))
    assert done.returncode == 0, done.stderr
    calls = (system / "calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["--force-confold", "install", "curl"]
    assert calls[0].startswith("dpkg --configure -a")
    assert "--fix-broken" in calls[1]


def changing(system: Path, *changes: tuple[str, str, str]) -> str:
    """An apt whose repositories changed, until that is accepted (RPi-Distro/pi-gen#546)."""
    said = "\n".join(
        f"echo \"E: Repository 'http://deb.debian.org/debian bookworm InRelease' changed its "
        f"'{field}' value from '{old}' to '{new}'\""
        for field, old, new in changes
    )
    return f"case $* in *allow*|*install*) exit 0 ;; esac\n{said}\nexit 100"


@pytest.mark.parametrize(
    ("old", "new"),
    [("stable", "oldstable"), ("testing", "stable"), ("stable-security", "oldstable-security")],
)
def test_a_suite_that_aged_is_accepted_and_told(system: Path, old: str, new: str) -> None:
    apt = changing(system, ("Suite", old, new))
    done = run(system, apt, decide("age=9999"))
    assert done.returncode == 0, done.stderr
    calls = (system / "calls").read_text().splitlines()
    assert ["allow-releaseinfo-change-suite" in call for call in calls] == [False, True, False]
    assert f"what was {old} is {new} now" in done.stdout


@pytest.mark.parametrize(
    "changes",
    [
        (("Suite", "stable", "unstable"),),
        (("Suite", "stable", "oldstable-security"),),
        (("Label", "Debian", "Evil"),),
        (("Suite", "stable", "oldstable"), ("Codename", "bookworm", "trixie")),
    ],
)
def test_any_other_change_of_a_repository_stops_it_with_its_cause(
    system: Path, changes: tuple[tuple[str, str, str], ...]
) -> None:
    decision = decide("age=9999")
    done = run(system, changing(system, *changes), decision)
    assert done.returncode != 0
    assert "allow" not in (system / "calls").read_text()
    assert isinstance(decision, Change)
    (action,) = decision.actions
    assert isinstance(action, Run)
    cause = explain(done.stderr, action.causes)
    assert cause is not None
    assert "not what it was" in cause.why


def test_stale_lists_are_refreshed_when_an_installation_fails(system: Path) -> None:
    gone = f"case $* in *update*) touch {system}/new ;; esac; [ -e {system}/new ] || exit 100"
    assert run(system, gone, decide("age=1")).returncode == 0
    calls = (system / "calls").read_text().splitlines()
    assert ["update" in call for call in calls] == [False, True, False]


def test_apt_outlives_the_script_that_a_lost_connection_ends(system: Path) -> None:
    program = f"trap '' PIPE; /usr/bin/sleep 1.5; echo done; touch {system}/finished"
    text = script(decide("age=9999")).replace("/run/picluster-apt.log", str(system / "log"))
    apt = system / "bin/apt-get"
    apt.write_text(f"#!/bin/sh\n{program}\n")
    apt.chmod(0o755)
    environment = {"PATH": f"{system}/bin:/usr/bin:/bin"}
    with subprocess.Popen(
        ["setsid", "sh", "-e", "-c", text], env=environment, stdout=subprocess.PIPE
    ) as torn:
        subprocess.run(["sh", "-c", f"sleep 0.5; kill -s TERM -- -{torn.pid}"], check=True)
        assert torn.wait(5) != 0
    subprocess.run(["sh", "-c", f"sleep 3; test -e {system}/finished"], check=True)
