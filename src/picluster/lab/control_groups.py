"""A part of this computer's control groups for each node, so that no node sees another's.

systemd removes the groups it has no use for when it shuts down. In one shared tree it would remove
those of other nodes too, and their units would fail to start.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from picluster.lab.layout import LabNode

_TREE = Path("/sys/fs/cgroup")
_COMMON = "picluster-lab"
_PAYLOAD = "payload"  # what nspawn calls the half of a group that the node's own processes get
_HALVED = ("systemd", "unified")
_TRIES = 5
_INHERITED = ("cpuset.cpus", "cpuset.mems")  # a new group has none, and takes no process without


def is_unified() -> bool:
    """Whether this computer has the second version of control groups, and no other."""
    return (_TREE / "cgroup.controllers").exists()


def make(node: LabNode) -> list[Path]:
    """Make the node's own group in each hierarchy, and return them. Idempotent."""
    hierarchies = [_TREE] if is_unified() else sorted(_TREE.iterdir())
    return [_group(hierarchy, node) for hierarchy in hierarchies if hierarchy.is_mount()]


def _group(hierarchy: Path, node: LabNode) -> Path:
    """Make one group; the last node of another lab may just be taking the common one away."""
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            return _make_group(hierarchy, node)
    return _make_group(hierarchy, node)


def joining(groups: list[Path]) -> Callable[[], None]:
    """Return what a new process calls to be in these groups."""

    def join() -> None:
        for group in groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    return join


def options(groups: list[Path]) -> list[str]:
    """Return nspawn's options that show a node its own groups as if they were all.

    With the second version nspawn sees to that itself.
    """
    if is_unified():
        return []
    return [f"--bind={_TREE}:{_TREE}:norbind", *(_shown(group) for group in groups)]


def words() -> list[str]:
    """Return what a node's kernel command line says: systemd since 256 wants the old ones allowed.

    In a container it takes its own arguments for that line.
    """
    return [] if is_unified() else ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]


def _shown(group: Path) -> str:
    hierarchy = group.relative_to(_TREE).parts[0]
    if hierarchy in _HALVED:
        group = group / _PAYLOAD
        group.mkdir(exist_ok=True)
    return f"--bind={group}:{_TREE / hierarchy}"


def remove(node: LabNode) -> None:
    """Remove the node's groups; those in which a process lives stay."""
    for group in (*_TREE.glob(f"*/{_COMMON}/{node.name}"), _TREE / _COMMON / node.name):
        for directory, _, _ in os.walk(group, topdown=False):
            _try_to_remove(Path(directory))
        _try_to_remove(group.parent)


def _make_group(hierarchy: Path, node: LabNode) -> Path:
    common = hierarchy / _COMMON
    group = common / node.name
    for path in (common, group):
        _delegate(path.parent)
        path.mkdir(exist_ok=True)
        for name in _INHERITED:
            if (path / name).exists() and not (path / name).read_text().strip():
                (path / name).write_text((path.parent / name).read_text())
    return group


def _delegate(parent: Path) -> None:
    """Let the groups below use every controller; only the second version asks for that."""
    controllers = parent / "cgroup.controllers"
    if is_unified() and controllers.exists():
        words = " ".join(f"+{word}" for word in controllers.read_text().split())
        (parent / "cgroup.subtree_control").write_text(words)


def _try_to_remove(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        return
