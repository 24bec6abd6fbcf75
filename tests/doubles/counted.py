"""Bytes that know how much was copied to put them behind others."""

from __future__ import annotations

from typing import ClassVar


class Counted(bytes):
    """Counts in `copied` what stood before it wherever it was added to something."""

    copied: ClassVar[int] = 0

    def __radd__(self, before: bytes) -> bytes:
        """Add it to `before`, all of which is copied."""
        Counted.copied += len(before)
        return before + bytes(self)
