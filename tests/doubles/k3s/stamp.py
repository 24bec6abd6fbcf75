"""Which release this build of the stand-in plays; the build writes this file anew into each one."""

from __future__ import annotations

VERSION = "v1.33.5+k3s1"
ARCH = ""
