"""Watching the servers of a cluster from outside, while something is done to them."""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from picluster.paths import cluster_state
from tests.lab.bench import Bench

_SECONDS = 2.0
_PAUSE = 0.2


@dataclass(slots=True)
class Samples:
    """Which servers gave no answer, at each look.

    One that says it is not ready is up: all of them do while etcd elects another leader.
    """

    away: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def most_away(self) -> tuple[str, ...]:
        """The most servers that were away at once."""
        return max(self.away, key=len, default=())


@contextmanager
def sampling(bench: Bench, servers: Sequence[str], directory: Path) -> Iterator[Samples]:
    """Ask each server's /readyz, all at once and over and over, until the block ends."""
    context = _administrator(bench, directory)
    addresses = {node.name: node.address for node in bench.nodes if node.name in servers}
    samples, over = Samples(), threading.Event()

    def look(name: str, found: list[str]) -> None:
        if not _answers(addresses[name], context):
            found.append(name)

    def watch() -> None:
        while not over.is_set():
            found: list[str] = []
            looks = [threading.Thread(target=look, args=(name, found)) for name in addresses]
            for each in looks:
                each.start()
            for each in looks:
                each.join()
            samples.away.append(tuple(sorted(found)))
            time.sleep(_PAUSE)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()


def _answers(address: str, context: ssl.SSLContext) -> bool:
    link = http.client.HTTPSConnection(address, 6443, timeout=_SECONDS, context=context)
    try:
        link.request("GET", "/readyz")
        return link.getresponse().status in (
            http.HTTPStatus.OK,
            http.HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def _administrator(bench: Bench, directory: Path) -> ssl.SSLContext:
    """Return what speaks to the API as the kubeconfig that picluster saved allows."""
    saved = yaml.safe_load((cluster_state(bench.lab.name) / "kubeconfig").read_text())
    user, cluster = saved["users"][0]["user"], saved["clusters"][0]["cluster"]
    parts = {}
    for name, text in (
        ("ca", cluster["certificate-authority-data"]),
        ("certificate", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
    ):
        parts[name] = directory / name
        parts[name].write_bytes(base64.b64decode(text))
    context = ssl.create_default_context(cafile=str(parts["ca"]))
    context.load_cert_chain(parts["certificate"], parts["key"])
    return context
