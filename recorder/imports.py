"""The recorder's part in `homeiq import`: events that a command hands in on the control socket become durable.

{"do": "append", "events": [[time, source, origin, event_type, entity_id, state, raw], …]}
{"first": 1, "last": 500}        all of them are durable, in this order
{"busy": "…", "retry_after": 5}  none of them is recorded
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..clock import Clock
from ..errors import UsageError
from ..storage.record import ORIGINS, Event
from .control import Answer
from .intake import Busy, Intake, TooLarge

__all__ = ["Imports", "columns_of"]


def columns_of(event: Event) -> list[Any]:
    """Return an event as it is handed in."""
    return [event.time, event.source, event.origin, event.event_type, event.entity_id, event.state, event.raw]


class Imports:
    """Takes what is handed in as a caller that waits: never more at once than the buffer has room for."""

    def __init__(self, intake: Intake, clock: Clock) -> None:
        self._intake = intake
        self._clock = clock

    def answers(self) -> dict[str, Answer]:
        """Return what is answered to which request on the control socket."""
        return {"append": self._append}

    async def _append(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        now = self._clock.now()
        events = [_event(columns, now) for columns in request.get("events", ())]
        if not events:
            raise UsageError("there are no events to append")
        if self._intake.pressure > 0.5:
            return {"busy": "the disk does not keep up", "retry_after": 1}
        try:
            first, last = await self._intake.take_group(events)
        except Busy as error:
            return {"busy": str(error), "retry_after": error.retry_after}
        except TooLarge as error:
            raise UsageError(str(error)) from None
        return {"first": first, "last": last}


def _event(columns: Sequence[Any], now: int) -> Event:
    match columns:
        case [int(time), str(source), origin, str(event_type), str() | None as entity, str() | None as state, str(raw)]:
            if origin in ORIGINS:
                return Event(time, now, source, origin, event_type, entity, state, raw)
    raise UsageError("an event must be a list of time, source, origin, event_type, entity_id, state and raw")
