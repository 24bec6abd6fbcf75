"""Container images: a name with a tag or a digest, so that everybody means the same one."""

from __future__ import annotations

from pydantic import AfterValidator

from picluster.model.scalars import matching

_IMAGE = r"[a-z0-9][A-Za-z0-9._:/-]{0,200}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})"


def image_like(example: str) -> AfterValidator:
    """Have a field check for an image with a tag or a digest; `example` is shown as the fix."""
    return matching(_IMAGE, "is not an image with a tag or digest", f"write it as {example}")
