"""The socket around the protocol: connects, reads, asks for snapshots and pings. Understands nothing."""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from ...clock import SECOND, Clock, SystemClock, to_iso
from ...errors import CommandRefused, NotHomeAssistant, SourceError, SourceUnreachable
from ...settings import HomeAssistantSettings
from ...storage.record import Event, Origin
from ..base import Connector, Listener
from ..historian import Historian
from .history import COMMAND, LOGBOOK, STATES, STATISTICS, Chunk, named, question, row_events
from .protocol import SOURCE, Action, Answered, FetchLater, HomeAssistantProtocol, Send, SnapshotTaken, Subscribed

__all__ = ["HomeAssistantConnector"]

_LARGEST_FRAME = 64 << 20
_FRAMES_WAITING = 1024
_SNAPSHOT_SECONDS = 60.0
_PING_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_CLOSE_SECONDS = 2.0
_AT_ONCE = 200
_BEFORE = 60 * SECOND

_log = logging.getLogger(__name__)


class HomeAssistantConnector(Connector, Historian):
    """Hears every event of one Home Assistant, takes snapshots of its states and registries, and asks for its history."""

    name = SOURCE
    title = "Home Assistant"

    def __init__(
        self,
        settings: HomeAssistantSettings,
        clock: Clock | None = None,
        *,
        ping_seconds: float = _PING_SECONDS,
        answer_seconds: float = _ANSWER_SECONDS,
        snapshot_seconds: float = _SNAPSHOT_SECONDS,
    ) -> None:
        """Ask for a sign of life each `ping_seconds`, and wait `answer_seconds` for any other answer.

        Take no more than one snapshot in `snapshot_seconds`.
        """
        self._settings = settings
        self._clock = clock or SystemClock()
        self.ping_seconds = ping_seconds
        self.answer_seconds = answer_seconds
        self._snapshot_at: float | None = None
        self._heard_at: float | None = None
        self._snapshot_seconds = snapshot_seconds
        self._session: _Session | None = None

    def settled_at(self) -> float | None:
        """See Historian.settled_at; a snapshot that is not answered in full is not waited for for ever."""
        session = self._session
        if session is None or session.since is None:
            return None
        late = self._clock.monotonic() - session.since > self._snapshot_seconds * 2
        return session.since if session.snapshot_taken or late else None

    async def entities(self) -> set[str]:
        """See Historian.entities; a snapshot is taken where everything is heard."""
        found = await self._named(STATISTICS)
        if self._session is not None and not self._session.protocol.listens:
            found |= await self._named(STATES)
        return found

    async def mentioned(self, start: int, end: int) -> set[str]:
        """See Historian.mentioned."""
        return await self._named(LOGBOOK, start_time=to_iso(start), end_time=to_iso(end))

    async def _named(self, command: str, **arguments: object) -> set[str]:
        """Return the entities that an answer names; none where this Home Assistant does not offer the question."""
        found: set[str] = set()
        try:
            for number, name in enumerate(named(await self.ask(command, **arguments))):
                found.add(name)
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)  # others have their turn: what is heard comes first
        except (CommandRefused, ValueError):
            return set()
        return found

    async def history(self, entity_ids: Sequence[str], start: int, end: int) -> Iterator[Event]:
        """See Historian.history."""
        raw = await self.ask(COMMAND, **question(entity_ids, start, end))
        simulated = self._session is not None and self._session.protocol.origin == "simulated"
        origin: Origin = "simulated" if simulated else "backfill"
        return row_events(raw, Chunk(tuple(entity_ids), start, end), self._clock.now(), origin)

    async def reaches(self, entity_ids: Sequence[str], time: int) -> bool:
        """See Historian.reaches."""
        # A minute before, Home Assistant may just have begun: then there is a row of its start at the latest.
        asked = question(entity_ids, time - _BEFORE, time, start_state=True)
        return (await self.ask(COMMAND, **asked)).strip() not in ("{}", "[]")

    async def ask(self, command: str, **arguments: object) -> str:
        """Return the text of an answer. Raises SourceUnreachable, CommandRefused."""
        if self._session is None or self._session.since is None:
            raise SourceUnreachable("Home Assistant is not connected", place=self._settings.url)
        return await self._session.ask(command, arguments)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Historian]:
        """Connect only to ask: nothing is subscribed to, and nothing is heard. Raises SourceError, also when it ends."""
        socket = await self._connect(self._settings.url)
        protocol = HomeAssistantProtocol(self._settings.token.get_secret_value(), listens=False)
        talking = asyncio.create_task(self._converse(socket, _Deaf(), protocol))
        try:
            await self._until_asked_in(talking)
            yield self
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            await socket.close()

    async def _until_asked_in(self, talking: asyncio.Task[None]) -> None:
        """Wait until questions are answered. Raises SourceError."""
        while self._session is None or self._session.since is None:
            await asyncio.wait({talking}, timeout=_LOOK_SECONDS)
            if talking.done():
                with suppress(ConnectionClosed, TimeoutError):
                    await talking
                raise SourceUnreachable("the connection to Home Assistant ended", place=self._settings.url)

    def silent_seconds(self) -> float:
        """Return the seconds since a frame came, where the connection did not end in order; see Connector."""
        return 0.0 if self._heard_at is None else max(0.0, self._clock.monotonic() - self._heard_at)

    async def listen(self, listener: Listener) -> None:
        """Hear one connection out; see Connector.listen. Raises SourceUnreachable, TokenRefused, NotHomeAssistant."""
        url = self._settings.url
        socket = await self._connect(url)
        try:
            await self._converse(socket, listener, HomeAssistantProtocol(self._settings.token.get_secret_value()))
        except ConnectionClosed as error:
            sentence = f"the connection to Home Assistant ended ({_reason(error)})"
            if error.rcvd is not None and error.rcvd_then_sent is not False:
                self._heard_at = None  # it said good-bye: all that it had said before was heard
                why = "source_closed"
            else:
                why = "connection_lost" if error.sent is None else "no_answer"
            raise SourceUnreachable(sentence, place=url, gap_reason=why) from None
        except TimeoutError:
            sentence = "Home Assistant does not answer any more"
            raise SourceUnreachable(sentence, place=url, gap_reason="no_answer") from None
        finally:
            await socket.close()

    def ask_again(self) -> None:
        """Take a snapshot once more, as soon as one may be taken; see Connector."""
        if self._session is not None:
            self._session.snapshot_wanted.set()

    def snapshot_wait(self) -> float:
        """Return the seconds until a snapshot may be taken: at most one a minute, however often the connection drops."""
        if self._snapshot_at is None:
            return 0.0
        return max(0.0, self._snapshot_at + self._snapshot_seconds - self._clock.monotonic())

    def monotonic(self) -> float:
        """Return the second of the monotonic clock."""
        return self._clock.monotonic()

    def now(self) -> int:
        """Return the time in microseconds UTC."""
        return self._clock.now()

    def snapshot_begins(self) -> None:
        """Remember when the last snapshot was asked for."""
        self._snapshot_at = self._clock.monotonic()

    async def _connect(self, url: str) -> ClientConnection:
        address = url.replace("http", "ws", 1) + "/api/websocket"
        hint = f"check home_assistant.url ({url}), or HOME_ASSISTANT_URL"
        try:
            return await connect(
                address,
                compression=None,
                max_size=_LARGEST_FRAME,
                max_queue=_FRAMES_WAITING,
                close_timeout=_CLOSE_SECONDS,
                user_agent_header="homeiq",
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
                raise SourceUnreachable(
                    f"Home Assistant is not there yet (HTTP {status})", place=url, gap_reason="connection_refused"
                ) from None
            raise NotHomeAssistant(f"{url} is not Home Assistant (HTTP {status})", hint=hint, place=url) from None
        except (InvalidHandshake, InvalidURI, ValueError) as error:
            if isinstance(error.__cause__, OSError | EOFError):
                raise SourceUnreachable(
                    f"{url} ended the connection before it answered", place=url, gap_reason="connection_lost"
                ) from None
            raise NotHomeAssistant(f"{url} is not Home Assistant ({error})", hint=hint, place=url) from None
        except ssl.SSLError as error:
            raise SourceUnreachable(f"{url} has no valid certificate ({error.reason})", hint=hint, place=url) from None
        except TimeoutError:
            raise SourceUnreachable(
                f"Home Assistant at {url} does not answer", hint=hint, place=url, gap_reason="no_answer"
            ) from None
        except (OSError, EOFError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            why = "connection_refused" if _is_refusal(error) else "unreachable"
            raise SourceUnreachable(
                f"Home Assistant at {url} cannot be reached ({reason.lower()})", hint=hint, place=url, gap_reason=why
            ) from None

    async def _converse(self, socket: ClientConnection, listener: Listener, protocol: HomeAssistantProtocol) -> None:
        """Read until the connection ends: take, append, and nothing else."""
        session = self._session = _Session(self, socket, protocol, listener)
        receive: Callable[[bytes, int], list[Action]] = protocol.receive
        now, monotonic, take = self._clock.now, self._clock.monotonic, listener.take
        self._heard_at = monotonic()
        try:
            async with asyncio.timeout(self.answer_seconds) as session.patience:
                while True:
                    frame = await socket.recv(decode=False)
                    session.heard = True
                    self._heard_at = monotonic()
                    for action in receive(frame, now()):
                        if type(action) is Event:
                            take(action)
                        else:
                            await session.act(action)
        finally:
            self._session = None
            await session.end()


class _Deaf:
    """Stands for a listener where nothing is to be heard; see Listener."""

    def take(self, event: Event) -> None:
        """Forget it."""

    def connected(self, **facts: object) -> None:
        """Say nothing."""

    def introduce(self, description: str) -> None:
        """Say nothing."""

    def warn(self, sentence: str) -> None:
        """Say it all the same."""
        _log.warning("%s", sentence)


class _Session:
    """What goes on beside the reading of one connection."""

    def __init__(
        self,
        connector: HomeAssistantConnector,
        socket: ClientConnection,
        protocol: HomeAssistantProtocol,
        listener: Listener,
    ) -> None:
        self.heard = False
        self.patience = asyncio.timeout(None)
        """How long everything may take until all events are heard; from then on a ping tells."""
        self.since: float | None = None
        self.snapshot_taken = False
        self.snapshot_wanted = asyncio.Event()
        self.protocol = protocol
        self._connector = connector
        self._socket = socket
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._listener = listener
        self._introduced = False
        self._later: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def act(self, action: Action) -> None:
        match action:
            case Send(text):
                await self._socket.send(text)
            case Subscribed(version, event_types):
                self.patience.reschedule(None)
                self.since = self._connector.monotonic()
                self._tasks.append(asyncio.create_task(self._ping()))
                if not self.protocol.listens:
                    return
                facts: dict[str, object] = {"event_types": event_types} if event_types else {}
                self._listener.connected(version=version, **facts)
                self._introduced = self._connector.snapshot_wait() > 0
                if self._introduced:
                    self._listener.introduce(version)
                self._tasks.append(asyncio.create_task(self._snapshot_when_due()))
                self._tasks.append(asyncio.create_task(self._fetch_later()))
            case Answered(number, raw, code):
                self._answered(number, raw, code)
            case SnapshotTaken(entities):
                self.snapshot_taken = True
                if not self._introduced:
                    self._introduced = True
                    self._listener.introduce(f"{self.protocol.version}, {entities} entities")
            case FetchLater(command, seconds):
                self._later.put_nowait((asyncio.get_running_loop().time() + seconds, command))
            case Event():
                self._listener.take(action)
            case _:
                self._listener.warn(getattr(action, "sentence", str(action)))

    async def ask(self, command: str, arguments: dict[str, object]) -> str:
        """Return the text of an answer. Raises SourceUnreachable, CommandRefused."""
        number, send = self.protocol.ask(command, **arguments)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._connector.answer_seconds):
                await self._socket.send(send.text)
                text: str = await future
                return text
        except TimeoutError:
            raise SourceUnreachable(f"Home Assistant does not answer {command}", gap_reason="no_answer") from None
        except ConnectionClosed:
            raise SourceUnreachable("the connection to Home Assistant ended", gap_reason="connection_lost") from None
        finally:
            del self._answers[number]
            if not future.cancel() and not future.cancelled():
                future.exception()  # it may have ended while the question was being sent; that is said already

    def _answered(self, number: int, raw: str | None, code: str) -> None:
        future = self._answers.get(number)
        if future is None or future.done():
            return  # whoever asked waits no longer
        if raw is None:
            future.set_exception(CommandRefused(f"Home Assistant refuses a question ({code})", code=code))
        else:
            future.set_result(raw)

    async def end(self) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(SourceUnreachable("the connection to Home Assistant ended"))
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed | SourceError):
                _log.error("an error beside the reading of Home Assistant", exc_info=result)

    async def _snapshot_when_due(self) -> None:
        """Take a snapshot, and another when it is wanted; at most one a minute however often the connection drops."""
        while True:
            await asyncio.sleep(self._connector.snapshot_wait())
            self.snapshot_wanted.clear()
            self._connector.snapshot_begins()
            for action in self.protocol.snapshot():
                await self.act(action)
            await asyncio.sleep(self._connector.answer_seconds)
            for action in self.protocol.snapshot_overdue():
                await self.act(action)
            await self.snapshot_wanted.wait()

    async def _fetch_later(self) -> None:
        """Ask again for registries that changed shortly after they had been asked for; one a time is enough."""
        while True:
            due, command = await self._later.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            for action in self.protocol.fetch(command, self._connector.now()):
                await self.act(action)

    async def _ping(self) -> None:
        """End the connection when Home Assistant is silent for a whole interval although it was asked."""
        while True:
            self.heard = False
            await self._socket.send(self.protocol.ping().text)
            await asyncio.sleep(self._connector.ping_seconds)
            if not self.heard:
                await self._socket.close(1000, "no answer to ping")


def _is_refusal(error: BaseException) -> bool:
    """Tell whether nobody listens there; of a name with several addresses asyncio gives the errors as one text."""
    return isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error)


def _reason(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        return f"closed by Home Assistant, {error.rcvd.code} {error.rcvd.reason}".strip()
    if error.sent is not None:
        return error.sent.reason or "closed"
    return "connection lost"
