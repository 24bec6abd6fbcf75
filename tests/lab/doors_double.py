"""A double of OpenTAKServer's doors, which runs on a node: the stand-in cluster runs no pods.

It answers as the verification wants a healthy server to, on the ports that it is given: web, then
the streams. A stream stays open until its client goes, and says nothing, as the real one does. All
that somebody asks is told in lines: `GET /path`, `GET /path (tls)`, `31088: connected`.
"""

from __future__ import annotations

import functools
import json
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, BaseServer, ThreadingTCPServer

HANDSHAKE = "0" + json.dumps({"sid": "double", "pingTimeout": 60000, "pingInterval": 25000})


class Web(BaseHTTPRequestHandler):
    tell: Callable[[str], object] = print
    how = ""

    def do_GET(self) -> None:
        type(self).tell(f"GET {self.path}{self.how}")
        body = HANDSHAKE if self.path.startswith("/socket.io/") else "a double of OpenTAKServer"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Stream(BaseRequestHandler):
    tell: Callable[[str], object] = print

    def handle(self) -> None:
        type(self).tell(f"{self.server.server_address[1]}: connected")  # type: ignore[index]
        while self.request.recv(4096):
            pass


def served(server: BaseServer) -> BaseServer:
    """Serve in the background."""
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def web(
    address: str, port: int, tell: Callable[[str], object], tls: ssl.SSLContext | None = None
) -> BaseServer:
    """Serve a door that speaks HTTP, with TLS if there is a context for it."""
    how = " (tls)" if tls else ""
    handler = type("Told", (Web,), {"tell": staticmethod(tell), "how": how})
    server = ThreadingHTTPServer((address, port), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    return served(server)


def stream(address: str, port: int, tell: Callable[[str], object]) -> BaseServer:
    """Serve a door that takes devices."""
    handler = type("Told", (Stream,), {"tell": staticmethod(tell)})
    ThreadingTCPServer.daemon_threads = True
    return served(ThreadingTCPServer((address, port), handler))


def main(web_port: int, *streams: int) -> None:
    tell = functools.partial(print, flush=True)
    for port in streams:
        stream("", port, tell)
    web("", web_port, tell)
    threading.Event().wait()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
