"""What a build says, followed line by line: how far it is, and which instruction failed. Pure.

BuildKit with plain progress numbers its lines `#5 ...`; the former builder says `Step 2/4 : ...`.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

_EVIDENCE_LINES = 40
_VERTEX = re.compile(r"#(\d+) (?:\[(?:\S+ +)?(\d+/\d+)\] )?(.*)")
_STEP = re.compile(r"Step (\d+/\d+) : (.*)")
_FAILED = re.compile(r"ERROR:|CANCELED")
_NOTE = re.compile(r"(?:^|#\d+ [\d.]+ )picluster: (.+)")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(slots=True)
class BuildLog:
    """The lines of one build so far."""

    step: str = ""
    instruction: str = ""
    failed: str = ""
    last: str = ""
    note: str = ""
    """What one of picluster's own Dockerfiles wants the user to know, the latest."""
    _instructions: dict[str, str] = field(default_factory=dict)
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=_EVIDENCE_LINES))

    def feed(self, raw: str) -> None:
        """Take in one line."""
        line = _ANSI.sub("", raw).rstrip()
        if not line:
            return
        self._tail.append(line)
        if noted := _NOTE.search(line):
            self.note = noted[1]
        former = _STEP.match(line)
        vertex = _VERTEX.match(line)
        if former:
            self.step, self.instruction = former[1], former[2]
        elif vertex:
            self._vertex(vertex[1], vertex[2], vertex[3])
        self.last = line

    def _vertex(self, number: str, step: str | None, text: str) -> None:
        if step:
            self.step, self.instruction = step, text
            self._instructions[number] = text
        elif _FAILED.match(text):
            self.failed = self._instructions.get(number, "") or self.failed

    @property
    def state(self) -> str:
        """How far it is: `step 2/4: what it said last`."""
        return f"step {self.step}: {self.last}" if self.step else self.last

    @property
    def culprit(self) -> str:
        """The instruction that failed, or the one that it came to."""
        return self.failed or self.instruction

    @property
    def evidence(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)

    @property
    def cause(self) -> str:
        """What went wrong, in the words of the last line that is about it."""
        for line in reversed(self._tail):
            if "no space left on device" in line.lower():
                return "the builder's disk is full"
        words = ("error", "failed", "returned a non-zero", "denied", "refused", "no route")
        spoken = [line for line in self._tail if any(word in line.lower() for word in words)]
        return (spoken or list(self._tail) or ["it said nothing"])[-1]
