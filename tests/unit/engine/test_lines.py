"""Lines of nodes: ended by a line feed and nothing else, at a cost that is linear."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.counted import Counted

from picluster.engine.lines import LineCutter, as_json, visible
from picluster.engine.script import FrameReader, new_marker
from picluster.ui.node_lines import Printer

PIECES = 500


@given(st.lists(st.binary(max_size=5).map(lambda data: data.replace(b"a", b"\n")), max_size=20))
def test_lines_do_not_depend_on_the_pieces_in_which_they_come(pieces: list[bytes]) -> None:
    cutter = LineCutter()
    lines = [line for piece in pieces for line in cutter.feed(piece)]
    assert [*lines, cutter.rest()] == b"".join(pieces).split(b"\n")


def test_a_line_without_an_end_is_not_copied_with_each_piece_of_it() -> None:
    reader, printer = FrameReader(new_marker()), Printer()
    Counted.copied = 0
    for _ in range(PIECES):
        assert list(reader.feed(Counted(b"x" * 100))) == []
    assert Counted.copied == 0, "a step's output is quadratic"
    for _ in range(PIECES):
        printer.hear("pi1", "stdout", Counted(b"x" * 100))
    assert Counted.copied == 0, "`exec` is quadratic"


NOT_SHOWN = "\x7f\x9b\x85\u2028\u2029\u202e\u2066\udcff\ud800"


def test_what_controls_a_terminal_or_turns_the_order_around_is_not_shown() -> None:
    every = "".join(map(chr, range(0x10000)))
    turns = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    hidden = {
        each
        for each in every
        if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(each) in turns
    }
    wanted = [each if each not in hidden - set("\t\n") else "\ufffd" for each in every]
    wanted[ord("\r")] = ""
    assert visible(every) == "".join(wanted)


def test_half_a_character_is_shown_as_none() -> None:
    assert visible(f"a{NOT_SHOWN}b") == "a" + "\ufffd" * len(NOT_SHOWN) + "b"


def test_json_says_everything_and_steers_nothing() -> None:
    said = {"what": f"Zürich{NOT_SHOWN}\x1b"}
    text = as_json(said)
    assert b"Z\xc3\xbcrich" in text.encode(), "letters stay letters"
    assert not set(text) & set(NOT_SHOWN)
    assert json.loads(text) == said
