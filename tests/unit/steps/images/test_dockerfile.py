"""Which images a Dockerfile is built from."""

from __future__ import annotations

import pytest

from picluster.steps.images.dockerfile import bases


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("FROM debian:12\n", {}, ["debian:12"]),
        ("from --platform=linux/arm64 debian:12 as one\nFROM one\n", {}, ["debian:12"]),
        ("ARG V=12\nFROM debian:${V}\n", {}, ["debian:12"]),
        ("ARG V=12\nFROM debian:$V\n", {"V": "13"}, ["debian:13"]),
        ("FROM debian:${V:-12}\n", {}, ["debian:12"]),
        ("FROM scratch\nCOPY x /\n", {}, []),
        ("FROM a:1\nARG V=2\nFROM b:${V:-3}\nFROM a:1\n", {}, ["a:1", "b:3"]),
        ("# FROM x\nFROM \\\n  a:1 AS s\nCOPY --from=s /x /y\n", {}, ["a:1"]),
        ("RUN echo FROM nowhere\n", {}, []),
    ],
)
def test_bases_are_found(text: str, arguments: dict[str, str], expected: list[str]) -> None:
    assert bases(text, arguments) == expected
