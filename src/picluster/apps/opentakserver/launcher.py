"""Starts OpenTAKServer's processes with the Socket.IO settings that a field network needs.

    launcher.py server | cot_parser | eud_handler [--ssl] [--udp] | check

Upstream has no settings for what is done here: it gives a browser one second to answer a ping, and
names RabbitMQ without the login that it was given. `flask_socketio.SocketIO.init_app` is wrapped
for that. Patches of the source text did the same until 1.7.5 was formatted anew, and then nothing
at all; a name that is missing fails the build of the image instead (`check`).

This file runs inside the image and knows nothing of picluster.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

PROCESSES = {
    "server": ("opentakserver.app", "start"),
    "cot_parser": ("opentakserver.cot_parser.cot_parser", "main"),
    "eud_handler": ("opentakserver.eud_handler.eud_handler", "main"),
}
_OFF = ("off", "false", "0", "no")


@dataclass(frozen=True)
class Settings:
    """What is made of the environment. Times are in seconds; no origins means the same one only."""

    ping_timeout: float = 60.0
    ping_interval: float = 25.0
    origins: str | list[str] | None = None
    message_queue: bool = True
    username: str = ""
    password: str = field(default="", repr=False)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises ValueError for a time that is no number above zero."""
    origins = environment.get("PICLUSTER_SOCKETIO_CORS_ORIGINS", "").strip()
    return Settings(
        ping_timeout=_seconds(environment, "PICLUSTER_SOCKETIO_PING_TIMEOUT", 60.0),
        ping_interval=_seconds(environment, "PICLUSTER_SOCKETIO_PING_INTERVAL", 25.0),
        origins=_origins(origins),
        message_queue=environment.get("PICLUSTER_MESSAGE_QUEUE", "on").lower() not in _OFF,
        username=environment.get("OTS_RABBITMQ_USERNAME", ""),
        password=environment.get("OTS_RABBITMQ_PASSWORD", ""),
    )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "").strip()
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{name} has to be a number of seconds, not {text!r}")
    return seconds


def _origins(text: str) -> str | list[str] | None:
    if text in ("", "*"):
        return text or None
    return [origin.strip() for origin in text.split(",") if origin.strip()]


def with_login(queue: str, settings: Settings) -> str:
    """Return the URL of the message queue with the login in it, unless it has one already."""
    parts = urlsplit(queue)
    if not settings.username or parts.username:
        return queue
    login = f"{quote(settings.username, safe='')}:{quote(settings.password, safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


def adjusted(
    arguments: Mapping[str, object], settings: Settings, *, serves: bool
) -> dict[str, object]:
    """Return the arguments of `init_app` as they should be; `serves` if there is an app."""
    wanted = dict(arguments)
    queue = wanted.get("message_queue")
    if queue and serves and not settings.message_queue:
        wanted["message_queue"] = None
    elif isinstance(queue, str) and queue:
        wanted["message_queue"] = with_login(queue, settings)
    if serves:
        wanted["ping_timeout"] = settings.ping_timeout
        wanted["ping_interval"] = settings.ping_interval
        if settings.origins is not None:
            wanted["cors_allowed_origins"] = settings.origins
    return wanted


def wrap(init_app: Callable[..., object], settings: Settings) -> Callable[..., object]:
    """Return `SocketIO.init_app` with the settings put in."""

    @functools.wraps(init_app)
    def wrapped(self: object, app: object = None, **arguments: object) -> object:
        return init_app(self, app, **adjusted(arguments, settings, serves=app is not None))

    return wrapped


def install(settings: Settings) -> None:
    """Patch the standard library for gevent, and then flask_socketio. Raises AttributeError."""
    importlib.import_module("gevent.monkey").patch_all()
    socketio = importlib.import_module("flask_socketio").SocketIO
    socketio.init_app = wrap(socketio.init_app, settings)


def entry(name: str) -> Callable[[], object]:
    """Return what starts a process. Raises ImportError or AttributeError if it is not there."""
    module, function = PROCESSES[name]
    start: Callable[[], object] = getattr(importlib.import_module(module), function)
    return start


def check(settings: Settings) -> list[str]:
    """Return what this installation lacks of that which is started or wrapped here.

    The server is imported. The others connect to the database when they are, so only their source
    is read.
    """
    problems = []
    try:
        install(settings)
    except (ImportError, AttributeError) as error:
        problems.append(f"flask_socketio.SocketIO.init_app cannot be wrapped: {error}")
    try:
        entry("server")
    except (ImportError, AttributeError, SyntaxError) as error:
        problems.append(f"server cannot be started: {error}")
    for name in ("cot_parser", "eud_handler"):
        module, function = PROCESSES[name]
        if not _defines(module, function):
            problems.append(f"{name} cannot be started: there is no {module}.{function}")
    return problems


def _defines(module: str, function: str) -> bool:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        return False
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in body)


def main(arguments: list[str]) -> int:
    """Start the process that is asked for; return an exit status."""
    wanted = arguments[0] if arguments else ""
    if wanted not in (*PROCESSES, "check"):
        print(f"usage: launcher.py {' | '.join(PROCESSES)} | check", file=sys.stderr)
        return 2
    try:
        settings = settings_from(os.environ)
    except ValueError as error:
        print(f"launcher: {error}", file=sys.stderr)
        return 2
    if wanted == "check":
        problems = check(settings)
        for problem in problems:
            print(f"launcher: {problem}", file=sys.stderr)
        return 1 if problems else 0
    install(settings)
    sys.argv = [wanted, *arguments[1:]]
    entry(wanted)()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
