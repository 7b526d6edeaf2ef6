"""A small HTTP service of the tests' own: it answers as it is told, also wrongly, and keeps what it was asked."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Asked", "Reply", "Service", "serving"]


@dataclass(frozen=True)
class Asked:
    """A request as it came. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Reply:
    """What is answered: a str or bytes as it is, anything else as JSON.

    `length` is what Content-Length says, if not the truth; `hang` sends nothing and waits, `stall` sends and then
    waits; `drop` ends the connection.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    hang: bool = False
    stall: bool = False
    drop: bool = False

    def raw(self) -> bytes:
        """Return the bytes of the answer."""
        if isinstance(self.body, bytes):
            body = self.body
        else:
            body = (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()
        headers = {"Content-Type": "application/json", "Connection": "close", **self.headers}
        headers["Content-Length"] = str(len(body) if self.length is None else self.length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Said\r\n{lines}\r\n".encode("latin-1") + body


Answers = Callable[[Asked], Reply | Awaitable[Reply]]


class Service:
    """Listens on the loopback address; `answers` says what to each request."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self.url = ""
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, which is one request."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[writer] = task
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            url = urlsplit(target)
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            asked = Asked(method, url.path, query, headers, body.decode())
            self.asked.append(asked)
            reply = self.answers(asked)
            reply = reply if isinstance(reply, Reply) else await reply
            if not reply.hang and not reply.drop:
                writer.write(reply.raw())
                await writer.drain()
            if reply.hang or reply.stall:
                await reader.read()  # until the other side gives up
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._connections.pop(writer)

    async def end(self) -> None:
        """End all connections: the loop of a test must not leave any behind."""
        running = dict(self._connections)
        for writer in running:
            writer.transport.abort()
        await asyncio.gather(*running.values(), return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[Service]:
    """Run a service as long as the block lasts."""
    service = Service(answers)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        await service.end()
        await server.wait_closed()
