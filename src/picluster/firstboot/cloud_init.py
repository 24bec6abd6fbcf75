"""cloud-init's files for a node: its name, its user, the key, and the memory cgroup. Pure.

Ubuntu's images for the Raspberry Pi and current ones of Raspberry Pi OS read `user-data` and
`meta-data` from the boot partition (cloud-init's NoCloud data source, docs.cloud-init.io).
"""

from __future__ import annotations

from typing import Any

import yaml

from picluster.engine.shell import shell
from picluster.facts.boot import MEMORY_CGROUP_SHELL
from picluster.model import Cluster, Node

_REBOOT = "/run/picluster-reboot"

_FIRST_BOOT = shell(__package__, "first_boot", MEMORY_CGROUP=MEMORY_CGROUP_SHELL, REBOOT=_REBOOT)


def user_data(cluster: Cluster, node: Node, user: str, public_key: str) -> str:
    """Return `user-data`: no password works, and only this key is let in.

    `public_key` is a line as authorized_keys has it. There is no secret in it.
    """
    wanted = cluster.prepare_for(node)
    document: dict[str, Any] = {
        "hostname": node.name,
        "users": [
            {
                "name": user,
                "groups": ["sudo", "adm"],
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [public_key],
            }
        ],
        "ssh_pwauth": False,
        "runcmd": [["sh", "-c", _FIRST_BOOT]],
        "power_state": {
            "mode": "reboot",
            "message": "once more, with the memory cgroup on",
            "condition": f"test -e {_REBOOT}",
        },
    }
    if cluster.domain:
        document["fqdn"] = f"{node.name}.{cluster.domain}"
    if wanted.timezone:
        document["timezone"] = wanted.timezone
    if wanted.locale:
        document["locale"] = wanted.locale
    return "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False)


def meta_data(cluster: Cluster, node: Node) -> str:
    """Return `meta-data`; another instance id than the image's has cloud-init start anew."""
    instance = f"picluster-{cluster.name}-{node.name}"
    return yaml.safe_dump({"instance-id": instance, "local-hostname": node.name})
