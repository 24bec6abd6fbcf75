"""K3s's proxy, in files of picluster's own: what others wrote stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

from picluster.engine.step import Run, WriteFile
from picluster.model import Cluster
from picluster.steps.files import OptionalFile
from picluster.steps.k3s import paths

_RELOAD = Run("systemctl daemon-reload")


def k3s_proxy(cluster: Cluster, role: str, recorder: WriteFile) -> Sequence[OptionalFile]:
    """Have K3s and its containerd go through the proxy.

    systemd reads the file of a later drop-in last, so it wins over /etc/default/k3s and what K3s's
    install script keeps. `recorder` notes at each start what was read, this file with it.
    """
    environment = cluster.proxy_environment
    unit = f"[Service]\nEnvironmentFile=-{paths.PROXY}\n" if environment else ""
    text = "".join(f'{name}="{value}"\n' for name, value in environment.items())
    return (
        OptionalFile("k3s-proxy", paths.PROXY, text, (recorder,)),
        OptionalFile("k3s-proxy-unit", paths.proxy_drop_in(role), unit, (_RELOAD,)),
    )
