"""The contract between a source of events and the recorder: a Connector is a stream, a Poller one fetch after another."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from ..clock import Clock
from ..errors import Kind, SourceError, SourceIncomplete
from ..settings import HomeAssistantSettings, HttpUrl
from ..storage.record import Event
from .exchange import Answer, Request, failure_of, record_text

__all__ = [
    "Around",
    "Asking",
    "Connector",
    "ConnectorSettings",
    "Listener",
    "Missing",
    "Names",
    "PROVIDER",
    "Poller",
    "PollerSettings",
]

_OF_THE_WHOLE_SERVICE: Final = (0, 401, 429, 502, 503, 504)


class Listener(Protocol):
    """Where a connector hands in what it hears. No method blocks, none raises."""

    def take(self, event: Event) -> None:
        """Take an event for recording. It is durable a group interval later at the latest."""

    def connected(self, **facts: object) -> None:
        """From now on everything is heard; `facts` go into the record."""

    def introduce(self, description: str) -> None:
        """Say in a few words who it is that is heard: what a person reads behind "connected to"."""

    def warn(self, sentence: str) -> None:
        """Something that a person should know; said once, however often it is found."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a connector may know of the recorder around it.

    `home_config` returns Home Assistant's configuration (what get_config answered) as it was last recorded, of this run
    or an earlier one; empty if it never was.
    """

    clock: Clock
    home_assistant: HomeAssistantSettings
    home_config: Callable[[], Mapping[str, Any]]


class ConnectorSettings(BaseModel):
    """What a connector takes from the section of homeiq.yaml that has its name; further keys are the normalizer's."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _names(value: Any) -> Any:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = BeforeValidator(_names)
"""Takes one name, or several with commas between them, as a variable has them: Annotated[tuple[str, ...], Names]."""


class Connector(ABC):
    """A stream of raw events from one kind of source. It brings them in; what they mean is not its business.

    One that comes by entry point is made as `cls(cls.settings_model.model_validate(section), around)`.
    """

    name: str
    """The `source` of its records."""

    title: str
    """What a person calls the source."""

    settings_model: ClassVar[type[ConnectorSettings]] = ConnectorSettings

    @abstractmethod
    async def listen(self, listener: Listener) -> None:
        """Connect, and hand in what is heard until the connection ends.

        Never returns: it ends by a SourceError, which says whether it is worth trying again soon (kind retry) or
        whether a person must do something first (operator), or by cancellation. May be called again and again.
        Between two awaits it must not block for longer than a frame takes to parse.
        """

    def ask_again(self) -> None:
        """Something that was heard had to be dropped, and there is room again: ask anew for what can be asked for.

        Must neither block nor raise. A source that cannot be asked for anything has nothing to do.
        """
        return

    def silent_seconds(self) -> float:
        """Return for how long nothing was heard on the present, or the last, connection although it had to be.

        A source that closed the connection in order was heard until then: 0. Where it just fell silent, a gap began
        when it was heard last, not when that was noticed.
        """
        return 0.0


PROVIDER: Final = "whom to ask; nobody is asked before it is named"
"""What a provider is, for those that say which there are."""


class PollerSettings(ConnectorSettings):
    """What each poller has. Before `provider` is named, nobody is asked."""

    provider: str | None = Field(default=None, description=PROVIDER)
    url: HttpUrl = Field(default="", description="another address of the provider's service, such as a proxy of yours")


@dataclass(frozen=True, slots=True)
class Missing:
    """Why nobody can be asked yet: a sentence that names the setting. `awaited`: it will probably come by itself."""

    sentence: str
    awaited: bool = False


S = TypeVar("S", bound=PollerSettings)


