"""Connections that can be cut: TCP proxies, one for each client and server."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from gallery.local.supervisor.ports import HOST

CutHow = Literal["refuse", "reset", "silence"]
# SO_LINGER: on, for 0 seconds. The close is then a reset.
RESET = struct.pack("ii", 1, 0)


class Link:
    """Passes what comes in at `port` on to a server's port.

    Cut by `refuse`, it takes no new connection; by `reset`, it also breaks those that there are; by `silence`, it holds
    everything back, as a network does that loses all packets, and delivers it once it is mended.
    """

    def __init__(self, port: int, server_port: int) -> None:
        self.port, self._server_port = port, server_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    async def mend(self) -> None:
        """Let everything pass."""
        self._flows.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, HOST, self.port)

    async def cut(self, how: CutHow) -> None:
        if how == "silence":
            self._flows.clear()
            return
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if how == "reset":
            for end in list(self._ends):
                _reset(end)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        self._ends.add(writer)
        try:
            await self._flows.wait()
            server_reader, server_writer = await asyncio.open_connection(HOST, self._server_port)
            ends.append(server_writer)
            self._ends.add(server_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, server_writer))
                both.create_task(self._pass_on(server_reader, writer))
        except* OSError:
            for end in ends:
                _reset(end)
        finally:
            for end in ends:
                self._ends.discard(end)
                end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        await self._flows.wait()
        with suppress(OSError):  # it has been closed meanwhile
            writer.write_eof()


def _reset(end: asyncio.StreamWriter) -> None:
    if (connection := end.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.transport.abort()


class Network:
    """All links, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self._is_cut: set[Link] = set()

    def link(self, port: int, server_port: int) -> Link:
        """A link that passes on what comes in at `port`."""
        link = Link(port, server_port)
        self._do(link.mend())
        return link

    @contextmanager
    def cut(self, link: Link, how: CutHow) -> Iterator[None]:
        """Cut a link while the block runs."""
        self._do(link.cut(how))
        self._is_cut.add(link)
        try:
            yield
        finally:
            self._is_cut.discard(link)
            self._do(link.mend())

    def is_cut(self, link: Link) -> bool:
        return link in self._is_cut

    def close(self) -> None:
        """Break all connections, and end."""

        async def end_all() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._do(end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=10)
