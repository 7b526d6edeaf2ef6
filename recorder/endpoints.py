"""What is answered on which path, and to whom."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Set
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from ..settings import HttpSettings
from .health import Health
from .ingest import Ingest, answer
from .live import Live
from .metrics import Metrics
from .pages import page_files

__all__ = ["ENDPOINTS", "application"]

_log = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ENDPOINTS: Final = {
    "/events": "POST one event, a list or NDJSON; 201 once they are durable",
    "/health": "200 while the process lives; needs no token",
    "/ready": "200 while it is connected and recording, else 503 with the reasons",
    "/status": "all live facts, as JSON",
    "/metrics": "the same for Prometheus",
    "/live": "the same each second, and what is known of log, targets and gaps, as server-sent events",
    "/": "the status page; its files, below /page/, hold no facts and need no token",
}

_HEADERS: Final = {
    "Server": "homeiq",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def application(settings: HttpSettings, health: Health, ingest: Ingest, live: Live) -> web.Application:
    """Return the application."""
    pages, files = _Pages(health), page_files()
    app = web.Application(middlewares=[_guard(_Access(settings, {"/health", *files}), health)])
    app.on_response_prepare.append(_add_headers)
    app.router.add_post("/events", ingest.post)
    app.router.add_get("/health", pages.health)
    app.router.add_get("/ready", pages.ready)
    app.router.add_get("/status", pages.status)
    app.router.add_get("/metrics", pages.metrics)
    app.router.add_get("/live", live.get)
    for path, serve in files.items():
        app.router.add_get(path, serve)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        if name not in response.headers or name == "Server":
            response.headers[name] = value


class _Pages:
    """The answers to GET."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._metrics = Metrics(health)

    async def health(self, request: web.Request) -> web.Response:
        return answer(200, {"alive": True})

    async def ready(self, request: web.Request) -> web.Response:
        reasons = self._health.not_ready()
        return answer(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    async def status(self, request: web.Request) -> web.Response:
        return answer(200, self._health.status())

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


class _Access:
    """Who is answered: whoever addresses this machine by a name of its own, and has the token where one is set.

    What is at `open_paths` needs no token: it tells nothing of the home.
    """

    def __init__(self, settings: HttpSettings, open_paths: Set[str]) -> None:
        self._open = frozenset(open_paths)
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", settings.host.lower(), *map(str.lower, settings.allowed_hosts)}
        self._names.discard("")
        self._token = settings.token.get_secret_value().encode()

    def refusal(self, request: web.Request) -> web.Response | None:
        """Return why a request is not answered, None if it is."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            error = "this is not a name of this machine: use its address, or add the name to http.allowed_hosts"
            return answer(421, {"error": error})
        origins = request.headers.getall("Origin", [])
        if any(not self._is_ours(_netloc(origin)) for origin in origins):
            return answer(403, {"error": "pages of other sites may not ask"})
        if request.path not in self._open and self._token and not self._has_token(request):
            error = "the token is missing or wrong: send Authorization: Bearer <http.token>"
            return answer(401, {"error": error}, WWW_Authenticate='Bearer realm="homeiq"')
        return None

    def _is_ours(self, host: str) -> bool:
        """Tell whether a host is an address, or a name of ours: a page that rebinds a name of its own has neither."""
        if set(host) & set("/?#@\\"):
            return False
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _has_token(self, request: web.Request) -> bool:
        given = request.headers.getall("Authorization", [""])
        scheme, _, token = given[0].partition(" ")
        same = secrets.compare_digest(token.strip().encode("utf-8", "surrogateescape"), self._token)
        return same and scheme.lower() == "bearer" and len(given) == 1


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _guard(access: _Access, health: Health) -> Any:
    """Return what surrounds every answer: who may ask, errors as JSON, headers, and the count of requests."""

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = access.refusal(request) or await handler(request)
        except web.HTTPException as error:
            response = answer(error.status, {"error": error.reason})
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except ConnectionError:
            raise
        except Exception:
            _log.exception("an error in homeiq itself, in the answer to a request; recording goes on")
            response = answer(500, {"error": "an error in homeiq itself: see its log"})
        health.requests[request.path if request.path in ENDPOINTS else "other", response.status] += 1
        return response

    return guard
