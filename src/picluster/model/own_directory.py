"""A directory on a node that is one thing's alone: `reset --data` empties it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pydantic import AfterValidator

from picluster.model.refusal import refuse

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_DIRECTORY = re.compile(rf"(/{_PART}){{2,10}}")
_TAKEN = tuple(
    map(
        PurePosixPath,
        (
            *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin"),
            *("/snap", "/sys", "/tmp", "/usr"),  # noqa: S108 - to be refused
            *("/var/backups", "/var/cache", "/var/lock", "/var/log", "/var/mail", "/var/run"),
            *("/var/spool", "/var/tmp"),  # noqa: S108 - to be refused
            *("/var/lib/apt", "/var/lib/cloud", "/var/lib/containerd", "/var/lib/dbus"),
            *("/var/lib/docker", "/var/lib/dpkg", "/var/lib/kubelet", "/var/lib/picluster"),
            *("/var/lib/rancher", "/var/lib/snapd", "/var/lib/sudo", "/var/lib/systemd"),
        ),
    )
)
"""What belongs to the system or to others, with all that is in it and all that it is in."""
# Each of these holds what is many things': a home, what was plugged in.
_SHARED = re.compile(r"/home/[^/]+|/media/[^/]+|/var/(?:local|opt|www)")


def own_directory(example: str, whose: str) -> AfterValidator:
    """Have a field check a path, and refuse one that cannot be `whose` own."""

    def checked(value: str) -> str:
        path = value.rstrip("/")
        if not _DIRECTORY.fullmatch(path):
            raise refuse(
                "is not the path of a directory on the node",
                f"write an absolute path of at least two names, such as {example}",
            )
        here = PurePosixPath(path)
        taken = any(here.is_relative_to(each) or each.is_relative_to(here) for each in _TAKEN)
        if taken or _SHARED.fullmatch(path):
            raise refuse(
                "belongs to the system or to somebody else",
                f"give {whose} a directory of its own, such as {example}",
            )
        return path

    return AfterValidator(checked)
