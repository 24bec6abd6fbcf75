"""The command line of `k3s`, and of `kubectl`, `crictl` and `ctr`, which are links to it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import stamp, version
from .log import Fatal, error, info, log
from .pace import paced

if TYPE_CHECKING:
    from .config import Options


def main() -> int:
    """Run one command; return the exit status."""
    called = Path(sys.argv[0]).name
    arguments = sys.argv[1:]
    if called in ("kubectl", "crictl", "ctr"):
        arguments = [called, *arguments]
    try:
        return run(arguments)
    except Fatal as problem:
        log("fatal", str(problem))
        return 1


def run(arguments: list[str]) -> int:
    """Run one command. Raises `Fatal`."""
    command = arguments[0] if arguments else "help"
    rest = arguments[1:]
    if command in ("--version", "-v", "version"):
        print(version.SAID)
        return 0
    if command in ("server", "agent"):
        return _run_node(command, rest)
    if command in ("crictl", "ctr"):
        print(f"{command}: the stand-in runs no containers")
        return 0
    if command == "check-config":
        from . import host  # noqa: PLC0415

        host.check_cgroups()
        print("K3s stand-in: cgroup memory: enabled\n\nSTATUS: pass")
        return 0
    if command in ("kubectl", "token", "etcd-snapshot"):
        from . import commands  # noqa: PLC0415

        return commands.run(command, rest)
    print("k3s stand-in: server, agent, kubectl, token, etcd-snapshot, check-config, --version")
    return 0 if command in ("help", "--help", "-h") else 1


def _run_node(role: str, arguments: list[str]) -> int:
    from . import config, host  # noqa: PLC0415

    info(f"This is a stand-in for K3s {stamp.VERSION}: it runs no containers")
    if os.environ.get("K3S_URL"):
        arguments = ["--server", os.environ["K3S_URL"], *arguments]
    options = config.load(role, arguments, host.at("/etc/rancher/k3s/config.yaml"))
    _read_registries(host.at("/etc/rancher/k3s/registries.yaml"))
    info(f"Starting k3s {stamp.VERSION} (stand-in)")
    _crash_if_told()
    host.check_cgroups()
    if role == "server":
        from .server import ServerProcess  # noqa: PLC0415

        ServerProcess(options).run()
        return 0
    return _run_agent(options)


def _crash_if_told() -> None:
    """Print what a file says and end, as K3s does whose start fails; systemd then starts it anew.

    The unit of the real install script has Restart=always and RestartSec=5s. K3s ends with 1 after
    a fatal line of its own (logrus Fatal), and with 2 after a panic, as every program of Go's.
    """
    from . import host  # noqa: PLC0415

    told = host.at("/etc/rancher/k3s/stand-in.crash")
    if told.exists():
        said = told.read_text()
        time.sleep(paced(2.0))
        sys.stderr.write(said)
        sys.exit(2 if "panic: " in said else 1)


def _read_registries(path: Path) -> None:
    if not path.exists():
        return
    lines = [line for line in path.read_text().splitlines() if line.strip()[:1] not in ("", "#")]
    for line in lines:
        if line[0] not in " -" and line.split(":")[0] not in ("mirrors", "configs", "auths"):
            error(f"registries.yaml: the stand-in does not know {line!r}")
    info(f"Using private registry config file at {path} (stand-in)")


def _run_agent(options: Options) -> int:
    from . import client, host  # noqa: PLC0415
    from .log import fatal  # noqa: PLC0415
    from .node import describe  # noqa: PLC0415

    server, token = options.text("server"), host.token(options)
    if not server:
        fatal("--server is required")
    if not token:
        fatal("--token is required")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    data = host.data(options)
    ca = data / "agent/server-ca.crt"
    while True:
        try:
            client.trusted_ca(server, token, ca)
            break
        except client.Refused as why:
            error(f"Failed to validate connection to cluster at {server}: {why}")
            time.sleep(paced(5.0))
    about = describe(options, host.node_name(options), host.node_ip(options))
    link = client.client(ca, "node", client.secret_of(token))
    agent = client.NodeAgent(about, host.password(), link, [server], data)

    def ready() -> None:
        info("k3s agent stand-in is up and running")
        host.notify("READY=1")

    agent.run(ready)
    return 0
