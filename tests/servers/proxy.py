"""A TCP proxy that cuts the network in the ways in which networks are cut."""

import asyncio
import contextlib
import socket
import struct
from typing import Literal

from .ports import free_port

__all__ = ["Mode", "Proxy"]

Mode = Literal["pass", "refuse", "hang", "reset", "half_open", "slow"]

_CHUNK = 1 << 16
_SLOW_SECONDS = 0.02
_SLOW_BYTES = 2_048


class Proxy:
    """Forwards one port of the loopback to another, until it is told to do otherwise.

    pass       forwards
    refuse     nobody listens; what was connected is closed
    hang       new connections are accepted, and nothing is ever answered; what was connected is reset
    reset      what was connected is reset, and each new connection too
    half_open  what was connected stays so, but nothing comes through any more, in both directions
    slow       forwards a little at a time, about 100 kB a second
    """

    def __init__(self, target: int) -> None:
        """`target` is the port that is forwarded to."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mode: Mode = "pass"
        self._target = target
        self._over = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        await self._listen()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.set("refuse")
        self._over.set()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def set(self, mode: Mode) -> None:
        """From now on behave so."""
        before, self.mode = self.mode, mode
        if mode in ("refuse", "hang", "reset") or (mode == "pass" and before in ("hang", "half_open")):
            self._drop(reset=mode != "refuse")
        if mode == "refuse":
            if self._server is not None:
                self._server.close()
                self._server = None
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)

    def _drop(self, *, reset: bool) -> None:
        for writer in tuple(self._writers):
            if reset and (raw := writer.get_extra_info("socket")) is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self.mode == "reset":
                self._drop(reset=True)
                return
            if self.mode == "hang":
                await self._over.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(back)
            try:
                await asyncio.gather(self._forward(reader, back), self._forward(there, writer))
            finally:
                self._writers.discard(back)
                back.transport.abort()
        except OSError:
            pass  # one of the two is gone
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(_SLOW_BYTES if self.mode == "slow" else _CHUNK):
            if self.mode == "slow":
                await asyncio.sleep(_SLOW_SECONDS)
            if self.mode != "half_open":
                writer.write(content)
                await writer.drain()
        raise ConnectionResetError("closed")