class Poller(ABC, Generic[S]):
    """Asks a service, again and again. Each answer, of whatever status, is a record; what it means is not its business.

    The schedule (recorder/schedule.py) decides when: never twice at a time, and later after a failure. A poller keeps no
    clock or retry of its own. Its constructor asks nobody and opens nothing.
    """

    name: ClassVar[str]
    """The `source` of its records: the name of its module, its section and its normalizer."""

    settings_model: ClassVar[type[PollerSettings]] = PollerSettings

    required: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Which settings each provider needs."""

    not_polled: ClassVar[tuple[str, ...]] = ()
    """Providers whose data the normalizer finds in the log already: nobody is asked."""

    def __init__(self, settings: S, around: Around) -> None:
        self.settings = settings
        self.around = around

    @property
    def provider(self) -> str:
        """The `provider` of its records."""
        return self.settings.provider or ""

    @property
    def title(self) -> str:
        """What a person calls the source."""
        return f"{self.name} ({self.provider})" if self.provider else self.name

    @property
    @abstractmethod
    def interval(self) -> float:
        """Seconds between two polls."""

    def missing(self) -> Missing | None:
        """Return what must be set, or known, before anybody can be asked. Asked before each poll; must be quick."""
        provider = self.settings.provider
        if provider is None:
            names = " or ".join(self.providers()) or "a name"
            return self.set_first("provider", f"to {names}; nobody is asked before")
        for key in self.required.get(provider, ()):
            value = getattr(self.settings, key)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                return self.set_first(key)
        return None

    def set_first(self, key: str, why: str = "") -> Missing:
        """Say that a setting is missing, and how it is set."""
        variable = f"HOMEIQ_{self.name}__{key}".upper()
        said = f"{self.name} is not configured: set {self.name}.{key} in homeiq.yaml, or {variable}"
        return Missing(f"{said}, {why}" if why else said)

    @classmethod
    def providers(cls) -> tuple[str, ...]:
        """Return the providers that there are, for messages: those that the type of `provider` names."""
        return _literals(cls.settings_model.model_fields["provider"].annotation)

    def access_hint(self) -> str:
        """What to do when the service refuses access."""
        needed = self.required.get(self.provider, ())
        given = [key for key, value in self.settings if isinstance(value, SecretStr) and value.get_secret_value()]
        keys = [f"{self.name}.{key}" for key in dict.fromkeys((*needed, *given))]
        return f"check {' and '.join(keys)}" if keys else ""

    def requests(self) -> Sequence[Request]:
        """Return what is asked in one poll, the most important first. For those that need no answer to go on."""
        raise NotImplementedError

    async def poll(self, ask: Asking) -> None:
        """Ask once, by `ask`, which records each answer.

        Raises SourceError, which tells when it is worth trying again; see the tree in errors.py. Cancelled, it must
        end at once. May be called again after any end.
        """
        await ask.each(self.requests())


class Asking:
    """How a poller asks: each answer becomes a record, with whatever status, before the poller sees it."""

    def __init__(
        self,
        poller: Poller[Any],
        send: Callable[[Request], Awaitable[Answer]],
        take: Callable[[Event], None],
    ) -> None:
        """`send` raises SourceError where no answer came (HttpClient.send); `take` is as Listener.take."""
        self._poller = poller
        self._send = send
        self._take = take

    async def __call__(self, request: Request, entity_id: str | None = None) -> Answer:
        """Ask, record, and return the answer if its status says that it is one; raises SourceError."""
        answer = await self.unrecorded(request)
        self.record(request, answer, entity_id)
        return self.checked(answer)

    async def unrecorded(self, request: Request) -> Answer:
        """Ask without recording; for an answer that is a secret itself, or needed only to ask on. Raises SourceError."""
        return await self._send(request)

    def record(self, request: Request, answer: Answer, entity_id: str | None = None) -> None:
        """Record an answer: the record's time is the moment of the request."""
        raw = record_text(self._poller.provider or self._poller.name, request, answer)
        self._take(Event(answer.sent_at, answer.received_at, self._poller.name, "live", "polled", entity_id, None, raw))

    def checked(self, answer: Answer) -> Answer:
        """Return the answer if its status says that it is one; raises SourceError."""
        failure = self._failure(answer)
        if failure is not None:
            raise failure
        return answer

    async def each(self, requests: Iterable[Request | tuple[Request, str]], *, together: bool = False) -> None:
        """Ask several things, one after the other or (of different hosts) all at once; a pair is (request, entity_id).

        One after the other, what concerns the whole service (no answer, 401, 429, 502 to 504) ends it at once. Raises
        SourceIncomplete where some answers came and some did not, else the first SourceError.
        """
        pairs = [one if isinstance(one, tuple) else (one, None) for one in requests]
        if together:
            results = await asyncio.gather(*(self._tried(*pair) for pair in pairs))
        else:
            results = []
            for pair in pairs:
                results.append(await self._tried(*pair))
                failure, status = results[-1]
                if failure is not None and status in _OF_THE_WHOLE_SERVICE:
                    raise failure
        failures = [failure for failure, _ in results if failure is not None]
        if failures and len(failures) < len(pairs):
            raise SourceIncomplete(str(failures[0]), place=failures[0].place)
        if failures:
            # Where time may mend one of them, it is worth trying again soon.
            raise next((one for one in failures if one.kind is Kind.RETRY), failures[0])

    async def _tried(self, request: Request, entity_id: str | None) -> tuple[SourceError | None, int]:
        """Ask and record; return what went wrong, if anything, and the status: 0 where no answer came."""
        try:
            answer = await self.unrecorded(request)
        except SourceError as error:
            return error, 0
        self.record(request, answer, entity_id)
        return self._failure(answer), answer.status

    def _failure(self, answer: Answer) -> SourceError | None:
        return failure_of(answer, self._poller.provider or self._poller.name, self._poller.access_hint())


def _literals(annotation: Any) -> tuple[str, ...]:
    """Return the texts in a type such as `Literal["a", "b"] | None`."""
    found: list[str] = []
    for part in getattr(annotation, "__args__", ()):
        found += [part] if isinstance(part, str) else _literals(part)
    return tuple(found)
