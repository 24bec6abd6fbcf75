"""A plan on paper: what, why, at what risk, and what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.ui.samples import NOTICE, fine, hosts, judged, plan, reboot, refused

from picluster.engine.plan import LeftOut
from picluster.engine.step import Change, Diff, Reboot, Run, Upload, WriteFile
from picluster.errors import Unreachable
from picluster.secret import Secret
from picluster.steps.k3s.maintenance import UncordonNode
from picluster.ui.plan_view import as_diff, as_document, as_text
from picluster.ui.words import ASCII, UNICODE

SNAPSHOT = """\
[prepare] every node is ready for K3s
  pi1
    ~ write /etc/hosts: 2 nodes are missing
        @@ -1,0 +2 @@
        +10.0.0.2 pi2
    ~ reboot: the memory cgroup is off [reboot]
  pi2
    ✗ the system is 64-bit: refused: 32-bit userland
        fix: flash the 64-bit image
    ! the clock is 3 s behind

plan: 2 changes to make, 1 refused
"""


def test_a_plan_reads_node_by_node() -> None:
    shown = plan(
        hosts("pi1"), reboot("pi1"), refused("pi2"), fine("pi2", "the clock is 3 s behind")
    )
    assert as_text([shown], (), UNICODE) == SNAPSHOT


def test_a_verbose_plan_tells_each_change_action_by_action() -> None:
    actions = (
        WriteFile("/etc/token", Secret("sesame-open"), 0o600),
        Upload(Path("/here/k3s-arm64"), "/opt/k3s", "0" * 64),
        Run("systemctl daemon-reload\nsystemctl restart k3s\n"),
        UncordonNode("pi1"),
        Reboot(),
    )
    planned = [
        plan(
            judged(
                "pi1",
                "x",
                "it is so",
                Change("have it so", actions, reason="it differs"),
            )
        )
    ]
    told = [
        "    ~ have it so: it differs",
        "        - write /etc/token (600 root:root)",
        "        - send k3s-arm64 to /opt/k3s",
        "        - run 2 lines of shell",
        "        - uncordoning pi1",
        "        - reboot",
    ]
    assert as_text(planned, (), UNICODE, verbose=True).splitlines()[2:8] == told
    assert as_text(planned, (), UNICODE).splitlines()[2:4] == [told[0], ""]


def test_a_node_of_several_stages_is_shown_once() -> None:
    text = as_text([plan(hosts("pi1"), hosts("pi2"), reboot("pi1"))], (), UNICODE)
    assert text.count("  pi1\n") == 1


def test_what_is_missing_is_told_with_its_cause_and_what_needs_it() -> None:
    needy = replace(plan(hosts("pi1")), left_out=(LeftOut("pi2", ("it runs", "it is used")),))
    gone = {"pi2": Unreachable("it cannot be reached", why="no answer", fix="look at its power")}
    text = as_text([needy], (), UNICODE, gone)
    assert "  - left out, as pi2 is missing: it runs; it is used\n" in text
    assert text.endswith(
        "pi2: it cannot be reached\n  why: no answer\n  fix: look at its power\n\n"
        "plan: 1 change to make, not looked at: pi2\n"
    )


def test_nothing_to_do_says_so_and_keeps_the_notices() -> None:
    text = as_text([plan(fine("pi1"))], (NOTICE,), UNICODE)
    assert text == f"plan: nothing to do\nNOTE: {NOTICE}\n"


def test_ascii_is_enough_where_there_is_no_more() -> None:
    text = as_text([plan(refused("pi1"), reboot("pi1"))], (), ASCII)
    assert text.isascii()


def test_it_is_readable_at_80_columns() -> None:
    shown = plan(hosts("pi1"), reboot("pi1"), refused("pi2"))
    assert max(map(len, as_text([shown], (), UNICODE).splitlines())) <= 80


def test_a_long_difference_is_cut_and_says_so() -> None:
    long = Change("write", (), diff=Diff("", "".join(f"line {n}\n" for n in range(500))))
    text = as_text([plan(judged("pi1", "s", "it is so", long))], (), UNICODE)
    assert len(text.splitlines()) < 80
    assert "more lines" in text


def test_secrets_are_in_neither_form() -> None:
    secret = Secret('plan-"view"-secret').reveal()
    change = Change(f"set {secret}", (), reason=secret, diff=Diff("", secret))
    shown = [plan(judged("pi1", "s", "it is so", change))]
    assert secret not in as_text(shown, (), UNICODE)
    assert secret not in str(as_document("home", shown, ()))


def test_a_diff_shows_files_whole_and_other_changes_by_a_line() -> None:
    text = as_diff([plan(hosts("pi1"), reboot("pi1"), fine("pi2", "a warning"))])
    assert "[prepare] pi1: write /etc/hosts" in text
    assert "+10.0.0.2 pi2" in text
    assert "[prepare] pi1: reboot" in text
    assert "warning" not in text
    assert as_diff([plan(fine("pi1"))]) == "no differences\n"
