"""A point: what InfluxDB stores. Its field types, and its line protocol. Pure.

Format: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. Times are integer nanoseconds UTC.

What the database cannot hold as it is, is changed in one documented way, always the same:

    in a name or tag value                a line feed → ␊, a carriage return → ␍, a null → ␀
    a backslash at the end of one, or     → ⧵ (U+29F5)
      before a comma, space, equal sign or quote
    an empty tag value                    → none
    a measurement that begins with #      → ♯ (U+266F) in its place
    half a surrogate pair, anywhere       → U+FFFD
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Protocol

from ..verbatim import storable

__all__ = [
    "NONE",
    "LARGEST_STRING",
    "Field",
    "FieldBlock",
    "Part",
    "Series",
    "Point",
    "line",
    "field_key",
    "field_text",
    "clean_name",
    "quoted",
]

NONE: Final = "none"
"""A tag's value where there is nothing: every tag of a measurement is always written."""

LARGEST_STRING: Final = 65_536
"""Bytes of a string field at most (InfluxDB's documented limit is 64 KiB)."""

Field = float | int | str | bool

_UNHOLDABLE = str.maketrans({"\n": "␊", "\r": "␍", "\0": "␀"})
_IN_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_IN_KEY = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_PLAIN = re.compile(r"[\w./:+@%°()\[\]-]+")  # no character of these is changed or escaped anywhere
_ENDING = re.compile(r'\\(?=[,= "]|\Z)')  # InfluxDB 1.8 refuses a field with such a name, or drops the backslash
_CACHED = 100_000

_field_keys: dict[str, str] = {}


def clean_name(name: str) -> str:
    """Return a name or tag value as the database can hold it."""
    if _PLAIN.fullmatch(name):
        return name
    if not name.isprintable():
        name = storable(name.translate(_UNHOLDABLE)) or ""
    return _ENDING.sub("⧵", name) if "\\" in name else name


class Series:
    """A measurement and its tags; the beginning of each of its lines is made once."""

    __slots__ = ("measurement", "prefix", "tags")

    def __init__(self, measurement: str, tags: dict[str, str]) -> None:
        """Tags are held, and written, in the order of their names; empty values become `none`."""
        self.measurement = clean_name(f"♯{measurement[1:]}" if measurement.startswith("#") else measurement)
        self.tags = dict(sorted((clean_name(name), clean_name(value) or NONE) for name, value in tags.items()))
        start = self.measurement.translate(_IN_MEASUREMENT)
        self.prefix = start + "".join(
            f",{name.translate(_IN_KEY)}={value.translate(_IN_KEY)}" for name, value in self.tags.items()
        )


class Part(Protocol):
    """Fields of a point that have their text, or make it of something else than a dictionary."""

    def items(self) -> Iterable[tuple[str, Field]]:
        """Return the fields, in the order in which they stand in a line."""
        ...

    def written(self) -> str:
        """Return the fields as they stand in a line."""
        ...


class FieldBlock(dict[str, Field]):
    """Fields that stand together in many points, and do not change once they are in one: their text is made once."""

    __slots__ = ("text",)

    text: str

    def written(self) -> str:
        """Return the fields as they stand in a line."""
        try:
            return self.text
        except AttributeError:
            self.text = text = _text(self)
            return text


class Point:
    """Fields of a series at a time (nanoseconds UTC).

    They may come in several parts, none of which has a name of another. `seq` is the record that the point comes from, no
    part of it. `text` is its line, once somebody has made it.
    """

    __slots__ = ("parts", "seq", "series", "text", "time")

    def __init__(
        self, series: Series, fields: dict[str, Field] | tuple[dict[str, Field] | Part, ...], time: int, seq: int
    ) -> None:
        self.series = series
        self.parts = fields if isinstance(fields, tuple) else (fields,)
        self.time = time
        self.seq = seq
        self.text: str | None = None

    @property
    def fields(self) -> dict[str, Field]:
        """All fields, in the order in which they stand in the line."""
        return {name: value for part in self.parts for name, value in part.items()}

    @property
    def key(self) -> tuple[str, int]:
        """Two points with the same key are the same point to a database: the later written replaces the earlier."""
        return self.series.prefix, self.time


def field_key(name: str) -> str:
    """Return a field's name as it stands in a line."""
    key = _field_keys.get(name)
    if key is None:
        if len(_field_keys) > _CACHED:
            _field_keys.clear()
        key = _field_keys[name] = clean_name(name).translate(_IN_KEY)
    return key


def line(point: Point) -> str:
    """Return the point's line, without a line feed."""
    if point.text is not None:
        return point.text
    texts = [_text(part) if type(part) is dict else part.written() for part in point.parts]  # type: ignore[union-attr]
    return f"{point.series.prefix} {','.join(filter(None, texts))} {point.time}"


def quoted(text: str) -> str:
    """Return a text as it stands between the quotation marks of a string field."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text.replace('"', '\\"') if '"' in text else text


def _text(fields: dict[str, Field]) -> str:
    """Return fields as they stand in a line."""
    return ",".join([field_text(name, value) for name, value in fields.items()])


def field_text(name: str, value: Field) -> str:
    """Return a field as it stands in a line."""
    key = _field_keys.get(name) or field_key(name)
    kind = type(value)
    if kind is str:
        return f'{key}="{quoted(value)}"'  # type: ignore[arg-type]
    if kind is float:
        return f"{key}={value!r}"
    if kind is bool:
        return f"{key}=true" if value else f"{key}=false"
    return f"{key}={value}i"
