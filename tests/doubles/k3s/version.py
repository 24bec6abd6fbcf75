"""What `k3s --version` prints."""

from __future__ import annotations

from .stamp import VERSION

SAID = f"k3s version {VERSION} (stand-in)\ngo version none (stand-in)"
