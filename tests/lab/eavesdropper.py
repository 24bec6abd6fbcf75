"""Hears on a lab's bridge whether a node tries to reach anything outside the lab.

Whoever sends a packet to an address beyond the cable asks for its machine first: by ARP, and aloud
(RFC 826). Nobody answers in a lab, so that this is all there is to hear, and none of it is missed.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from picluster.lab.layout import LabLayout

_ARP = 0x0806
_REQUEST = b"\x00\x01"
_LOOKS_SECONDS = 0.2
_PATIENCE_SECONDS = 10.0


@dataclass
class Eavesdropper:
    """What was asked for outside the lab: pairs of who asked and for what."""

    outside: set[tuple[str, str]] = field(default_factory=set)
    _news: threading.Event = field(default_factory=threading.Event)

    def hear(self, who: str, whom: str) -> None:
        self.outside.add((who, whom))
        self._news.set()

    def soon(self) -> set[tuple[str, str]]:
        """What there is to hear once there is anything, and at the latest after a while."""
        self._news.wait(_PATIENCE_SECONDS)
        return self.outside


@contextmanager
def eavesdropping(lab: LabLayout) -> Iterator[Eavesdropper]:
    """Listen for as long as the block lasts."""
    heard, ended = Eavesdropper(), threading.Event()
    inside = ipaddress.ip_network(lab.subnet)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as ear:
        ear.bind((lab.bridge, _ARP))
        ear.settimeout(_LOOKS_SECONDS)

        def listen() -> None:
            while not ended.is_set():
                try:
                    frame = ear.recv(128)
                except TimeoutError:
                    continue
                asked = ipaddress.ip_address(frame[38:42])
                if frame[20:22] == _REQUEST and asked not in inside:
                    heard.hear(str(ipaddress.ip_address(frame[28:32])), str(asked))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            ended.set()
            thread.join()
