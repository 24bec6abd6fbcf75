"""Replicated storage: Longhorn, and the disks that it keeps its data on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from picluster.model.network import Url
from picluster.model.own_directory import own_directory
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.releases import DEFAULTS
from picluster.model.scalars import Digest, NodePort, Text, YesNo, matching, release_of, whole
from picluster.model.section import Section

DEFAULT_VERSION = DEFAULTS["longhorn"]
DEFAULT_PATH = "/var/lib/longhorn"
DATA_LABEL = "node.longhorn.io/create-default-disk"
"""What marks a node that data is kept on, if only such nodes are to keep any."""
_RELEASES = "https://github.com/longhorn/longhorn/releases/download"
_SIZE = re.compile(r"([1-9][0-9]{0,11})(M|G|T)")
_UNITS = {"M": 10**6, "G": 10**9, "T": 10**12}


def _size(value: object) -> object:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return int(match[1]) * _UNITS[match[2]]
    raise refuse("is not a size", "write it as disks are sold, such as 100G or 1T")


Version = Annotated[str, release_of("Longhorn", DEFAULT_VERSION)]
Device = Annotated[
    str,
    matching(
        r"/dev/disk/by-(id|path|partuuid)/[A-Za-z0-9._:+-]{1,200}",
        "is not a name that stays with the disk",
        "write /dev/disk/by-id/..., as `ls -l /dev/disk/by-id` on the node shows them",
    ),
]
Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=str), Field(ge=1)]
SettingName = Annotated[
    str,
    matching(
        r"[a-z0-9]+(-[a-z0-9]+)*",
        "is not the name of a setting",
        "use the names of Longhorn's settings reference, such as storage-over-provisioning",
    ),
]


class Disk(Section):
    """A disk, or a partition, that Longhorn's data is kept on."""

    device: Device
    """The disk or partition, by a name that stays with it."""
    minimum_size: Size = 10**10
    """Refuse anything smaller, such as 100G: it is another disk."""


class Longhorn(Section):
    """Longhorn, the storage that keeps copies of every volume on several nodes."""

    version: Version = DEFAULT_VERSION
    """The exact release of Longhorn."""
    manifest: LocalPath | None = None
    """Its longhorn.yaml on this computer, instead of downloading it."""
    manifest_sha256: Digest | None = None
    """What longhorn.yaml has to have as SHA-256; not checked if left out."""
    release_url: Url = _RELEASES
    """Where releases are downloaded from."""
    replicas: Annotated[int, Field(ge=1, le=10), BeforeValidator(whole)] | None = None
    """Copies of a volume, on different nodes; 3 or as many as nodes if left out."""
    data_path: Annotated[str, own_directory(DEFAULT_PATH, "Longhorn")] = DEFAULT_PATH
    """Directory on every node that the data is kept in."""
    only_labelled: YesNo = False
    """Keep data only on nodes with the label node.longhorn.io/create-default-disk=true."""
    default_class: YesNo = True
    """Whether volumes are Longhorn's unless they ask for another class."""
    ui_port: NodePort | None = None
    """NodePort of its web interface, which has no login; closed if left out."""
    settings: Mapping[SettingName, Text] = Field({})
    """Other settings of Longhorn, by their names in its reference."""
