"""A double of OpenTAKServer's doors, which runs on a node: the stand-in cluster runs no pods.

It answers as the verification wants a healthy server to, on the ports that it is given: web, then
the streams.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer

HANDSHAKE = "0" + json.dumps({"sid": "double", "pingTimeout": 60000, "pingInterval": 25000})


class Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = HANDSHAKE if self.path.startswith("/socket.io/") else "a double of OpenTAKServer"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def main(web: int, *streams: int) -> None:
    for port in streams:
        server = ThreadingTCPServer(("", port), BaseRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("", web), Web).serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
