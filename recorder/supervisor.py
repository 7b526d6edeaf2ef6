"""One task for each source: connects it, again for ever, and records when it was listened to and when not."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from ..clock import Clock, full_jitter
from ..connectors.base import Connector
from ..errors import HomeiqError, Kind, SourceError
from ..storage.gaps import GapReason
from ..storage.record import Event
from .connection import Connection
from .intake import Intake

__all__ = ["SourceState", "Supervisor"]

_log = logging.getLogger(__name__)

_CAP_SECONDS = 60.0
_OPERATOR_SECONDS = (30.0, 300.0)
_STABLE_SECONDS = 60.0


@dataclass
class SourceState:
    """What is known of a source now. Times are microseconds UTC."""

    name: str
    connected: bool = False
    since: int | None = None
    description: str = ""
    reason: str = "not connected yet"
    last_event: int | None = None
    events: int = 0
    warnings: list[str] = field(default_factory=list)


class Supervisor:
    """Listens to one source. A failure of the source never goes further than this."""

    def __init__(
        self,
        connector: Connector,
        intake: Intake,
        clock: Clock,
        connection: Connection | None = None,
    ) -> None:
        self.state = SourceState(connector.name)
        self._connector = connector
        self._intake = intake
        self._clock = clock
        self._warned: set[str] = set()
        self._connection = connection or Connection(connector.name, intake, clock)
        self._connected_at: float | None = None

    async def run(self) -> None:
        """Listen for ever; ends by cancellation only."""
        attempt = 0
        try:
            while True:
                why = GapReason.SOURCE_CLOSED
                try:
                    await self._connector.listen(self)
                    reason, kind = "the connection ended", Kind.RETRY
                except HomeiqError as error:
                    reason, kind = str(error), error.kind
                    why = GapReason(error.gap_reason) if isinstance(error, SourceError) else GapReason.HOMEIQ_ERROR
                except Exception as error:
                    _log.exception("%s: an error in homeiq itself; listening is tried again", self._connector.title)
                    reason, kind, why = f"an error in homeiq: {error!r}", Kind.RETRY, GapReason.HOMEIQ_ERROR
                if self._connected_at is not None and self._clock.monotonic() - self._connected_at > _STABLE_SECONDS:
                    attempt = 0
                self._disconnected(why, reason, self._connector.silent_seconds())
                await asyncio.sleep(_delay(attempt, kind))
                attempt += 1
        finally:
            if self.state.connected:
                self._disconnected(GapReason.RECORDER_STOPPED, "the recorder stops", say=False)

    def silent_seconds(self) -> float:
        """Return for how long the source has not been heard although it is connected; 0 if it was when last asked."""
        return self._connector.silent_seconds() if self.state.connected else 0.0

    def ask_again(self) -> None:
        """Have the source ask anew for what it can: some of it had to be dropped; see Connector.ask_again."""
        self._connector.ask_again()

    def take(self, event: Event) -> None:
        """Hand an event on; see Listener.take."""
        self.state.events += 1
        self.state.last_event = event.received_at
        self._intake.take(event)

    def connected(self, **facts: object) -> None:
        """Record that from now on everything is heard; see Listener.connected."""
        state = self.state
        state.connected, state.since, state.reason = True, self._clock.now(), ""
        self._connected_at = self._clock.monotonic()
        state.warnings.clear()  # what is still true is found again
        self._connection.connected(**facts)

    def introduce(self, description: str) -> None:
        """Say to whom we are connected; see Listener.introduce."""
        self.state.description = description
        _log.info("connected to %s %s", self._connector.title, description)

    def warn(self, sentence: str) -> None:
        """Say a thing once; see Listener.warn."""
        if sentence not in self.state.warnings:
            self.state.warnings.append(sentence)
        if sentence not in self._warned:
            self._warned.add(sentence)
            _log.warning("%s", sentence)

    def _disconnected(self, why: GapReason, reason: str, silent_seconds: float = 0.0, *, say: bool = True) -> None:
        """Say and record a change: not connected any more, or for another reason than before."""
        if not self._connection.lost(why, reason, silent_seconds):
            return
        state = self.state
        state.connected, state.reason = False, reason
        state.since = self._clock.now()
        self._connected_at = None
        if say:
            _log.warning("not connected to %s: %s", self._connector.title, reason)


def _delay(attempt: int, kind: Kind) -> float:
    """Return the seconds until the next try: soon where time may mend it, slowly where a person must."""
    if kind is Kind.OPERATOR:
        low, high = _OPERATOR_SECONDS
        return low + full_jitter(attempt, base=low, cap=high - low)
    return full_jitter(attempt, base=1.0, cap=_CAP_SECONDS)
