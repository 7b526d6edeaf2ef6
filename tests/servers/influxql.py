"""What InfluxDB 2.7 was seen to read of InfluxQL: the predicates of deletes, and the few queries that homeiq asks.

Written for the tests' own server after what the real ones take and refuse; the contract of the targets holds its answers
to queries against those of a real InfluxDB 1.8.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

__all__ = ["Refused", "Select", "answer_rows", "predicate", "selects"]

_WORDS = """
ALL ALTER ANALYZE AND ANY AS ASC BEGIN BY CARDINALITY CREATE CONTINUOUS DATABASE DATABASES DEFAULT DELETE DESC DESTINATIONS
DIAGNOSTICS DISTINCT DROP DURATION END EVERY EXACT EXPLAIN FALSE FIELD FOR FROM GRANT GRANTS GROUP GROUPS IN INF INSERT INTO
KEY KEYS KILL LIMIT MEASUREMENT MEASUREMENTS NAME OFFSET ON OR ORDER PASSWORD POLICY POLICIES PRIVILEGES QUERIES QUERY READ
REPLICATION RESAMPLE RETENTION REVOKE SELECT SERIES SET SHOW SHARD SHARDS SLIMIT SOFFSET STATS SUBSCRIPTION SUBSCRIPTIONS
TAG TO TRUE USER USERS VALUES WHERE WITH WRITE
"""
_KEYWORDS = frozenset(_WORDS.split())
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\d+|[<>!]=|=~|!~|[=<>(),;*.-]")
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"', "'": "'"}

Tags = frozenset[tuple[str, str]]
Series = Mapping[tuple[str, Tags], Mapping[int, Mapping[str, Any]]]
Token = tuple[str, str]


class Refused(Exception):
    """The server would answer 400, with this message."""


def _tokens(text: str) -> list[Token]:
    """Return kind and text of each: `ident`, `string`, `number`, else the keyword or sign itself."""
    tokens, place = [], 0
    while place < len(text):
        character = text[place]
        if character in " \t\n":
            place += 1
        elif character in "\"'":
            value, place = _quoted(text, place)
            tokens.append(("ident" if character == '"' else "string", value))
        else:
            found = _TOKEN.match(text, place)
            if found is None:
                raise Refused(f"found {character}, at position {place}")
            word, place = found.group(), found.end()
            keyword = word.upper() in _KEYWORDS
            kind = "number" if word.isdigit() else "ident" if word[0].isidentifier() and not keyword else word.upper()
            tokens.append((kind, word))
    return [*tokens, ("end", "")]


def _quoted(text: str, place: int) -> tuple[str, int]:
    quote, value = text[place], ""
    place += 1
    while place < len(text) and text[place] != quote:
        if text[place] in "\n\r\0":
            raise Refused(f"bad string, at position {place}")
        if text[place] == "\\":
            place += 1
            if text[place : place + 1] not in _ESCAPED or place >= len(text):
                raise Refused(f"bad escape, at position {place}")
            value += _ESCAPED[text[place]]
        else:
            value += text[place]
        place += 1
    if place >= len(text):
        raise Refused("bad string, at its end")
    return value, place + 1


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)

    def next_is(self, *kinds: str) -> bool:
        """Take the next tokens if they are of these kinds."""
        there = [kind for kind, _ in self._tokens[: len(kinds)]] == list(kinds)
        if there:
            del self._tokens[: len(kinds)]
        return there

    def take(self, *kinds: str) -> str:
        """Take the next token, which must be of one of these kinds."""
        kind, text = self._tokens[0]
        if kind not in kinds:
            raise Refused(f"found {text or 'EOF'}, expected {' or '.join(kinds)}")
        return self._tokens.pop(0)[1] if kind != "end" else ""


def predicate(text: str) -> dict[str, str]:
    """Return the tags, and `_measurement`, that a delete's predicate asks for; raises Refused, as 2.7 does."""
    wanted: dict[str, str] = {}
    reader = _Reader(text)
    if reader.next_is("end"):
        return wanted
    while True:
        name = reader.take("ident", "NAME")
        for operator in ("!=", "=~", "!~"):
            if reader.next_is(operator):
                raise Refused(f"Operator {operator} is not supported for delete predicate yet")
        reader.take("=")
        value = reader.take("ident", "number", "TRUE", "FALSE")
        if wanted.setdefault(name, value) != value:
            wanted[name] = "\0"  # both at once: no series is like that
        if reader.next_is("end"):
            return wanted
        if reader.next_is("OR"):
            raise Refused("the logical operator OR is not supported for delete predicate yet")
        reader.take("AND")


