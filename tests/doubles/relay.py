"""A long wire on loopback: it carries TCP connections, each direction late, and counts round trips.

`python -m tests.doubles.relay LISTEN PORT TO PORT DELAY` is one that runs until it is ended (DELAY
are seconds each way). No kernel module is asked for: many kernels have no netem.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class _Wire:
    """A connection under way, with the clocks of both its ends (Lamport's: only causes count).

    `near` is how many answers deep the client is; `far` how deep the words were that had come to
    the node. What the client says while an older answer is still on its way waits for nothing.
    """

    near: int = 0
    far: int = 0


@dataclass
class Relay:
    """`wires` are the connections, each with its round trips so far."""

    to: tuple[str, int]
    delay: float = 0.0
    wires: list[_Wire] = field(default_factory=list)

    @property
    def round_trips(self) -> int:
        """The longest chain of words and answers on any connection, without opening that."""
        return max((wire.near for wire in self.wires), default=0)

    async def listen(self, address: str, port: int = 0) -> asyncio.Server:
        return await asyncio.start_server(self._carry, address, port)

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, onward = await asyncio.open_connection(*self.to)
        except OSError:
            back.close()
            return
        wire = _Wire()
        self.wires.append(wire)

        def ask(data: bytes, depth: int) -> None:
            wire.far = max(wire.far, depth + 1)
            onward.write(data)

        def answer(data: bytes, depth: int) -> None:
            wire.near = max(wire.near, depth)
            back.write(data)

        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(
                self._late(near, ask, onward.close, lambda: wire.near),
                self._late(far, answer, back.close, lambda: wire.far),
            )

    async def _late(
        self,
        source: asyncio.StreamReader,
        write: Callable[[bytes, int], None],
        close: Callable[[], None],
        depth: Callable[[], int],
    ) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await source.read(65536):
                loop.call_later(self.delay, write, data, depth())
        loop.call_later(self.delay, close)


@contextlib.contextmanager
def relayed(to: tuple[str, int], delay: float) -> Iterator[tuple[int, Relay]]:
    """Serve a relay on loopback, in a thread of its own; yield its port, and what it counts."""
    relay, loop = Relay(to, delay), asyncio.new_event_loop()
    server = loop.run_until_complete(relay.listen("127.0.0.1"))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], relay
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(address: str, port: str, to: str, to_port: str, delay: str) -> None:
    server = await Relay((to, int(to_port)), float(delay)).listen(address, int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_forever(*sys.argv[1:]))
