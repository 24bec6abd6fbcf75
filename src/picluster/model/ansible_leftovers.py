"""Why a variable of an Ansible inventory is not taken over into a cluster file. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from picluster.model.ansible_inventory import Vaulted

DIFFERS = "hosts have different values; set it by hand where it matters"
UNKNOWN = "it is a template or encrypted, and its value is not known here"
NEVER_COPIED = (
    "a secret: picluster makes its own, or is told where one is (env:NAME, file:PATH, prompt)"
)
_REASONS: tuple[tuple[str, str], ...] = (
    (
        r"ansible_(become|sudo)_pass(word)?",
        "a secret, never copied: set ssh.sudo_password to prompt, env:NAME or file:PATH",
    ),
    (
        r"ansible_(ssh_)?pass(word)?",
        "a secret, never copied: set ssh.password to prompt, env:NAME or file:PATH",
    ),
    (r"ansible_(python_interpreter|connection|become.*|shell.*)", "picluster needs no such thing"),
    (r"k3s_master_primary", "servers are equal; it comes first in the file"),
    (r"k3s_token_file", "the token is in a file that only root can read, on every node"),
    (
        r"(k3s_|extra_)(server|agent)(_install)?_args|server_config_yaml|agent_config_yaml",
        "say it in k3s.server_options and k3s.agent_options (`picluster explain k3s`)",
    ),
    (r"(kubelet|kube_apiserver|apiserver|etcd)_args?", "say it in k3s.kubelet_args and its like"),
    (
        r".*(system|kube)_reserved.*|.*eviction.*",
        "say it in k3s.system_reserved, kube_reserved, eviction_hard",
    ),
    (r"system_packages_upgrade|common_upgrade_packages", "upgrading the system stays with you"),
    (r"(postgres|rabbitmq)_storage_size", "say it in opentakserver.storage"),
    (r"longhorn_.*", "say it in longhorn (`picluster explain longhorn`)"),
    (r"rancher_.*", "say it in rancher (`picluster explain rancher`)"),
    (r"(ots|opentakserver)_.*", "say it in opentakserver (`picluster explain opentakserver`)"),
    (r"kube_?vip_.*|metal_lb_.*", "say it in k3s.vip; a load balancer is yours to deploy"),
)
_NO_SUCH = "there is no such setting"
# Not what tells where a key is, such as ansible_ssh_private_key_file or k3s_token_file.
_SECRET_NAME = re.compile(r"(?i)(pass(word|wd)?|token|secret|api_?key|vault)(?!.*_file)")


def why_left(name: str, found: Sequence[Any]) -> str:
    """Return the reason for a variable that no field was made of; `found` are its values."""
    for pattern, why in _REASONS:
        if re.fullmatch(pattern, name):
            return why
    if _SECRET_NAME.search(name) or any(isinstance(value, Vaulted) for value in found):
        return NEVER_COPIED
    return _NO_SUCH


def is_plain(value: Any) -> bool:
    """Whether a value is known: neither encrypted nor a template that Ansible would fill in."""
    if isinstance(value, Vaulted):
        return False
    if isinstance(value, Mapping):
        return all(is_plain(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return not (isinstance(value, str) and ("{{" in value or "{%" in value))