@dataclass
class Select:
    """SELECT * FROM one measurement, or how many points of each series have each field."""

    measurement: str
    first: int = -(2**63)
    last: int = 2**63 - 1
    grouped: bool = False
    descending: bool = False
    limit: int | None = None
    series_limit: int | None = None
    columns: list[str] = field(default_factory=list)
    counts: bool = False


def selects(text: str) -> list[Select]:
    """Return the statements of a query; raises Refused."""
    reader, found = _Reader(text), []
    while True:
        reader.take("SELECT")
        counts = reader.next_is("ident", "(", "*", ")")
        if not counts:
            reader.take("*")
        reader.take("FROM")
        found.append(_clauses(reader, Select(reader.take("ident"), counts=counts)))
        if reader.next_is("end") or reader.next_is(";", "end"):
            return found
        reader.take(";")


def _clauses(reader: _Reader, select: Select) -> Select:
    if reader.next_is("WHERE"):
        while True:
            if reader.take("ident") != "time":
                raise Refused("invalid condition expression")
            operator = reader.take(">=", "<=", ">", "<")
            time = (-1 if reader.next_is("-") else 1) * int(reader.take("number"))
            if operator in (">=", ">"):
                select.first = max(select.first, time + (operator == ">"))
            else:
                select.last = min(select.last, time - (operator == "<"))
            if not reader.next_is("AND"):
                break
    select.grouped = reader.next_is("GROUP", "BY", "*")
    if reader.next_is("ORDER", "BY", "ident"):
        select.descending = not reader.next_is("ASC") and reader.take("DESC") != ""
    if reader.next_is("LIMIT"):
        select.limit = int(reader.take("number"))
    if reader.next_is("SLIMIT"):
        select.series_limit = int(reader.take("number"))
    return select


def answer_rows(select: Select, series: Series) -> Iterator[dict[str, Any]]:
    """Yield the series of an answer."""
    mine = {tags: points for (measurement, tags), points in series.items() if measurement == select.measurement}
    keys = sorted({name for tags in mine for name, _ in tags})
    names = sorted({name for points in mine.values() for fields in points.values() for name in fields})
    if not select.grouped:
        yield from _ungrouped(select, mine, keys, names)
        return
    ordered = sorted(mine, key=lambda tags: [dict(tags).get(key, "") for key in keys])[: select.series_limit]
    for tags in reversed(ordered) if select.descending else ordered:
        rows = [[time, *(_number(mine[tags][time].get(name)) for name in names)] for time in _times(select, mine[tags])]
        if select.counts and rows:
            numbers = [sum(row[place] is not None for row in rows) or None for place in range(1, len(names) + 1)]
            rows = [[max(select.first, 0), *numbers]]
        if rows:
            head: dict[str, Any] = {"name": select.measurement}
            if keys:
                head["tags"] = {key: dict(tags).get(key, "") for key in keys}
            columns = [f"count_{name}" for name in names] if select.counts else names
            yield {**head, "columns": ["time", *columns], "values": rows}


def _ungrouped(
    select: Select, mine: Mapping[Tags, Mapping[int, Mapping[str, Any]]], keys: list[str], names: list[str]
) -> Iterator[dict[str, Any]]:
    """Tags are columns too; one with the name of a field gets another."""
    called = {key: f"{key}_1" if key in names else key for key in keys}
    columns = sorted([*called.values(), *names])
    rows = []
    for tags, points in mine.items():
        for time in _times(select, points):
            row = {called[key]: value for key, value in tags} | dict(points[time])
            rows.append([time, *(_number(row.get(column)) for column in columns)])
    rows.sort(key=lambda row: row[0], reverse=select.descending)
    if rows:
        yield {"name": select.measurement, "columns": ["time", *columns], "values": rows[: select.limit]}


def _times(select: Select, points: Mapping[int, Any]) -> list[int]:
    times = sorted((time for time in points if select.first <= time <= select.last), reverse=select.descending)
    return times[: select.limit]


def _number(value: Any) -> Any:
    """A float without a fraction is written as an integer, with its own digits and then zeros, as Go does it."""
    return int(Decimal(repr(value))) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value
