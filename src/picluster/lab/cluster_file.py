"""The cluster file of a lab: what a user would write for these nodes."""

from __future__ import annotations

from picluster.lab.control_groups import is_unified
from picluster.lab.layout import USER, LabLayout

NOTICE_FILE = "lab-notice.txt"
"""Lies beside the cluster file; every command on it shows what it says."""

_HEADER = "# Written by `picluster lab up`; edit it as you like, it is not written again.\n"


def render(lab: LabLayout, artifacts_url: str) -> str:
    """Return the YAML. `artifacts_url` is where K3s comes from; empty is its own release page."""
    notice = "".join(f"# {line}\n" for line in lab.notice.splitlines())
    nodes = "".join(
        f"  - {{name: {node.name}, address: {node.address}, role: {node.role}}}\n"
        for node in lab.nodes
    )
    k3s = (
        f"  release_url: {artifacts_url}\n  install_url: {artifacts_url}/install.sh\n"
        if artifacts_url
        else ""
    )
    # Nodes have this computer's control groups; the kubelet takes version 1 only if told to.
    k3s += "" if is_unified() else "  kubelet_args: {fail-cgroupv1: false}\n"
    k3s = f"k3s:\n{k3s}" if k3s else ""
    return (
        f"{_HEADER}{notice}name: {lab.name}\ndomain: lab.internal\n"
        f"ssh:\n  user: {USER}\n  key: {lab.key}\nnodes:\n{nodes}{k3s}"
    )
