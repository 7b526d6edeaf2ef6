"""The simulated home's memory, asked as Home Assistant's own history is: history/history_during_period. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

from ...clock import DAY, SECOND
from .state import Attributes, State

__all__ = ["History", "Period", "Row"]

_ROWS: Final = 100_000
_AGE: Final = 2 * DAY
_SIGNIFICANT_DOMAINS: Final = frozenset(("climate", "device_tracker", "humidifier", "thermostat", "water_heater"))
_NEED_ATTRIBUTES: Final = frozenset(("climate", "humidifier", "input_datetime", "thermostat", "water_heater"))
_UNRECORDED: Final = frozenset(("attribution", "restored", "supported_features"))
_UNRECORDED_BY_DOMAIN: Final = {
    "calendar": frozenset(("description",)),
    "climate": frozenset(("hvac_modes", "min_temp", "max_temp", "preset_modes", "target_temp_step")),
    "fan": frozenset(("preset_modes",)),
    "input_select": frozenset(("editable", "options")),
    "input_boolean": frozenset(("editable",)),
    "input_number": frozenset(("editable", "max", "min", "mode", "step")),
    "light": frozenset(("supported_color_modes", "effect_list", "min_color_temp_kelvin", "max_color_temp_kelvin")),
    "media_player": frozenset(("source_list", "media_position", "media_position_updated_at", "entity_picture")),
    "number": frozenset(("max", "min", "mode", "step")),
    "person": frozenset(("device_trackers",)),
    "sensor": frozenset(("options",)),
    "sun": frozenset(
        ("azimuth", "elevation", "next_dawn", "next_dusk", "next_midnight", "next_noon", "next_rising", "next_setting")
    ),
    "update": frozenset(("entity_picture", "in_progress", "release_summary", "update_percentage")),
    "vacuum": frozenset(("fan_speed_list",)),
}


class Row(NamedTuple):
    """One row of the states table; a removal has neither state nor attributes."""

    last_updated: int
    last_changed: int
    state: str | None
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Period:
    """What is asked for: rows after `start`, before `end`."""

    entity_ids: tuple[str, ...]
    start: int
    end: int
    include_start_time_state: bool = True
    significant_changes_only: bool = True
    minimal_response: bool = False
    no_attributes: bool = False


class History:
    """The rows of the last two days, and of each entity the last one before; more than 100,000 are never kept."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[Row]] = {}
        self._before: dict[str, Row] = {}
        self._order: deque[str] = deque()

    def add(self, entity_id: str, time: int, state: State | None) -> None:
        """Remember a state, or with None a removal."""
        rows = self._rows.get(entity_id)
        if rows is None:
            rows = self._rows[entity_id] = deque()
        if state is None:
            rows.append(Row(time, time, None, {}))
        else:
            rows.append(Row(time, state.last_changed, state.state, state.attributes))
        self._order.append(entity_id)
        while len(self._order) > _ROWS or self._rows[self._order[0]][0].last_updated < time - _AGE:
            oldest = self._order.popleft()
            self._before[oldest] = self._rows[oldest].popleft()

    def __len__(self) -> int:
        return len(self._order)

    def during(self, period: Period) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of the asked entities as Home Assistant gives them; entities without any are left out."""
        answer = {entity_id: self._entity(entity_id, period) for entity_id in period.entity_ids}
        return {entity_id: rows for entity_id, rows in answer.items() if rows}

    def _entity(self, entity_id: str, period: Period) -> list[dict[str, Any]]:
        domain = entity_id.partition(".")[0]
        changes_only = period.significant_changes_only and domain not in _SIGNIFICANT_DOMAINS
        rows: Iterator[Row] = self._between(entity_id, period, changes_only)
        if period.include_start_time_state and (first := self._start(entity_id, period.start)) is not None:
            rows = chain([first], rows)
        if not period.minimal_response or domain in _NEED_ATTRIBUTES:
            return [_compressed(row, domain, period.no_attributes) for row in rows]
        answer: list[dict[str, Any]] = []
        previous: str | None = None
        for row in rows:
            if not answer:
                answer.append(_compressed(row, domain, period.no_attributes))
            elif row.state != previous:
                answer.append({"s": row.state, "lu": row.last_updated / SECOND})
            previous = row.state
        return answer

    def _between(self, entity_id: str, period: Period, changes_only: bool) -> Iterator[Row]:
        for row in self._rows.get(entity_id, ()):
            inside = period.start < row.last_updated < period.end
            if inside and (not changes_only or row.last_changed == row.last_updated):
                yield row

    def _start(self, entity_id: str, start: int) -> Row | None:
        """Return the row that Home Assistant makes up: the state of before, as if it had been set at `start`."""
        found = self._before.get(entity_id)
        for row in self._rows.get(entity_id, ()):
            if row.last_updated >= start:
                break
            found = row
        return found and Row(start, start, found.state, found.attributes)


def _compressed(row: Row, domain: str, no_attributes: bool) -> dict[str, Any]:
    compressed: dict[str, Any] = {"s": row.state}
    if not no_attributes:
        dropped = _UNRECORDED_BY_DOMAIN.get(domain, _UNRECORDED)
        compressed["a"] = {
            name: value for name, value in row.attributes.items() if name not in dropped and name not in _UNRECORDED
        }
    compressed["lu"] = row.last_updated / SECOND
    if row.last_changed != row.last_updated:
        compressed["lc"] = row.last_changed / SECOND
    return compressed
