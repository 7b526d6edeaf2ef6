"""InfluxQL: statements, and the answers to them as points. Pure.

Reference: https://docs.influxdata.com/influxdb/v1/query_language/spec/. InfluxDB 1.8 and 2.x answer to it by `/query`, one
line of JSON for each chunk. Between quotes only a quote, a backslash and a line feed are escaped; a carriage return and a
null cannot be named at all, and names of ours hold neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from .base import Ghost, Stored

__all__ = [
    "FIRST_TIME",
    "LAST_TIME",
    "NotAnswered",
    "any_in_policy",
    "any_point",
    "bounds",
    "counts",
    "delete",
    "duration",
    "identifier",
    "last_points",
    "moment",
    "points_between",
    "points_of",
    "predicate",
    "retention_policies",
    "results_of",
    "tag_keys",
]

FIRST_TIME, LAST_TIME = -(2**63) + 2, 2**63 - 2
"""The times, in nanoseconds UTC, that InfluxDB holds."""

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "'": "\\'", "\n": "\\n"})
_UNITS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}


class NotAnswered(Exception):
    """The server did not carry out the statement; the message is its own reason."""


def identifier(name: str) -> str:
    """Return the name of a measurement, tag, database or policy as it stands in a statement."""
    return f'"{name.translate(_ESCAPES)}"'


def _text(value: str) -> str:
    return f"'{value.translate(_ESCAPES)}'"


def bounds(start: int, end: int) -> tuple[int, int] | None:
    """Return the first and last time (nanoseconds UTC) that lie in [start, end) microseconds and can be held, or None."""
    first, last = max(start * 1000, FIRST_TIME), min(end * 1000 - 1, LAST_TIME)
    return (first, last) if first <= last else None


def points_between(measurement: str, first: int, last: int) -> str:
    """Ask for a measurement's points from `first` to `last`, both included (nanoseconds UTC).

    Grouped by all tags, so that a field which has the name of a tag keeps its own.
    """
    return f"SELECT * FROM {identifier(measurement)} WHERE time >= {first} AND time <= {last} GROUP BY *"


def last_points(measurement: str) -> str:
    """Ask for the last point of each series."""
    return f"SELECT * FROM {identifier(measurement)} GROUP BY * ORDER BY time DESC LIMIT 1"


def any_point(measurement: str, *, quick: bool) -> str:
    """Ask for one point. `quick` looks at one series alone, which may have none while others do."""
    return f"SELECT * FROM {identifier(measurement)} " + ("GROUP BY * LIMIT 1 SLIMIT 1" if quick else "LIMIT 1")


def any_in_policy(database: str, policy: str, *, quick: bool) -> str:
    """Ask for one point of a retention policy, whatever its measurement; `quick` as in any_point."""
    place = f"{identifier(database)}.{identifier(policy)}./.*/"
    return f"SELECT * FROM {place} " + ("GROUP BY * LIMIT 1 SLIMIT 1" if quick else "LIMIT 1")


def counts(measurement: str, first: int, last: int) -> str:
    """Ask how many points of each series have each field, from `first` to `last`, both included (nanoseconds UTC)."""
    return f"SELECT count(*) FROM {identifier(measurement)} WHERE time >= {first} AND time <= {last} GROUP BY *"


def tag_keys(measurements: Iterable[str]) -> str:
    """Ask for the names of all tags that series of these measurements have."""
    return f"SHOW TAG KEYS FROM {', '.join(map(identifier, measurements))}"


def retention_policies(database: str) -> str:
    """Ask for a database's retention policies."""
    return f"SHOW RETENTION POLICIES ON {identifier(database)}"


def delete(ghost: Ghost, keys: Iterable[str]) -> str:
    """Remove a ghost's points, and none of the series that have one of the tags `keys` besides.

    `::tag` says that a field of the same name is not meant, which 1.8 would refuse.
    """
    tags = {**dict.fromkeys(sorted(keys), ""), **ghost.tags}
    conditions = [f"{identifier(name)}::tag = {_text(value)}" for name, value in tags.items()]
    conditions += [f"time >= {max(ghost.first, FIRST_TIME)}", f"time <= {min(ghost.last, LAST_TIME)}"]
    return f"DELETE FROM {identifier(ghost.measurement)} WHERE {' AND '.join(conditions)}"


def predicate(ghost: Ghost) -> str:
    """Return what `/api/v2/delete` is told of a ghost: it takes nothing but equals, joined by AND.

    It cannot tell the ghost's series from those that have other tags besides.
    """
    equals = [f"_measurement={identifier(ghost.measurement)}"]
    equals += [f"{identifier(name)}={identifier(value)}" for name, value in ghost.tags.items()]
    return " AND ".join(equals)


def moment(time: int) -> str:
    """Return nanoseconds UTC as RFC 3339, within what can be held."""
    seconds, nanoseconds = divmod(min(max(time, FIRST_TIME), LAST_TIME), 10**9)
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def results_of(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """Yield the results in the lines of an answer; raises NotAnswered for one that says so, or is cut off."""
    last: Mapping[str, Any] = {"partial": True}
    for line in lines:
        try:
            answer = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise NotAnswered(f"the answer is not JSON: {_beginning(line)}") from None
        if not isinstance(answer, dict):
            raise NotAnswered(f"the answer is not what a query gives: {_beginning(line)}")
        if "error" in answer:
            raise NotAnswered(str(answer["error"])[:500])
        for last in answer.get("results") or []:
            if "error" in last:
                raise NotAnswered(str(last["error"])[:500])
            if "statement_id" not in last:
                raise NotAnswered(f"the answer is not what a query gives: {_beginning(line)}")
            yield last
    if last.get("partial"):
        raise NotAnswered("the answer ends before it is complete")


def points_of(results: Iterable[Mapping[str, Any]]) -> Iterator[Stored]:
    """Yield the points of the results of a SELECT that groups by all tags."""
    for result in results:
        for series in result.get("series", ()):
            measurement = series["name"]
            tags = {name: value for name, value in series.get("tags", {}).items() if value != ""}
            names: Sequence[str] = series["columns"][1:]
            for time, *values in series["values"]:
                fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
                yield Stored(measurement, tags, time, fields)


def duration(text: str) -> int | None:
    """Return a retention policy's duration (`48h0m0s`) in microseconds, None if it is for ever."""
    seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])(?![a-z])", text))
    return seconds or None


def _beginning(line: bytes) -> str:
    return repr(line[:100].decode("utf-8", "replace"))
