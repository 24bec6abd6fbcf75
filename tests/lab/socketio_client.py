"""A browser's part and another process's, run with the Python that OpenTAKServer is installed in.

    socketio_client.py listen URL     log in, connect over a WebSocket, and hear an event
    socketio_client.py login URL      log in with the password of stdin, and print the status

The event is emitted by a further process of this script (`emit`), through the message queue alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any
from urllib.parse import quote

SECONDS = 40
HTTP_OK = 200
NAMESPACE = "/socket.io"
EVENT = "picluster-test"


def emit(value: str) -> None:
    """Emit an event as cot_parser does: with no server of its own, into the queue."""
    from flask_socketio import SocketIO  # noqa: PLC0415 - only there where this runs

    user, password = (
        quote(os.environ[f"OTS_RABBITMQ_{part}"], safe="") for part in ("USERNAME", "PASSWORD")
    )
    queue = SocketIO(message_queue=f"amqp://{user}:{password}@127.0.0.1")
    queue.emit(EVENT, {"value": value}, namespace=NAMESPACE)


def log_in(browser: Any, url: str, password: str) -> tuple[int, str]:
    """Log in as the first administrator; return what is answered."""
    token = browser.get(f"{url}/api/login", timeout=SECONDS).json()["response"]["csrf_token"]
    answer = browser.post(
        f"{url}/api/login",
        json={"username": "administrator", "password": password},
        headers={"X-CSRFToken": token, "Referer": url},
        timeout=SECONDS,
    )
    return answer.status_code, answer.text


def login(url: str) -> None:
    """Try the password that comes over stdin; print the status."""
    import requests  # noqa: PLC0415

    browser = requests.Session()
    browser.headers["Accept"] = "application/json"
    print(log_in(browser, url, sys.stdin.read())[0])


def listen(url: str) -> None:
    """Log in as the first administrator, connect, and wait for the event."""
    import requests  # noqa: PLC0415
    import socketio  # noqa: PLC0415

    browser = requests.Session()
    browser.headers["Accept"] = "application/json"
    status, text = log_in(browser, url, "password")
    assert status == HTTP_OK, text
    client = socketio.Client(http_session=browser)
    heard = threading.Event()
    got: list[str] = []

    @client.on(EVENT, namespace=NAMESPACE)  # type: ignore[untyped-decorator]
    def on_event(data: dict[str, str]) -> None:
        got.append(data["value"])
        heard.set()

    client.connect(url, transports=["websocket"], namespaces=[NAMESPACE])
    subprocess.run([sys.executable, __file__, "emit", "42"], check=True, timeout=SECONDS)
    heard.wait(SECONDS)
    transport = client.transport()
    client.disconnect()
    print(f"heard {', '.join(got) or 'nothing'} over {transport}")


if __name__ == "__main__":
    {"emit": emit, "listen": listen, "login": login}[sys.argv[1]](sys.argv[2])
