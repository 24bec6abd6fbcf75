"""75 shapes of a secret, on every way by which a text leaves: none of them gets out."""

from __future__ import annotations

import base64
import html
import io
import json
import quopri
import re
import shlex
import tarfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, quote_plus

import pytest
import yaml

from picluster.engine.bus import Bus
from picluster.engine.events import (
    Event,
    Output,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    TargetFailed,
    TargetTally,
)
from picluster.engine.journal import begin
from picluster.engine.plan import Judged, PhasePlan
from picluster.engine.step import Blocked, Change, Decision, Diff, Run, Satisfied
from picluster.errors import Unreachable
from picluster.queries.support import write_bundle
from picluster.secret import Secret, redact
from picluster.ui import plan_view
from picluster.ui.json_lines import JsonLines
from picluster.ui.node_lines import Printer
from picluster.ui.plain import PlainProgress
from picluster.ui.recap import Recap
from picluster.ui.words import ASCII

SECRET = "Zt7'q$W3kV\"hunter/ö+9=m2 x%R4a~?>"
"""Of every sign that some program writes otherwise."""
BYTES = SECRET.encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def in_pieces(text: str, size: int, between: str) -> str:
    return between.join(text[at : at + size] for at in range(0, len(text), size))


def each(write: Callable[[int], str], data: bytes = BYTES) -> str:
    return "".join(write(byte) for byte in data)


