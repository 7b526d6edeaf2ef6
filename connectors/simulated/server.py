"""The simulated home on a loopback port: Home Assistant's WebSocket and REST API, and hooks for tests.

No event is ever dropped. A client that reads slowly holds the home's time up, for everybody.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSMsgType, web

from ...clock import DAY, SECOND
from .conversation import Conversation, Rules
from .home import SimulatedHome
from .rest import RestApi
from .state import Attributes, Fired

__all__ = ["Options", "SimulatedHomeAssistant"]

_TICK_SECONDS: Final = 0.01
_BATCH: Final = 250
_WAITING: Final = 2_000
_COALESCED: Final = 200
_FAR: Final = 36_500 * DAY


@dataclass(frozen=True, slots=True)
class Options:
    """How it differs from a plain Home Assistant: `coalesce` sends lists to everybody; the rest as in Rules."""

    coalesce: bool = False
    admin: bool = True
    history_lag_seconds: float = 0.0


class _Client:
    """One WebSocket, with the messages that wait for it in their order."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, talk: Conversation) -> None:
        self.talk = talk
        self.transport = transport
        self.always_coalesce = False
        self._socket = socket
        self._waiting: deque[bytes] = deque()
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._sent = asyncio.Event()

    def put(self, messages: Iterable[bytes]) -> None:
        """Let messages wait for being sent."""
        self._waiting.extend(messages)
        if self._waiting:
            self._sent.clear()
            self._something.set()
        if len(self._waiting) > _WAITING:
            self._room.clear()

    @property
    def full(self) -> bool:
        """Whether the home's time must wait for this client."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until the client has read most of what waits, or is gone."""
        await self._room.wait()

    async def sent(self) -> None:
        """Wait until nothing waits any more, or the client is gone."""
        await self._sent.wait()

    async def write(self) -> None:
        """Send what waits, for ever."""
        try:
            while True:
                await self._something.wait()
                await self._write_waiting()
                self._something.clear()
                self._sent.set()
        except ConnectionError:
            pass  # the reading side notices, and ends
        finally:
            self.gone()

    async def _write_waiting(self) -> None:
        waiting, count = self._waiting, 0
        while waiting:
            if len(waiting) > 1 and (self.talk.coalesce or self.always_coalesce):
                part = [waiting.popleft() for _ in range(min(len(waiting), _COALESCED))]
                message = b"[" + b",".join(part) + b"]"
            else:
                message = waiting.popleft()
            await self._socket.send_frame(message, WSMsgType.TEXT)
            if len(waiting) < _WAITING // 2:
                self._room.set()
            count += 1
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    def gone(self) -> None:
        """Hold nobody up any more."""
        self._room.set()
        self._sent.set()


