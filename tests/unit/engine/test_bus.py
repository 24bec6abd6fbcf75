"""The bus: every sink hears everything, and a broken one is left out without ending the run."""

from __future__ import annotations

import threading
import time

from tests.unit.racing import THREADS, race

from picluster.engine.bus import Bus
from picluster.engine.events import Connected, Event


def connected(node: str) -> Connected:
    return Connected(target=node, seconds=0.1)


def test_every_sink_gets_every_event_in_order() -> None:
    first: list[Event] = []
    second: list[Event] = []
    bus = Bus([first.append, second.append], lambda sink, error: None)
    bus(connected("pi1"))
    bus(connected("pi2"))
    assert [event.target for event in first if isinstance(event, Connected)] == ["pi1", "pi2"]
    assert second == first


def test_a_failing_sink_is_reported_once_and_left_out() -> None:
    heard: list[Event] = []
    attempts: list[Event] = []
    reported: list[str] = []

    def full_disk(event: Event) -> None:
        attempts.append(event)
        raise OSError(28, "No space left on device")

    bus = Bus([full_disk, heard.append], lambda sink, error: reported.append(str(error)))
    for node in ("pi1", "pi2", "pi3"):
        bus(connected(node))
    assert len(heard) == 3
    assert len(attempts) == len(reported) == 1


def test_sinks_are_never_called_by_two_threads_at_once() -> None:
    inside = threading.Lock()
    heard: list[Event] = []

    def sink(event: Event) -> None:
        assert inside.acquire(blocking=False), "two threads at once"
        time.sleep(0)
        heard.append(event)
        inside.release()

    lost: list[Exception] = []
    bus = Bus([sink], lambda sink, error: lost.append(error))

    def tell(number: int) -> None:
        for _ in range(20):
            bus(connected(f"pi{number}"))

    race(tell)
    assert lost == []
    assert len(heard) == THREADS * 20