UNIX = SECRET.replace("'", "'\\''")
SHAPES = {
    "plain": SECRET,
    "part of a longer word": f"xx{SECRET}yy",
    "twice": SECRET * 2,
    "assigned": f"PASSWORD={SECRET}",
    "a flag": f"tool --password={SECRET}",
    "JSON": json.dumps(SECRET),
    "JSON as it is": json.dumps(SECRET, ensure_ascii=False),
    "JSON in JSON": json.dumps(json.dumps({"a": SECRET})),
    "JSON three times": json.dumps(json.dumps(json.dumps(SECRET))),
    "JSON with every sign escaped": each(lambda code: f"\\u{code:04x}", SECRET.encode("latin-1")),
    "JSON with / escaped": json.dumps(SECRET).replace("/", "\\/"),
    "JSON of a browser": json.dumps(SECRET).replace("+", "\\u002b").replace("=", "\\u003d"),
    "Python": repr(SECRET),
    "Python's bytes": repr(BYTES),
    "a Python dictionary": repr({"password": SECRET}),
    "C, hexadecimal": each(lambda byte: f"\\x{byte:02x}"),
    "C, octal": each(lambda byte: f"\\{byte:03o}"),
    "echo, octal": each(lambda byte: f"\\0{byte:03o}"),
    "a URL's path": quote(SECRET),
    "a URL's user": f"https://me:{quote(SECRET, safe='')}@registry.lan/v2/",
    "a URL, small digits": re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
    "a URL with every sign escaped": each(lambda byte: f"%{byte:02X}"),
    "a URL in a URL": quote(quote(SECRET, safe=""), safe=""),
    "a URL three deep": quote(quote(quote(SECRET, safe=""), safe=""), safe=""),
    "a query": f"GET /x?a=b&token={quote_plus(SECRET)}&c=d",
    "a shell's word": shlex.quote(SECRET),
    "a shell's word with '\\''": f"'{UNIX}'",
    "a shell's word in a shell's word": shlex.quote(shlex.quote(SECRET)),
    "a shell's word with backslashes": re.sub(r"([^\w/+=%-])", r"\\\1", SECRET),
    "double quotes": '"' + SECRET.replace('"', '\\"').replace("$", "\\$") + '"',
    "ANSI-C quotes": "$'" + SECRET.replace("'", "\\'") + "'",
    "a shell's line that goes on": in_pieces(SECRET, 9, "\\\n"),
    "YAML": yaml.safe_dump({"a": SECRET}),
    "YAML in single quotes": "'" + SECRET.replace("'", "''") + "'",
    "YAML in double quotes": yaml.safe_dump(SECRET, default_style='"', allow_unicode=False),
    "YAML folded": "a: >-\n  " + SECRET.replace(" ", "\n  "),
    "YAML folded anywhere": 'a: "' + in_pieces(SECRET.replace('"', '\\"'), 8, "\\\n   ") + '"',
    "YAML in a block": f"a: |\n    {SECRET}\nb: c",
    "a line of a file": f"first\n{SECRET}\nlast",
    "split over lines": in_pieces(SECRET, 10, "\n"),
    "split over lines of Windows": in_pieces(SECRET, 10, "\r\n"),
    "split and indented": in_pieces(SECRET, 7, "\n        "),
    "a tab in it": in_pieces(SECRET, 12, "\t"),
    "HTML": html.escape(SECRET),
    "HTML, decimal": each(lambda code: f"&#{code};", SECRET.encode("latin-1")),
    "HTML, hexadecimal": each(lambda code: f"&#x{code:X};", SECRET.encode("latin-1")),
    "XML": f"<password>{SECRET.replace(chr(34), '&quot;').replace(chr(39), '&apos;')}</password>",
    "quoted-printable": quopri.encodestring(BYTES).decode(),
    "quoted-printable, folded": quopri.encodestring(BYTES * 4).decode(),
    "hex": BYTES.hex(),
    "HEX": BYTES.hex().upper(),
    "hex with 0x": f"0x{BYTES.hex()}",
    "hex with colons": BYTES.hex(":"),
    "HEX with colons": BYTES.hex(":").upper(),
    "hex with blanks": BYTES.hex(" "),
    "hex with dashes": BYTES.hex("-"),
    "hex over lines": in_pieces(BYTES.hex(), 16, "\n"),
    "base64": b64(BYTES),
    "base64 for URLs": base64.urlsafe_b64encode(BYTES).decode(),
    "base64 without its end": b64(BYTES).rstrip("="),
    "base64 after one": b64(b"a" + BYTES + b"z"),
    "base64 after two": b64(b"ab" + BYTES + b"yz"),
    "base64 of a login": f"Authorization: Basic {b64(b'tak:' + BYTES)}",
    "base64 over lines": in_pieces(b64(b"0123456789" + BYTES), 20, "\n"),
    "base64 in JSON over lines": json.dumps(in_pieces(b64(BYTES), 16, "\n")),
    "base64 in a URL": quote(b64(BYTES), safe=""),
    "base64 of base64": b64(b64(BYTES).encode()),
    "base64 of PowerShell": b64(SECRET.encode("utf-16-le")),
    "base64 of a Docker login": json.dumps({"auths": {"r": {"auth": b64(b"user:" + BYTES)}}}),
    "a header": f"Authorization: Bearer {SECRET}",
    "a cookie": f"Cookie: session={quote(SECRET)}; a=b",
    "within PEM": f"-----BEGIN PRIVATE KEY-----\n{b64(BYTES)}\n-----END PRIVATE KEY-----",
    "colours around": f"\x1b[1;31m{SECRET}\x1b[0m",
    "colours within": in_pieces(SECRET, 5, "\x1b[32m"),
    "colours at each sign": in_pieces(SECRET, 1, "\x1b[K"),
    "backwards": SECRET[::-1],
}


def left_of(text: str) -> set[str]:
    """Return what six characters in a row of any shape's pure form are still there."""
    plain = "".join(text.split())
    pure = (SECRET, BYTES.hex(), BYTES.hex().upper(), b64(BYTES), SECRET[::-1])
    found = {form[at : at + 6] for form in pure for at in range(len(form) - 5)}
    return {piece for piece in found if piece in plain}


@pytest.fixture(autouse=True)
def known() -> None:
    Secret(SECRET)


def test_there_are_seventy_five_of_them_and_more() -> None:
    assert len(SHAPES) >= 75
    assert len(set(SHAPES.values())) == len(SHAPES)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_a_known_secret_is_left(shape: str) -> None:
    left = redact(f"before {SHAPES[shape]} after")
    assert "***" in left, left
    assert left.startswith("before ")
    assert left.endswith(" after")
    assert not left_of(left), left
    longest = max(SHAPES[shape].split("***"), key=len)
    assert longest not in left, left


# ------------------------------------------------------------------ the ways out