class SimulatedHomeAssistant:
    """Serves one home. Its time is `start` plus the wall's, `speed` times as fast; math.inf is as fast as clients read.

    `max_rate` limits the events a second; the home's time then lags, and what lags is not made up for.
    """

    def __init__(
        self,
        home: SimulatedHome,
        *,
        token: str,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        max_rate: float | None = None,
        options: Options | None = None,
    ) -> None:
        self.home = home
        self.speed = speed
        self.max_rate = max_rate
        self.sent_events = 0
        self._options = options or Options()
        self._rules = Rules(token, self._options.admin, self._options.history_lag_seconds)
        self._address = (host, port)
        self._clients: list[_Client] = []
        self._going = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._pump: asyncio.Task[None] | None = None
        self._anchor = (0.0, home.now)
        self._allowed = (0.0, 0.0)

    @property
    def url(self) -> str:
        """Return the base URL, as a client's settings want it."""
        return f"http://{self._address[0]}:{self._address[1]}"

    @property
    def clients(self) -> int:
        """Return how many WebSockets are open."""
        return len(self._clients)

    async def start(self) -> None:
        """Listen, and let the home's time pass from now on. Raises OSError if the port is taken."""
        rest = RestApi(self.home, self._rules.token, self.broadcast)
        app = web.Application(middlewares=[rest.authorize], client_max_size=64 << 20)
        app.add_routes([web.get("/api/websocket", self._talk), *rest.routes()])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._address = (self._address[0], self._runner.addresses[0][1])
        self.resume()
        self._pump = asyncio.create_task(self._let_time_pass())

    async def stop(self) -> None:
        """Stop the home's time, hang up on everybody, and give the port back."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        self.drop_connections()
        if self._runner is not None:
            await self._runner.cleanup()

    async def failed(self) -> None:
        """Wait for ever, or until the home's time can't pass any more: raises why."""
        if self._pump is not None:
            await self._pump

    # Hooks

    def pause(self) -> None:
        """Let the home's time stand still; questions are answered."""
        self._going.clear()

    def resume(self) -> None:
        """Let the home's time pass again, from where it stood."""
        self._lag()
        self._going.set()

    def drop_connections(self) -> None:
        """Cut every WebSocket without a word, as a power cut does."""
        for client in self._clients:
            client.transport.abort()

    def send_raw(self, text: str | bytes) -> None:
        """Send a frame as it is, to everybody: bare NaN, half a message."""
        for client in self._clients:
            client.put([text.encode() if isinstance(text, str) else text])

    def fire(self, event_type: str, data: Attributes) -> None:
        """Put an event on the home's bus."""
        self.broadcast(self.home.fire(event_type, data))

    def set_state(self, entity_id: str, state: str, attributes: Attributes | None = None) -> None:
        """Set a state, with attributes as a whole."""
        self.broadcast(self.home.set_state(entity_id, state, attributes))

    def remove(self, entity_id: str) -> None:
        """Take an entity out."""
        self.broadcast(self.home.remove(entity_id))

    def call_service(self, domain: str, service: str, data: dict[str, Any]) -> None:
        """Call a service, as somebody in the home does."""
        self.broadcast(self.home.call_service(domain, service, data))

    async def burst(self, events: int, rate: float = math.inf) -> int:
        """Make at least so many events, at most `rate` a second; the home's time leaps ahead. Return how many."""
        loop = asyncio.get_running_loop()
        begin, done = loop.time(), 0
        while done < events:
            allowed = min(events - done, _BATCH)
            if rate != math.inf:
                allowed = min(allowed, int((loop.time() - begin) * rate) - done)
            if allowed > 0:
                done += self._go(self.home.now + _FAR, allowed)
                await self._room()
            await asyncio.sleep(0 if rate == math.inf else 0.002)
        self._lag()
        return done

    # Time

    def _lag(self) -> None:
        """Let the home's time go on from where it is, instead of catching up."""
        self._anchor = (asyncio.get_running_loop().time(), self.home.now)

    def _target(self, wall: float) -> int:
        if self.speed == math.inf:
            return self.home.now + _FAR if any(client.talk.listening for client in self._clients) else self.home.now
        return self._anchor[1] + int((wall - self._anchor[0]) * self.speed * SECOND)

    async def _let_time_pass(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._going.wait()
            wall = loop.time()
            target = self._target(wall)
            allowed = self._allowance(wall)
            if allowed > 0 and target > self.home.now:
                self._go(target, min(_BATCH, allowed))
            behind = self.home.now < target
            if any(client.full for client in self._clients):
                await self._room()
                self._lag()
            elif behind and allowed <= _BATCH:
                self._lag()
                await asyncio.sleep(_TICK_SECONDS)
            else:
                await asyncio.sleep(0 if behind else _TICK_SECONDS)

    def _allowance(self, wall: float) -> int:
        """Return how many events may be made now, so that there are no more than `max_rate` a second."""
        if self.max_rate is None:
            return 1 << 30
        since, left = self._allowed
        left = min(left + (wall - since) * self.max_rate, max(1.0, self.max_rate / 10))
        self._allowed = (wall, left)
        return int(left)

    def _go(self, until: int, events: int) -> int:
        batch = self.home.advance_at_most(until, events)
        self._allowed = (self._allowed[0], self._allowed[1] - len(batch))
        self.broadcast(batch)
        return len(batch)

    async def _room(self) -> None:
        for client in tuple(self._clients):
            await client.room()

    def broadcast(self, batch: list[Fired]) -> None:
        """Send events to all that have subscribed to them."""
        self.sent_events += len(batch)
        for client in self._clients:
            if client.talk.listening:
                client.put(client.talk.frames(batch))

    # Connections

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=64 << 20, timeout=1.0)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        client = _Client(socket, request.transport, Conversation(self.home, self._rules))
        client.always_coalesce = self._options.coalesce
        client.put([client.talk.greeting()])
        self._clients.append(client)
        writing = asyncio.create_task(client.write())
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                answer = client.talk.receive(message.data)
                self.broadcast(answer.fired)
                client.put(answer.messages)
                if answer.close:
                    await client.sent()
                    break
        finally:
            self._clients.remove(client)
            client.gone()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await socket.close()
        return socket
