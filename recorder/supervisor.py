"""One task for each source: connects it, again for ever, and records when it was listened to and when not."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock, full_jitter
from ..connectors.base import Connector
from ..errors import HomeiqError, Kind
from ..storage.record import Event, housekeeping_event
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

    def __init__(self, connector: Connector, intake: Intake, clock: Clock) -> None:
        self.state = SourceState(connector.name)
        self._connector = connector
        self._intake = intake
        self._clock = clock
        self._said = ""
        self._warned: set[str] = set()
        self._connected_at: float | None = None

    async def run(self) -> None:
        """Listen for ever; ends by cancellation only."""
        attempt = 0
        try:
            while True:
                try:
                    await self._connector.listen(self)
                    reason, kind = "the connection ended", Kind.RETRY
                except HomeiqError as error:
                    reason, kind = str(error), error.kind
                except Exception as error:
                    _log.exception("%s: an error in homeiq itself; listening is tried again", self._connector.title)
                    reason, kind = f"an error in homeiq: {error!r}", Kind.RETRY
                if self._connected_at is not None and self._clock.monotonic() - self._connected_at > _STABLE_SECONDS:
                    attempt = 0
                self._disconnected(reason)
                await asyncio.sleep(_delay(attempt, kind))
                attempt += 1
        finally:
            if self.state.connected:
                self._disconnected("the recorder stops", say=False)

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
        self._said = ""
        state.warnings.clear()  # what is still true is found again
        self._record("connected", **facts)

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

    def _disconnected(self, reason: str, *, say: bool = True) -> None:
        """Say and record a change: not connected any more, or for another reason than before."""
        state = self.state
        if not state.connected and reason == self._said:
            return
        state.connected, state.reason = False, reason
        state.since = self._clock.now()
        self._connected_at = None
        self._said = reason
        if say:
            _log.warning("not connected to %s: %s", self._connector.title, reason)
        self._record("disconnected", reason=reason)

    def _record(self, what: str, **facts: Any) -> None:
        self._intake.take(housekeeping_event(self._clock.now(), self._connector.name, what, **facts))


def _delay(attempt: int, kind: Kind) -> float:
    """Return the seconds until the next try: soon where time may mend it, slowly where a person must."""
    if kind is Kind.OPERATOR:
        low, high = _OPERATOR_SECONDS
        return low + full_jitter(attempt, base=low, cap=high - low)
    return full_jitter(attempt, base=1.0, cap=_CAP_SECONDS)
