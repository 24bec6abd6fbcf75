"""The web interface's image: upstream's static files behind nginx."""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent


def nginx_conf(
    ots: str = "127.0.0.1:8081",
    *,
    listen: str = "8080",
    root: str = "/usr/share/nginx/site",
    tls: str = "",
) -> str:
    """Return nginx's configuration, for OpenTAKServer at this `host:port`; `tls` is `tls_conf`."""
    values = {"OTS": ots, "LISTEN": listen, "ROOT": root, "TLS": tls}
    return _filled("nginx.conf", values)


def tls_conf(ots: str = "127.0.0.1:8081", *, ca: str, marti: str, enrolment: str) -> str:
    """Return the servers for TAK clients, with the certificates of OpenTAKServer's directory `ca`.

    `marti` and `enrolment` are what they listen on.
    """
    return _filled("nginx-tls.conf", {"OTS": ots, "CA": ca, "MARTI": marti, "ENROLMENT": enrolment})


def _filled(name: str, values: dict[str, str]) -> str:
    text = (_HERE / name).read_text()
    return re.sub(r"@([A-Z]+)@", lambda field: values[field[1]], text)


def release_files() -> dict[str, str]:
    """Return the files, by name, of a context that has what upstream has built in `site/`."""
    return {"Dockerfile": (_HERE / "Dockerfile").read_text()}


def source_files() -> dict[str, str]:
    """Return the files, by name, of a context in which the interface is built first."""
    install = (_HERE / "install.sh").read_text()
    return {"Dockerfile": (_HERE / "Dockerfile.source").read_text(), "install.sh": install}