EVERYTHING = "\n".join(SHAPES.values())
TALLY = TargetTally(target="pi1", ok=0, changed=0, failed=1, skipped=0, seconds=1.0)
FAILURE = Unreachable(
    f"it said {SECRET}", where="pi1", why=f"its last output was: {EVERYTHING}", fix=SECRET
)


@dataclass(frozen=True)
class Shown:
    """A step that says all of it, wherever a step may say something."""

    name: str = "shown"
    title: str = "it is there"

    def probe(self) -> None:
        """Nothing is asked."""

    def decide(self, look: object) -> Decision:
        return Satisfied()


def plans() -> list[PhasePlan]:
    changed = Change(
        f"write {SECRET}",
        (Run(EVERYTHING),),
        reason=EVERYTHING,
        diff=Diff(EVERYTHING, SECRET),
    )
    said = (changed, Blocked(EVERYTHING, SECRET), Satisfied(detail=SECRET, warning=EVERYTHING))
    items = tuple(Judged("stage", "pi1", Shown(), decision) for decision in said)
    return [PhasePlan("prepare", "prepared", items)]


def events() -> list[Event]:
    return [
        RunStarted(command="up", cluster="home", targets=("pi1",), phases=("p",)),
        StepProgress(phase="p", target="pi1", step="s", state=SECRET),
        Output(phase="p", target="pi1", step="s", text=EVERYTHING),
        StepFinished(
            phase="p",
            target="pi1",
            step="s",
            title="t",
            outcome="failed",
            detail=SECRET,
            evidence=EVERYTHING,
        ),
        TargetFailed(
            phase="p", target="pi1", what=SECRET, why=EVERYTHING, fix=SECRET, evidence=EVERYTHING
        ),
        RunFinished(tallies=(TALLY,), exit_code=1, seconds=1, connections=1, scripts=1),
    ]


def _never(_: object, error: Exception) -> None:
    raise error


def of_events(sink: Callable[[TextIO], Callable[[Event], object]]) -> str:
    out = io.StringIO()
    tell = Bus([sink(out)], _never)
    for event in events():
        tell(event)
    return out.getvalue()


def of_the_journal(path: Path) -> str:
    journal = begin(path, "up")
    for event in events():
        journal(event)
    journal.close()
    return "".join(each.read_text() for each in journal.directory.iterdir())


def of_the_recap() -> str:
    recap = Recap(ASCII)
    tell = Bus([recap], _never)
    for event in events():
        tell(event)
    return recap.text()


def of_exec() -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        printer = Printer()
        for stream in ("stdout", "stderr"):
            printer.hear("pi1", stream, f"{SECRET}\n{SHAPES['HTML']}\n".encode())
        printer.lost("pi1", FAILURE)
    return out.getvalue() + err.getvalue()


def of_the_bundle(path: Path) -> str:
    write_bundle(path / "a.tar.gz", {"nodes/pi1.txt": EVERYTHING, "cluster.txt": SECRET})
    with tarfile.open(path / "a.tar.gz") as archive:
        files = [archive.extractfile(name) for name in archive.getnames()]
        return "".join(file.read().decode() for file in files if file)


WAYS: dict[str, Callable[[Path], str]] = {
    "plan": lambda _: plan_view.as_text(plans(), [], ASCII, {"pi1": FAILURE}),
    "plan --json": lambda _: json.dumps(
        plan_view.as_document("home", plans(), [], {"pi1": FAILURE}), ensure_ascii=False
    ),
    "diff": lambda _: plan_view.as_diff(plans()),
    "the journal": of_the_journal,
    "the recap": lambda _: of_the_recap(),
    "up without a terminal": lambda _: of_events(lambda out: PlainProgress(out, verbose=True)),
    "up --json": lambda _: of_events(JsonLines),
    "exec": lambda _: of_exec(),
    "the bundle": of_the_bundle,
}


@pytest.mark.parametrize("way", WAYS)
def test_no_shape_of_it_goes_out(way: str, tmp_path: Path) -> None:
    out = WAYS[way](tmp_path)
    assert "***" in out
    assert not left_of(out), [line for line in out.split("\n") if left_of(line)][:3]
