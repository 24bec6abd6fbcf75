"""Every failure a user can meet, and the exit code that each one ends in.

    PiclusterError              1  a step failed
    ├── UsageError              2  the command line cannot be acted on
    ├── ConfigInvalid           3  cluster.yaml cannot be used; lists every problem at once
    ├── NodeError               4  a node could not be worked on at all
    │   ├── Unreachable            no answer on the network; may be retried
    │   │   └── OutOfTime          it did not end in the time that it was given; is not
    │   ├── AuthenticationFailed   the node refused every key or password
    │   ├── HostKeyUnknown         first contact, and nobody agreed to trust the key
    │   ├── HostKeyChanged         the key is not the pinned one
    │   ├── SudoUnavailable        logged in, but cannot become root
    │   ├── Unreadable             what it answered makes no sense
    │   └── NodeNeeded             it cannot be told, or done, without a node that is away
    ├── PreflightRefused        5  the nodes are not fit for what was asked
    ├── Locked                  6  another run holds the cluster
    ├── Unavailable             1  it cannot be asked right now; waits take that for `not yet`
    ├── StepFailed              1  a change was tried and did not work
    │   ├── ActionFailed           a command on the node ended badly
    │   ├── NotConverged           everything ran, and the node still is not as wanted
    │   └── WaitFailed             what was waited for did not happen
    └── Interrupted           130  the user stopped the run

All messages have one form: what happened, where, why, and what to do about it.
"""

from __future__ import annotations

from typing import ClassVar

_MOST_EVIDENCE = 2000


class PiclusterError(Exception):
    """A failure with a cause and a remedy; the CLI prints it and exits with `exit_code`."""

    exit_code: ClassVar[int] = 1
    evidence: str = ""
    """What was seen, to be quoted at length; it is in no message."""

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f"\n  why: {self.why}"
        if self.fix:
            text += f"\n  fix: {self.fix}"
        return text


class UsageError(PiclusterError):
    """The command line asks for something that cannot be done as asked."""

    exit_code = 2


class ConfigInvalid(PiclusterError):
    """The cluster file cannot be used."""

    exit_code = 3


class NodeError(PiclusterError):
    """A node could not be worked on at all, or not any more."""

    exit_code = 4


class Unreachable(NodeError):
    """No usable answer from the node on the network, or the connection was lost."""


class OutOfTime(Unreachable):
    """What ran on the node did not end in its time: asked once more, it would take as long."""


class TooMuchOutput(NodeError):
    """A script on the node printed more than anything that picluster asks for ever does."""


class AuthenticationFailed(NodeError):
    """The node answered and refused every key or password that was offered."""


class HostKeyUnknown(NodeError):
    """First contact with a node whose host key nobody has agreed to trust."""


class HostKeyChanged(NodeError):
    """The node's host key is not the pinned one: a re-flashed card, or somebody in the middle."""


class SudoUnavailable(NodeError):
    """The login works, but becoming root does not."""


class Unreadable(NodeError):
    """A node's answer to a probe makes no sense: one node that talks nonsense fails alone.

    `evidence` is the whole answer. One whose cause is known says it, with its `fix`.
    """

    def __init__(
        self, what: str, *, where: str = "", why: str = "", fix: str = "", evidence: str = ""
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.evidence = evidence

    def about(self, where: str, answer: str) -> Unreadable:
        """Return the same failure, of a node and with its whole answer as evidence."""
        if self.fix:
            evidence = answer.strip()[:_MOST_EVIDENCE]
            return Unreadable(self.what, where=where, why=self.why, fix=self.fix, evidence=evidence)
        return Unreadable(
            f"its answer makes no sense: {self.what}",
            where=where,
            why="something on the node changes what commands print: a greeting of the login shell, "
            "a replaced system tool, a full disk or memory",
            fix="see the node's answer here, and run the command again",
            evidence=answer.strip()[:_MOST_EVIDENCE],
        )


class NodeNeeded(NodeError):
    """Something cannot be told, or done, without a node that cannot be worked on."""


class PreflightRefused(PiclusterError):
    """The nodes are not fit for what was asked, and what was refused is as it was before.

    Whether this run changed anything before that is for the message to say, from the record.
    """

    exit_code = 5


class Locked(PiclusterError):
    """Another run is working on the same cluster."""

    exit_code = 6


class Unavailable(PiclusterError):
    """It cannot be asked right now, and may answer in a moment. Waits take it for `not yet`."""

    @property
    def state(self) -> str:
        """Say it in one line, for whoever waits."""
        return f"{self.what}: {self.why}" if self.why else self.what


class StepFailed(PiclusterError):
    """A change was tried and did not work."""

    def __init__(
        self, what: str, *, where: str = "", why: str = "", fix: str = "", evidence: str = ""
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.evidence = evidence


class ActionFailed(StepFailed):
    """A command on the node ended with a non-zero status."""


class NotConverged(StepFailed):
    """Every action succeeded, and a second look still finds the node not as wanted."""


class WaitFailed(StepFailed):
    """What was waited for did not happen in the time allowed, or cannot happen any more."""


class Interrupted(PiclusterError):
    """The user asked to stop; finished steps stay done and the next run goes on from there."""

    exit_code = 130
