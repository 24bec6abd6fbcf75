"""What the doctor found as a screen and as a document, and the page that explains it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.queries.test_doctor import cluster
from tests.unit.ui.test_documents import check

from picluster.errors import Unreachable, Unreadable
from picluster.queries.doctor import Diagnosed, Diagnosis, Patient, borrowed_from, checks_of
from picluster.steps.doctor.finding import Finding, Light, not_applicable, ok, problem, warning
from picluster.ui.doctor_view import as_document, as_text, held_text
from picluster.ui.words import ASCII, UNICODE

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
RUNS = Diagnosed("k3s", "K3s runs", ok("k3s is active"))
BARE = Diagnosed("k3s", "K3s runs", not_applicable("K3s is not installed here yet"))
HOT = Diagnosed("heat", "a cool processor", problem("81 °C", "it is slowed down", "cool it"))
CARD = Diagnosed("root-medium", "a root that bears it", warning("on an SD card", "slow", "an SSD"))
SWAP = Diagnosed(
    "swap", "swap is off", Finding(Light.WARNING, "/swap is on", "m", "prepare", fixable=True)
)
AWAY = Patient("pi2", unreached=Unreachable("no route to it", why="it is off", fix="switch it on"))


def diagnosis(*patients: Patient) -> Diagnosis:
    return Diagnosis("home", patients, 1, 1, ("a notice",))


@pytest.mark.parametrize(
    ("patients", "code"),
    [
        ((Patient("pi1", (RUNS, CARD)),), 0),
        ((Patient("pi1", (RUNS, HOT)),), 1),
        ((Patient("pi1", (RUNS, HOT)), AWAY), 4),
    ],
)
def test_a_diagnosis_is_a_document(patients: tuple[Patient, ...], code: int) -> None:
    document = as_document(diagnosis(*patients), [("pi1", "swap")])
    check(document, "doctor")
    assert (document["exit_code"], document["ok"]) == (code, code == 0)


def test_what_is_not_well_comes_with_evidence_meaning_and_fix() -> None:
    text = as_text(diagnosis(Patient("pi1", (RUNS, CARD, HOT, SWAP))), UNICODE)
    assert "pi1: 1 ok, 2 warnings, 1 problem, 0 not applicable" in text
    problem, card = text.index("✗ a cool processor: 81 °C"), text.index("! a root that bears it")
    assert problem < card, "the worst does not come first"
    assert "means: it is slowed down\n      fix: cool it" in text
    assert "fix: prepare (or --fix)" in text
    assert "1 problem and 2 warnings\n`picluster doctor --fix` mends 1 of them" in text
    assert "NOTE: a notice" in text
    assert "k3s is active" not in text


def test_everything_is_shown_when_asked_for() -> None:
    text = as_text(diagnosis(Patient("pi1", (RUNS, BARE))), ASCII, everything=True)
    assert "ok K3s runs: k3s is active" in text
    assert "- K3s runs: K3s is not installed here yet" in text


def test_what_up_is_going_to_do_anyway_is_one_line_on_a_bare_node() -> None:
    text = as_text(diagnosis(Patient("pi1", (BARE, SWAP))), UNICODE)
    assert "! not prepared yet: swap (/swap is on)\n      fix: picluster up (or --fix)" in text
    assert "swap is off" not in text


def test_a_node_that_is_away_is_told_with_its_reason() -> None:
    text = as_text(diagnosis(Patient("pi1", (RUNS,)), AWAY), UNICODE)
    assert "pi2: cannot be reached\n✗ no route to it\n    why: it is off" in text
    assert "no problems found on the others" in text


def test_where_nobody_could_be_looked_at_nothing_is_said_to_be_well() -> None:
    assert "no problems" not in as_text(diagnosis(AWAY), UNICODE)


def test_a_node_that_answers_nonsense_is_not_said_to_be_out_of_reach() -> None:
    odd = Patient("pi3", unreached=Unreadable("`size` is not a number").about("pi3", "²"))
    text = as_text(diagnosis(Patient("pi1", (RUNS,)), AWAY, odd), UNICODE)
    assert "pi3: cannot be looked at\n✗ its answer makes no sense: `size` is not" in text
    assert "\ncannot be reached: pi2\ncannot be looked at: pi3\n" in text


def test_no_line_is_wider_than_80_columns() -> None:
    long = problem("x " * 90, "y " * 90, "z " * 90)
    text = as_text(diagnosis(Patient("pi1", (Diagnosed("a", "b", long),))), UNICODE)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_node_cannot_steer_the_terminal() -> None:
    evil = Diagnosed("a", "b", warning("\x1b[2Jgone", "m", "f"))
    assert "\x1b" not in as_text(diagnosis(Patient("pi1", (evil,))), UNICODE)


def test_what_is_left_alone_is_named_with_the_reason() -> None:
    text = held_text(diagnosis(Patient("pi1", (RUNS, HOT, SWAP))))
    assert text == "left alone:\n  pi1: a cool processor: it takes your hands or your decision\n"
    assert held_text(diagnosis(Patient("pi1", (RUNS,)))) == ""


def test_the_page_lists_the_checks_and_nothing_else() -> None:
    node = cluster().nodes[0]
    made = [each.name for each in [*checks_of(cluster(), node), *borrowed_from(cluster(), node)]]
    table = PAGE.read_text().partition("## The checks")[2]
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    listed = [name for cell in first_cells for name in re.findall("`(.+?)`", cell)]
    assert sorted(listed) == sorted(made), "docs/doctor.md tells of other checks than there are"
