"""Serving a directory of artifacts (install script, K3s) to a lab, on the lab's own address."""

from __future__ import annotations

import functools
import http.server
import sys
from pathlib import Path

PORT = 8300


def url(gateway: str) -> str:
    """Return where the directory is served."""
    return f"http://{gateway}:{PORT}"


def serve(address: str, directory: Path) -> None:
    """Serve a directory over HTTP until this process ends."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer((address, PORT), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
