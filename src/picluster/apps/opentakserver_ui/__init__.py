"""The web interface's image: upstream's static files behind nginx."""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent


def nginx_conf(
    ots: str = "127.0.0.1:8081", *, listen: str = "8080", root: str = "/usr/share/nginx/site"
) -> str:
    """Return nginx's configuration, for OpenTAKServer at this `host:port`."""
    values = {"OTS": ots, "LISTEN": listen, "ROOT": root}
    text = (_HERE / "nginx.conf").read_text()
    return re.sub(r"@([A-Z]+)@", lambda name: values[name[1]], text)


def dockerfile() -> str:
    """Return the image's Dockerfile; its context has `site/` and `nginx.conf`."""
    return (_HERE / "Dockerfile").read_text()


def source_dockerfile() -> str:
    """Return the Dockerfile that builds the interface first; its context has `nginx.conf`."""
    return (_HERE / "Dockerfile.source").read_text()
