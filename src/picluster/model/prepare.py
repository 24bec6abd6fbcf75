"""What every node's operating system should be like before K3s gets there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from picluster.model.duration import Duration
from picluster.model.linux import KernelModule, Locale, Package, SysctlKey, SysctlValue, TimeZone
from picluster.model.scalars import YesNo, one_of
from picluster.model.section import Section

SwapPolicy = Annotated[
    Literal["disable", "keep"],
    BeforeValidator(one_of(("disable", "keep"), also={"off": "disable", "on": "keep"})),
]


class Prepare(Section):
    """What every node's operating system should be like."""

    packages: tuple[Package, ...] = Field(
        ("curl", "wget", "git", "nano", "htop", "ca-certificates"),
        description="Debian packages to have installed on every node.",
    )
    apt_cache_max_age: Duration = Field(
        3600,
        description="Age at which the package lists of apt are fetched anew, in seconds or as 1h.",
    )
    set_hostname: YesNo = Field(
        True, description="Whether to give each machine its node name as host name."
    )
    timezone: TimeZone | None = Field(
        None, description="Time zone of every node, such as Etc/UTC; left alone if not given."
    )
    locale: Locale | None = Field(
        None,
        description="Locale to generate and use, such as en_GB.UTF-8; left alone if not given.",
    )
    swap: SwapPolicy = Field(
        "disable",
        description="Whether swap is turned off for good (disable) or left as it is (keep).",
    )
    extra_modules: tuple[KernelModule, ...] = Field(
        (), description="Kernel modules to load at boot besides those that K3s needs."
    )
    sysctls: Mapping[SysctlKey, SysctlValue] = Field(
        {}, description="Kernel parameters to set besides those that K3s needs."
    )
    time_sync: YesNo = Field(
        True, description="Whether to make sure that each clock is set from the network."
    )


class PrepareOverride(Section):
    """What this node's operating system should be like, where it differs from the others."""

    inherits: ClassVar[str | None] = "prepare"

    set_hostname: YesNo | None = Field(
        None, description="As prepare.set_hostname, for this node only."
    )
    swap: SwapPolicy | None = Field(None, description="As prepare.swap, for this node only.")
