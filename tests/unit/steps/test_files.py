"""Files of picluster's own: when one is written, why it is said to be, and what is shown of it."""

from __future__ import annotations

import hashlib

import pytest
from tests.unit.steps.looking import decide_from

from picluster.engine.step import Change, Diff, Run, Satisfied, WriteFile
from picluster.facts.files import FileState
from picluster.steps.files import ManagedFile, OptionalFile

PATH = "/etc/picluster.conf"
WANTED = "a: 1\n"
DIGEST = hashlib.sha256(WANTED.encode()).hexdigest()
RIGHT = FileState("644 root:root", DIGEST)
OTHER = FileState("644 root:root", "0" * 64, "a: 2\n")
AFTER = Run("systemctl restart it")


@pytest.mark.parametrize(
    ("present", "reason", "before"),
    [
        (FileState(), "it is missing", ""),
        (OTHER, "its content differs", "a: 2\n"),
        (
            FileState("600 root:root", DIGEST),
            "its mode and owner are 600 root:root, not 644 root:root",
            WANTED,
        ),
    ],
)
def test_a_file_that_differs_is_written_with_the_reason_and_the_difference(
    present: FileState, reason: str, before: str
) -> None:
    assert decide_from(ManagedFile("it", PATH, WANTED), present) == Change(
        f"write {PATH}",
        (WriteFile(PATH, WANTED, 0o644, "root:root", backup=False),),
        reason=reason,
        diff=Diff(before, WANTED),
    )


def test_a_file_as_it_should_be_is_left_alone() -> None:
    assert decide_from(ManagedFile("it", PATH, WANTED), RIGHT) == Satisfied()


def test_one_that_may_be_absent_is_written_or_removed_and_what_reads_it_is_told() -> None:
    wanted = OptionalFile("it", PATH, WANTED, after=(AFTER,))
    unwanted = OptionalFile("it", PATH, "", after=(AFTER,))
    assert decide_from(wanted, RIGHT) == decide_from(unwanted, FileState()) == Satisfied()
    written = decide_from(wanted, FileState())
    assert isinstance(written, Change)
    assert written.actions == (WriteFile(PATH, WANTED, 0o644, "root:root", backup=False), AFTER)
    assert decide_from(unwanted, OTHER) == Change(
        f"remove {PATH}", (Run(f"rm -f {PATH}"), AFTER), reason="it is not needed any more"
    )
    assert (wanted.title, unwanted.title) == (
        f"{PATH} is as it should be",
        f"there is no {PATH}",
    )
