"""Names that Linux and Debian give to things: packages, modules, sysctls, users, interfaces.

Each form is narrower than what the system itself would take, because these values end up as
arguments of programs: `apt-get install foo-` *removes* foo, and a name with a leading `-` is an
option.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import WithJsonSchema

from picluster.model.scalars import UNQUOTED, matching

Package = Annotated[
    str,
    matching(
        r"[a-z0-9][a-z0-9+.-]{0,126}[a-z0-9+.]",
        "is not a Debian package name",
        "write the name only, as `apt-cache search` shows it",
    ),
]
KernelModule = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_-]{0,55}",
        "is not the name of a kernel module",
        "write the name only, without path or options",
    ),
]
SysctlKey = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9_-]{0,62}(\.[A-Za-z0-9_-][A-Za-z0-9_/-]{0,62}){1,8}",
        "is not the name of a sysctl",
        "write it with dots, such as vm.swappiness",
    ),
]
SysctlValue = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_.,:/+%-]+( [A-Za-z0-9_.,:/+%-]+){0,31}",
        "is not a value for a sysctl",
        "write numbers or words, separated by single spaces",
    ),
    WithJsonSchema(UNQUOTED),
]
TimeZone = Annotated[
    str,
    matching(
        r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z][A-Za-z0-9_+-]{0,31}){0,2}",
        "is not the name of a time zone",
        "write a name such as Etc/UTC or Europe/Paris",
    ),
]
Locale = Annotated[
    str,
    matching(
        r"(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]{1,20})?(@[a-z]{1,20})?",
        "is not the name of a locale",
        "write a name such as en_GB.UTF-8 or C.UTF-8",
    ),
]
UserName = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "is not a user name",
        "use up to 32 letters, digits, '_', '.' and '-', starting with a letter",
    ),
]
Interface = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}",
        "is not the name of a network interface",
        "write a name such as eth0, at most 15 characters long",
    ),
]
