"""The commands that the documentation shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("benchmarks/*.md")),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4,}(?:sudo )?(picluster .*)$", re.MULTILINE)
_CALL = re.compile(r"(?<![\w./-])(?:\.venv/bin/|\$\(BIN\)/)?picluster((?: +[^ `|;&#()\n]+)*)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks(text: str, page: str = "") -> list[Block]:
    return [
        Block(page, language, re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
        for indent, language, body in FENCE.findall(text)
    ]


def all_blocks(*languages: str) -> list[Block]:
    return [
        block
        for page, name in zip(PAGES, NAMES, strict=True)
        for block in blocks(page.read_text(), name)
        if block.language in languages
    ]


def commands_in(text: str) -> Iterator[str]:
    """Every call of picluster in code: in shell blocks, fenced or indented, and in backticks."""
    for block in blocks(text):
        if block.language in ("sh", "bash", "console"):
            yield from _CALL.findall(block.text)
    prose = FENCE.sub("", text)
    for line in _INDENTED.findall(prose):
        yield from _CALL.findall(line)
    for code in re.findall(r"`([^`\n]+)`", prose):
        call = _CALL.match(code.removeprefix("sudo ").strip())
        if call:
            yield call[1]


def documented_calls() -> set[str]:
    """Every distinct call of a command on any page, without the program's own name."""
    calls = (call.strip() for page in PAGES for call in commands_in(page.read_text()))
    return {call for call in calls if call}
