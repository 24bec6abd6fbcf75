"""What every node's operating system should be like before K3s gets there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from picluster.model.duration import Duration
from picluster.model.linux import KernelModule, Locale, Package, SysctlKey, SysctlValue, TimeZone
from picluster.model.scalars import YesNo, one_of
from picluster.model.section import Section

SwapPolicy = Annotated[
    Literal["disable", "keep"], one_of(("disable", "keep"), also={"off": "disable", "on": "keep"})
]


class Prepare(Section):
    """What every node's operating system should be like."""

    packages: tuple[Package, ...] = ("curl", "wget", "git", "nano", "htop", "ca-certificates")
    """Debian packages to have installed on every node."""
    apt_cache_max_age: Duration = 3600
    """Age at which the package lists of apt are fetched anew, in seconds or as 1h."""
    set_hostname: YesNo = True
    """Whether to give each machine its node name as host name."""
    timezone: TimeZone | None = None
    """Time zone of every node, such as Etc/UTC; left alone if not given."""
    locale: Locale | None = None
    """Locale to generate and use, such as en_GB.UTF-8; left alone if not given."""
    swap: SwapPolicy = "disable"
    """Whether swap is turned off for good (disable) or left as it is (keep)."""
    extra_modules: tuple[KernelModule, ...] = ()
    """Kernel modules to load at boot besides those that K3s needs."""
    sysctls: Mapping[SysctlKey, SysctlValue] = Field({})
    """Kernel parameters to set besides those that K3s needs."""
    time_sync: YesNo = True
    """Whether to make sure that each clock is set from the network."""


class PrepareOverride(Section):
    """What this node's operating system should be like, where it differs from the others."""

    inherits: ClassVar[str | None] = "prepare"

    set_hostname: YesNo | None = None
    """As prepare.set_hostname, for this node only."""
    swap: SwapPolicy | None = None
    """As prepare.swap, for this node only."""
