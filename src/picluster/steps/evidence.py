"""What a bug report needs of a node, with everything secret taken out."""

from __future__ import annotations

import re

from picluster.engine.step import Fact, Script
from picluster.secret import MASK, redact

EVIDENCE = "evidence"

# Each tells of itself when it fails: that a program is not there is evidence too.
_COMMANDS = (
    "cat /etc/os-release",
    "uname -a",
    "cat /proc/cmdline",
    "tr -d '\\0' </proc/device-tree/model",
    "uptime",
    "free -m",
    "df -hT",
    "df -i",
    "lsblk",
    "cat /proc/swaps",
    "cat /proc/mounts",
    "ip address",
    "ip route",
    "systemctl --failed --no-pager --no-legend",
    "k3s --version",
    "cat /etc/rancher/k3s/config.yaml",
    "cat /etc/rancher/k3s/registries.yaml",
    "systemctl status k3s k3s-agent --no-pager --lines 0",
    "journalctl -u k3s -u k3s-agent -n 300 --no-pager -o short-iso",
    "journalctl -u docker -u ssh -n 60 --no-pager -o short-iso",
    "docker ps -a --no-trunc",
    "vcgencmd get_throttled",
    "dmesg --level err,warn --ctime",
)


def evidence_fact() -> Fact:
    """Return the look at a node; what it prints is kept out of the journal, and scrubbed later."""
    lines = [f"echo '=== {_title(each)}'\n{{ {each}; }} 2>&1 | tail -n 400" for each in _COMMANDS]
    script = "\n".join([*lines, "true"])
    return Fact(EVIDENCE, "how the node is, is known", Script(script, secret=True))


def _title(command: str) -> str:
    return command.replace("'", "")


_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END[^\n]*|\Z)", re.DOTALL)
_PATTERNS = (
    # K3s: a secure token, with the CA's digest before what is secret of it.
    re.compile(r"\bK10[0-9a-f]{64}::[^\s\"']+"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(
        r"(?i)(?<![a-z])(?P<name>[\w.-]*(?:token|password|passwd|secret|client-key-data|auth))"
        r"(?P<sign>[\"']?\s*[:=]\s*[\"']?)(?P<value>[^\s\"',}]+)"
    ),
)


def scrubbed(text: str) -> str:
    """Return a text without what may be secret: known secrets, and what looks like one."""
    # A known secret that is masked first could take away the line that a pattern goes by.
    text = _BLOCK.sub(MASK, text)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return redact(text)


def _masked(found: re.Match[str]) -> str:
    named = found.groupdict()
    return f"{named['name']}{named['sign']}{MASK}" if named else MASK
