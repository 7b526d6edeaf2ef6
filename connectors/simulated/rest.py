"""The simulated home's REST API, as far as homeiq and its tests use it: states in, out and away, services, calendars."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from .home import SimulatedHome
from .services import UnknownService
from .state import Context, Fired

__all__ = ["RestApi"]

_ENTITY_ID: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")

Broadcast = Callable[[list[Fired]], None]


class RestApi:
    """Answers requests about one home; what happens because of them goes to `broadcast`."""

    def __init__(self, home: SimulatedHome, token: str, broadcast: Broadcast) -> None:
        self._home = home
        self._token = token
        self._broadcast = broadcast

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of an application."""
        return [
            web.get("/api/", self._running),
            web.get("/api/config", self._config),
            web.get("/api/states", self._states),
            web.get("/api/states/{entity_id}", self._state),
            web.post("/api/states/{entity_id}", self._set),
            web.delete("/api/states/{entity_id}", self._remove),
            web.post("/api/events/{event_type}", self._fire),
            web.post("/api/services/{domain}/{service}", self._call),
            web.get("/api/calendars", self._calendars),
            web.get("/api/calendars/{entity_id}", self._calendar),
        ]

    @web.middleware
    async def authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let nobody in without the token; the WebSocket asks for it itself."""
        if request.path != "/api/websocket" and request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.Response(status=HTTPStatus.UNAUTHORIZED, text="401: Unauthorized")
        return await handler(request)

    async def _running(self, request: web.Request) -> web.Response:
        return _json({"message": "API running."})

    async def _config(self, request: web.Request) -> web.Response:
        return _json(self._home.config())

    async def _states(self, request: web.Request) -> web.Response:
        return web.Response(body=self._home.states_raw(), content_type="application/json")

    async def _state(self, request: web.Request) -> web.Response:
        state = self._home.state(request.match_info["entity_id"])
        return _json(state) if state is not None else _refusal(HTTPStatus.NOT_FOUND, "Entity not found.")

    async def _set(self, request: web.Request) -> web.Response:
        entity_id = request.match_info["entity_id"].lower()
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _refusal(HTTPStatus.BAD_REQUEST, "Invalid JSON specified.")
        if not isinstance(body, dict):
            return _refusal(HTTPStatus.BAD_REQUEST, "State data should be a JSON object.")
        if body.get("state") is None:
            return _refusal(HTTPStatus.BAD_REQUEST, "No state specified.")
        if not _ENTITY_ID.fullmatch(entity_id):
            return _refusal(HTTPStatus.BAD_REQUEST, "Invalid entity ID specified.")
        if len(str(body["state"])) > 255:
            return _refusal(HTTPStatus.BAD_REQUEST, "Invalid state specified.")
        attributes = body.get("attributes") or {}
        if not isinstance(attributes, dict):
            return _refusal(HTTPStatus.BAD_REQUEST, "Attributes should be a JSON object.")
        created = self._home.state(entity_id) is None
        self._broadcast(self._home.set_state(entity_id, str(body["state"]), attributes, self._context()))
        status = HTTPStatus.CREATED if created else HTTPStatus.OK
        return _json(self._home.state(entity_id), status, {"Location": f"/api/states/{entity_id}"})

    async def _remove(self, request: web.Request) -> web.Response:
        fired = self._home.remove(request.match_info["entity_id"], self._context())
        self._broadcast(fired)
        return _json({"message": "Entity removed."}) if fired else _refusal(HTTPStatus.NOT_FOUND, "Entity not found.")

    async def _fire(self, request: web.Request) -> web.Response:
        event_type = request.match_info["event_type"]
        body = await request.read()
        try:
            data = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError:
            return _refusal(HTTPStatus.BAD_REQUEST, "Event data should be valid JSON.")
        self._broadcast(self._home.fire(event_type, data, self._context()))
        return _json({"message": f"Event {event_type} fired."})

    async def _call(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            data = orjson.loads(body) if body else {}
            fired = self._home.call_service(**request.match_info, data=data, context=self._context())
        except (orjson.JSONDecodeError, UnknownService, TypeError, ValueError):
            return web.Response(status=HTTPStatus.BAD_REQUEST, text="400: Bad Request")
        self._broadcast(fired)
        changed = [orjson.loads(each.raw)["data"]["new_state"] for each in fired if each.event_type == "state_changed"]
        return _json([state for state in changed if state is not None])

    async def _calendars(self, request: web.Request) -> web.Response:
        return _json([{"name": "Family", "entity_id": "calendar.family"}])

    async def _calendar(self, request: web.Request) -> web.Response:
        if request.match_info["entity_id"] != "calendar.family":
            return web.Response(status=HTTPStatus.NOT_FOUND)
        try:
            start, end = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
        except (KeyError, ValueError):
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        return _json(self._home.calendar(start, end))

    def _context(self) -> Context:
        return self._home.context(self._home.users["anna"])


def _json(content: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, headers=headers, content_type="application/json")


def _refusal(status: HTTPStatus, message: str) -> web.Response:
    return _json({"message": message}, status)
