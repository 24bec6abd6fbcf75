"""cloud-init's files for a node: its name, its user, the key, and the memory cgroup. Pure.

Ubuntu's images for the Raspberry Pi and Raspberry Pi OS since Trixie read `user-data` and
`meta-data` from the boot partition (cloud-init's NoCloud data source, docs.cloud-init.io; pi-gen
stage2/04-cloud-init; rpi-cloud-init-mods has `seedfrom: file:///boot/firmware`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import yaml

from picluster.engine.shell import shell
from picluster.facts.boot import MEMORY_CGROUP_SHELL
from picluster.model import Cluster, Node

_REBOOT = "/run/picluster-reboot"

# cloud-init's last stage, which is what carries `runcmd` out, waits for multi-user.target, and that
# for Raspberry Pi OS's wizard, which waits for a keyboard (userconf-pi: userconfig.service).
_NO_WIZARD = "systemctl disable --now --no-block userconfig 2>/dev/null || true"


def user_data(cluster: Cluster, node: Node, user: str, public_key: str) -> str:
    """Return `user-data`: no password works, and only this key is let in.

    `public_key` is a line as authorized_keys has it. There is no secret in it.
    """
    wanted = cluster.prepare_for(node)
    values = {"MEMORY_CGROUP": MEMORY_CGROUP_SHELL, "REBOOT": _REBOOT, "OWNER": user}
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
        "bootcmd": [["sh", "-c", _NO_WIZARD]],
        "runcmd": [["sh", "-c", shell(__package__, "first_boot", **values)]],
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


def meta_data(cluster: Cluster, node: Node, user_data: str) -> str:
    """Return `meta-data` for that `user-data`.

    Another instance id has cloud-init start anew, also on a card that booted with other settings.
    `dsmode: local`, as the images' own have it: users are made without waiting for a network.
    """
    digest = hashlib.sha256(user_data.encode()).hexdigest()[:8]
    instance = f"picluster-{cluster.name}-{node.name}-{digest}"
    return yaml.safe_dump({"dsmode": "local", "instance-id": instance, "local-hostname": node.name})
