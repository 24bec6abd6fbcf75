"""What the kubelet keeps back from pods, and where it starts to evict them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import WithJsonSchema

from picluster.model.scalars import UNQUOTED, matching, one_of

_QUANTITY = r"[0-9]{1,12}(\.[0-9]{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?"
_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pid")
_SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
)

Quantity = Annotated[
    str,
    matching(_QUANTITY, "is not a quantity", "write 200m, 1.5, 256Mi or 1Gi"),
    WithJsonSchema(UNQUOTED),
]
Threshold = Annotated[
    str,
    matching(
        rf"{_QUANTITY}|[0-9]{{1,2}}(\.[0-9]{{1,3}})?%",
        "is not a threshold",
        "write a quantity (100Mi) or a percentage (5%)",
    ),
]
Resources = Mapping[Annotated[str, one_of(_RESOURCES)], Quantity]
EvictionThresholds = Mapping[Annotated[str, one_of(_SIGNALS)], Threshold]
