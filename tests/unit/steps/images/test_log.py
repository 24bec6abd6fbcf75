"""What a build says: how far it is, and which instruction failed."""

from __future__ import annotations

from picluster.steps.images.log import BuildLog

BUILDKIT = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#4 [1/3] FROM docker.io/library/lab-base:1
#5 [2/3] COPY greeting.txt /greeting.txt
#6 [3/3] RUN echo about to fail && exit 7
#6 0.312 about to fail
#6 ERROR: process "/bin/sh -c echo about to fail && exit 7" did not complete: exit code: 7
------
 > [3/3] RUN echo about to fail && exit 7:
------
failed to solve: exit code: 7
"""
FORMER = """\
Step 1/2 : FROM lab-base:1
 ---> 1234
Step 2/2 : RUN false
 ---> Running in abc
The command '/bin/sh -c false' returned a non-zero code: 1
"""


def log_of(text: str) -> BuildLog:
    log = BuildLog()
    for line in text.splitlines():
        log.feed(line)
    return log


def test_progress_is_the_step_and_the_last_line() -> None:
    log = log_of("\n".join(BUILDKIT.splitlines()[:6]))
    assert log.state == "step 3/3: #6 0.312 about to fail"
    assert log_of(FORMER).state.startswith("step 2/2: The command")


def test_before_the_first_step_progress_is_the_last_line() -> None:
    assert (
        log_of("#1 [internal] load build definition\n\n").state
        == "#1 [internal] load build definition"
    )


def test_of_several_instructions_the_one_that_failed_is_named() -> None:
    begun = "#4 [1/3] RUN a\n#5 [2/3] RUN b\n"
    said = f"{begun}#4 ERROR: it ended\n#6 [3/3] RUN c\n#9 CANCELED\n#6 0.1 c\n"
    assert log_of(said).culprit == "RUN a"
    assert log_of(said).cause == "#4 ERROR: it ended"
    assert log_of("").cause == "it said nothing"


def test_the_failing_instruction_is_named_by_both_builders() -> None:
    assert log_of(BUILDKIT).culprit == "RUN echo about to fail && exit 7"
    assert log_of(FORMER).culprit == "RUN false"
    assert "non-zero code" in log_of(FORMER).cause


def test_a_full_disk_is_called_that() -> None:
    log = log_of(FORMER + "write /var/lib/docker/tmp/x: no space left on device\n")
    assert log.cause == "the builder's disk is full"


def test_no_more_than_forty_lines_are_kept() -> None:
    log = log_of("\n".join(f"line {number}" for number in range(100)))
    assert log.evidence.splitlines()[0] == "line 60"


def test_colours_of_the_builder_do_not_matter() -> None:
    assert log_of("\x1b[34m#5 [2/3] COPY a b\x1b[0m\n").instruction == "COPY a b"
