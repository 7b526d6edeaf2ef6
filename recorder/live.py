"""GET /live: each second how things are, as server-sent events, to those who look at the status page.

    event: live    the facts of /status, what was recorded last, and how old each view is
    event: view    one view (views.py) as a whole: at first each, then each that has changed

A listener is told the present state, never a backlog: nothing is queued for one who reads slowly, and after a while he
is dropped. There are only so many, and they end when the recorder does.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

import orjson
from aiohttp import web

from ..clock import to_iso
from .health import Health
from .ingest import answer
from .views import View, Views

__all__ = ["MOST_LISTENERS", "Live"]

MOST_LISTENERS: Final = 32

_EACH_SECONDS: Final = 1.0
_SLOW_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 2.0
_SILENT_PEER_MS: Final = 30_000
"""A phone that has left the network acknowledges nothing: its connection is given up after so long."""


class Live:
    """Tells all listeners the same, made once a second while there are any."""

    def __init__(
        self, health: Health, views: Views, *, each_seconds: float = _EACH_SECONDS, slow_seconds: float = _SLOW_SECONDS
    ) -> None:
        self.listeners = 0
        self._health = health
        self._views = views
        self._each = each_seconds
        self._slow = slow_seconds
        self._ending = asyncio.Event()
        self._frame = b""
        self._made_at = float("-inf")
        self._making = asyncio.Lock()
        self._looking: asyncio.Future[None] | None = None

    def end(self) -> None:
        """Let all listeners go."""
        self._ending.set()

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer one listener, until he goes, reads too slowly, or the recorder stops."""
        if self.listeners >= MOST_LISTENERS:
            error = f"{MOST_LISTENERS} listeners are there already: close a status page, or come again later"
            return answer(503, {"error": error}, Retry_After="10")
        self.listeners += 1
        try:
            return await self._tell(request)
        finally:
            self.listeners -= 1

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        response.headers["X-Accel-Buffering"] = "no"  # a proxy would gather what is meant for now
        _give_up_silent_peers(request.transport)
        try:
            await response.prepare(request)
            told: dict[str, int] = {}
            while not self._ending.is_set():
                frame = await self._now()
                changed = [view for view in self._views.known.values() if told.get(view.name) != view.version]
                told = {view.name: view.version for view in self._views.known.values()}
                async with asyncio.timeout(self._slow):
                    await response.write(b"".join([frame, *map(_view_frame, changed)]))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), self._each)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the listener has gone
        return response

    async def _now(self) -> bytes:
        """Return the facts of this second."""
        async with self._making:
            now = self._health.clock.monotonic()
            if now - self._made_at >= self._each * 0.9:
                await self._look()
                facts = {
                    "at": to_iso(self._health.clock.now()),
                    "status": self._health.status(),
                    "latest": [heard._asdict() for heard in self._health.latest],
                    "views": self._views.ages(),
                }
                self._frame = b"event: live\ndata: %b\n\n" % orjson.dumps(facts)
                self._made_at = now
            return self._frame

    async def _look(self) -> None:
        """Look at the views in a thread; a disk that stalls delays no live fact by more than two seconds."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._views.look))
        await asyncio.wait({self._looking}, timeout=_LOOK_SECONDS)


def _view_frame(view: View) -> bytes:
    named = orjson.dumps({"name": view.name, "content": orjson.Fragment(view.content)})
    return b"event: view\ndata: %b\n\n" % named


def _give_up_silent_peers(transport: asyncio.Transport | None) -> None:
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError, AttributeError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_PEER_MS)
