"""What probes send as base64, so that no line end or odd byte of a file is lost on the way."""

from __future__ import annotations

import base64
import binascii


def decoded(encoded: str) -> str:
    """Return the text; bytes that are not UTF-8 are replaced, and what is no base64 is empty."""
    try:
        return base64.b64decode(encoded).decode("utf-8", "replace")
    except binascii.Error:
        return ""
