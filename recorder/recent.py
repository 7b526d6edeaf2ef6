"""Which states were recorded lately: what the history tells again of the time around a gap adds nothing."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import Final

from ..storage.record import STATE_TYPES, Record

__all__ = ["Recent"]

_MOST: Final = 20_000
"""States remembered at least half of. What is forgotten and told again is recorded again, and is no second point."""


class Recent:
    """The last states that were recorded, by entity and time (microseconds UTC)."""

    def __init__(self, most: int = _MOST) -> None:
        self._half = most // 2
        self._newer: dict[int, str] = {}
        self._older: dict[int, str] = {}

    def add(self, entity_id: str, time: int) -> None:
        """Remember a state."""
        self._newer[time] = intern(entity_id)  # one text for all states of an entity
        if len(self._newer) >= self._half:
            self._newer, self._older = {}, self._newer

    def learn(self, records: Iterable[Record]) -> None:
        """Remember the states among records of the log."""
        for record in records:
            if record.event_type in STATE_TYPES and record.entity_id is not None:
                self.add(record.entity_id, record.time)

    def whose(self, time: int) -> str | None:
        """Return the entity whose state of exactly this microsecond was recorded; None if none is remembered.

        Home Assistant gives no two states the same one.
        """
        return self._newer.get(time) or self._older.get(time)

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
