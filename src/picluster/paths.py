"""Where picluster keeps its own things on this computer, as the XDG specification says."""

from __future__ import annotations

import os
from pathlib import Path


def state_home() -> Path:
    """Return the directory of what has to be remembered: clusters, runs, labs."""
    return _base("XDG_STATE_HOME", ".local/state") / "picluster"


def cache_home() -> Path:
    """Return the directory of what can be fetched or made again."""
    return _base("XDG_CACHE_HOME", ".cache") / "picluster"


def cluster_state(cluster: str) -> Path:
    """Return the directory of what is remembered of one cluster."""
    return state_home() / cluster


def _base(variable: str, default: str) -> Path:
    """The specification wants relative paths in these variables ignored."""
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / default
