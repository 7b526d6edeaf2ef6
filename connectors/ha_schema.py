"""Which columns a Home Assistant recorder database has, and the questions that follow from them. Pure.

Home Assistant changed its tables many times, and an upgraded database holds old and new forms side by side. So each value
is looked for in all columns that may hold it, whichever of them a database has:

    entity      states_meta.entity_id, else states.entity_id
    attributes  state_attributes.shared_attrs, else states.attributes
    times       last_updated_ts, last_changed_ts, time_fired_ts, start_ts (float seconds), else texts in UTC
    event       event_types.event_type, else events.event_type; event_data.shared_data, else events.event_data
    contexts    context_id_bin and its like (16 bytes), else texts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Columns", "Questions", "REQUIRED", "questions"]

Columns = Mapping[str, frozenset[str]]
"""Table → its columns."""

REQUIRED: Final = "states"
"""A database without this table is none of Home Assistant's recorder."""

_CONTEXT: Final = ("context_id", "context_user_id", "context_parent_id")


@dataclass(frozen=True, slots=True)
class Questions:
    """SQL for one kind of row.

    `order` lists id, float seconds and text of the time, for ids above one; `rows` has {ids} for a list of ids.
    """

    kind: str
    order: str
    rows: str


def questions(columns: Columns) -> list[Questions]:
    """Return what is to be asked for states, events and hourly statistics, as far as the database has them."""
    found = [_states(columns)]
    if "events" in columns:
        found.append(_events(columns))
    if {"statistics", "statistics_meta"} <= columns.keys():
        found.append(_statistics(columns))
    return found


def _column(columns: Columns, table: str, name: str, alias: str) -> str:
    return f"{alias}.{name}" if name in columns.get(table, ()) else "NULL"


def _first(*expressions: str) -> str:
    there = [expression for expression in expressions if expression != "NULL"]
    if not there:
        return "NULL"
    return there[0] if len(there) == 1 else f"COALESCE({', '.join(there)})"


def _contexts(columns: Columns, table: str, alias: str) -> str:
    names = [name for context in _CONTEXT for name in (f"{context}_bin", context)]
    return ", ".join(_column(columns, table, name, alias) for name in names)


def _joined(columns: Columns, table: str, key: str, other: str, alias: str, main: str) -> str:
    """Return a join, where both tables have the key."""
    if key in columns.get(table, ()) and key in columns.get(other, ()):
        return f" LEFT JOIN {other} AS {alias} ON {alias}.{key} = {main}.{key}"
    return ""


def _states(columns: Columns) -> Questions:
    join = _joined(columns, "states", "metadata_id", "states_meta", "m", "s")
    named = _column(columns, "states_meta", "entity_id", "m") if join else "NULL"
    shared = _joined(columns, "states", "attributes_id", "state_attributes", "a", "s")
    attributes = _column(columns, "state_attributes", "shared_attrs", "a") if shared else "NULL"
    times = [
        _column(columns, "states", name, "s")
        for name in ("last_updated_ts", "last_updated", "last_changed_ts", "last_changed")
    ]
    wanted = [
        "s.state_id",
        _first(named, _column(columns, "states", "entity_id", "s")),
        "s.state",
        _first(attributes, _column(columns, "states", "attributes", "s")),
        *times,
        _contexts(columns, "states", "s"),
    ]
    return Questions(
        "state",
        f"SELECT s.state_id, {times[0]}, {times[1]} FROM states AS s WHERE s.state_id > ? ORDER BY s.state_id LIMIT ?",
        f"SELECT {', '.join(wanted)} FROM states AS s{join}{shared} WHERE s.state_id IN ({{ids}})",
    )


def _events(columns: Columns) -> Questions:
    join = _joined(columns, "events", "event_type_id", "event_types", "t", "e")
    named = _column(columns, "event_types", "event_type", "t") if join else "NULL"
    shared = _joined(columns, "events", "data_id", "event_data", "d", "e")
    data = _column(columns, "event_data", "shared_data", "d") if shared else "NULL"
    event_type = _first(named, _column(columns, "events", "event_type", "e"))
    times = [_column(columns, "events", name, "e") for name in ("time_fired_ts", "time_fired")]
    wanted = [
        "e.event_id",
        event_type,
        _first(data, _column(columns, "events", "event_data", "e")),
        _column(columns, "events", "origin_idx", "e"),
        _column(columns, "events", "origin", "e"),
        *times,
        _contexts(columns, "events", "e"),
    ]
    # A state_changed among the events says nothing that the row of its state does not.
    return Questions(
        "event",
        f"SELECT e.event_id, {times[0]}, {times[1]} FROM events AS e{join}"
        f" WHERE e.event_id > ? AND {event_type} IS NOT 'state_changed' ORDER BY e.event_id LIMIT ?",
        f"SELECT {', '.join(wanted)} FROM events AS e{join}{shared} WHERE e.event_id IN ({{ids}})",
    )


def _statistics(columns: Columns) -> Questions:
    meta = ("statistic_id", "source", "unit_of_measurement", "unit_class", "name")
    times = [_column(columns, "statistics", name, "s") for name in ("start_ts", "start")]
    values = ("mean", "min", "max", "last_reset_ts", "last_reset", "state", "sum")
    # The very first form (2021) had the statistic's own name in this column, and no separate key.
    key = "id" if "id" in columns["statistics_meta"] else "statistic_id"
    wanted = [
        "s.id",
        *(_column(columns, "statistics_meta", name, "m") for name in meta),
        *times,
        *(_column(columns, "statistics", name, "s") for name in values),
    ]
    link = "metadata_id" if "metadata_id" in columns["statistics"] else "statistic_id"
    return Questions(
        "statistic",
        f"SELECT s.id, {times[0]}, {times[1]} FROM statistics AS s WHERE s.id > ? ORDER BY s.id LIMIT ?",
        f"SELECT {', '.join(wanted)} FROM statistics AS s"
        f" LEFT JOIN statistics_meta AS m ON m.{key} = s.{link} WHERE s.id IN ({{ids}})",
    )
