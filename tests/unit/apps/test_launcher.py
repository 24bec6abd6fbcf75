"""OpenTAKServer's launcher: its settings, and what it makes of Socket.IO's arguments."""

from __future__ import annotations

import pytest

from picluster.apps.opentakserver import launcher
from picluster.apps.opentakserver.launcher import (
    Settings,
    adjusted,
    settings_from,
    with_login,
    wrap,
)

LOGIN = Settings(username="tak", password="p@ss/word:1")


class Recorder:
    """Stands for SocketIO: notes what `init_app` is given."""

    def __init__(self) -> None:
        self.given: dict[str, object] = {}

    def init_app(self, app: object, **arguments: object) -> None:
        self.given = {"app": app, **arguments}


def test_the_defaults_are_those_that_a_field_network_needs() -> None:
    found = settings_from({})
    assert (found.ping_timeout, found.ping_interval) == (60, 25)
    assert found.origins is None
    assert found.message_queue


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="PICLUSTER_SOCKETIO_PING_TIMEOUT"):
        settings_from({"PICLUSTER_SOCKETIO_PING_TIMEOUT": text})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("*", "*"), ("", None), ("http://a, http://b:1", ["http://a", "http://b:1"])],
)
def test_origins_are_read(text: str, expected: object) -> None:
    assert settings_from({"PICLUSTER_SOCKETIO_CORS_ORIGINS": text}).origins == expected


def test_the_queue_gets_the_login_whatever_is_in_it() -> None:
    assert with_login("amqp://rabbit:5672", LOGIN) == "amqp://tak:p%40ss%2Fword%3A1@rabbit:5672"
    assert with_login("amqp://rabbit", Settings()) == "amqp://rabbit"
    assert with_login("amqp://me:mine@rabbit", LOGIN) == "amqp://me:mine@rabbit"


def test_a_server_gets_pings_and_keeps_its_queue() -> None:
    socketio = Recorder()
    wrapped = wrap(Recorder.init_app, LOGIN)
    wrapped(socketio, "app", ping_timeout=1, message_queue="amqp://rabbit", logger="its own")
    assert socketio.given == {
        "app": "app",
        "logger": "its own",
        "ping_timeout": 60.0,
        "ping_interval": 25.0,
        "message_queue": "amqp://tak:p%40ss%2Fword%3A1@rabbit",
    }


def test_a_process_that_only_emits_gets_the_login_and_nothing_else() -> None:
    found = adjusted({"message_queue": "amqp://rabbit"}, LOGIN, serves=False)
    assert found == {"message_queue": "amqp://tak:p%40ss%2Fword%3A1@rabbit"}


def test_without_a_queue_only_the_server_goes_without() -> None:
    off = settings_from({"PICLUSTER_MESSAGE_QUEUE": "off"})
    assert adjusted({"message_queue": "amqp://r"}, off, serves=True)["message_queue"] is None
    assert adjusted({"message_queue": "amqp://r"}, off, serves=False)["message_queue"] == "amqp://r"


def test_a_password_is_not_shown() -> None:
    assert "p@ss" not in repr(LOGIN)


def test_an_unknown_process_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(["everything"]) == 2
    assert "server | cot_parser | eud_handler" in capsys.readouterr().err
