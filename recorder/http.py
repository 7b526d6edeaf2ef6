"""The HTTP server of a recorder: listens, tries again while its port is in use, and stops in order."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ..clock import Clock
from ..settings import HttpSettings
from .endpoints import application
from .health import Health
from .idempotency import Keys
from .ingest import Ingest
from .live import Live
from .views import Views

__all__ = ["MOST_CONNECTIONS", "HttpServer"]

_log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 400
"""With more, file descriptors would become scarce for the log itself; the next one is told to come again."""

_RETRY_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 2.0
_SILENT_SECONDS: Final = 15.0
"""A connection on which no request has come by then, or no other one since the last, is closed."""

_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class HttpServer:
    """Answers what `endpoints` has. A failure of it never goes further than this."""

    def __init__(self, settings: HttpSettings, health: Health, keys: Keys, clock: Clock) -> None:
        self._settings = settings
        self._health = health
        self._ingest = Ingest(health.intake, keys, clock, settings.max_body_bytes)

    async def run(self) -> None:
        """Listen until cancelled; then answer what is under way, for a few seconds. Raises nothing else."""
        try:
            await self._serve()
        except Exception:
            _log.exception("HTTP ended by an error in homeiq itself; recording goes on")
            self._health.http = {"url": "", "problem": "HTTP ended by an error in homeiq itself: see its log"}

    async def _serve(self) -> None:
        live = Live(self._health, Views(self._health.data_dir, self._health.clock))
        app = application(self._settings, self._health, self._ingest, live)
        app.on_shutdown.append(_ending(live))
        gate = _Gate()
        app.middlewares.append(gate.heard)
        runner = _runner(app)
        await runner.setup()
        gate.server = runner.server
        server: asyncio.Server | None = None
        try:
            while server is None:
                server = await self._listen(gate)
                if server is None:
                    await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            if server is not None:
                server.close()
            self._health.http = {"url": "", "problem": ""}
            await runner.cleanup()
            self._ingest.close()

    async def _listen(self, gate: _Gate) -> asyncio.Server | None:
        """Return the listening server; None, and the problem is said, if it cannot listen now."""
        host, port = self._settings.host, self._settings.port
        try:
            server = await asyncio.get_running_loop().create_server(gate, host or None, port, backlog=256)
        except (OSError, ValueError, OverflowError) as error:
            self._say(host, port, error)
            return None
        port = server.sockets[0].getsockname()[1]
        url = f"http://{f'[{host}]' if ':' in host else host or '0.0.0.0'}:{port}"
        self._health.http = {"url": url, "problem": ""}
        _log.info("listening on %s", url)
        return server

    def _say(self, host: str, port: int, error: Exception) -> None:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            reason = "it is in use"
        problem = (
            f"HTTP cannot listen on {host}:{port} ({reason}): stop what listens there, or set http.host and http.port"
        )
        if problem != self._health.http["problem"]:
            _log.warning("%s; it is tried again, and recording goes on", problem)
        self._health.http = {"url": "", "problem": problem}


def _ending(live: Live) -> Callable[[web.Application], Awaitable[None]]:
    async def end(app: web.Application) -> None:
        live.end()

    return end


def _runner(app: web.Application) -> web.AppRunner:
    """Return an application's runner: our own log only, bodies as they come, nothing kept open for long."""
    return web.AppRunner(
        app,
        access_log=None,
        logger=_protocol_log(),
        auto_decompress=False,
        keepalive_timeout=_SILENT_SECONDS,
        lingering_time=2.0,
        shutdown_timeout=_STOP_SECONDS,
    )


def _protocol_log() -> logging.Logger:
    """Return where aiohttp tells of requests that are no HTTP: nobody needs to read that, and it quotes what was sent."""
    log = logging.getLogger(f"{__name__}.protocol")
    log.addFilter(lambda record: record.getMessage().startswith("Unhandled"))
    return log


class _Gate:
    """Makes the protocol of each new connection, unless there are too many; closes those that say nothing."""

    def __init__(self) -> None:
        self.server: web.Server | None = None
        self._silent: set[asyncio.BaseProtocol] = set()

    def __call__(self) -> asyncio.BaseProtocol:
        if self.server is None or len(self.server.connections) >= MOST_CONNECTIONS:
            return _Refusing()
        protocol = self.server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(_SILENT_SECONDS, self._close_if_silent, protocol)
        return protocol

    @web.middleware
    async def heard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Note that a connection has brought a request."""
        self._silent.discard(request.protocol)
        return await handler(request)

    def _close_if_silent(self, protocol: RequestHandler) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            protocol.force_close()


class _Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.write(_REFUSAL)
            transport.close()
