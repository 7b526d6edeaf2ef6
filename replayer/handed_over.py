"""Points on their way from one process to another, as bytes. Pure.

Python's `marshal` is the quickest way there is, and both processes run the same Python. What many points share, their
series and blocks of fields, goes over once for each batch.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any

from .point import Part, Point, Series, line

__all__ = ["Received", "packed"]

_CACHED = 50_000


def packed(points: Sequence[Point], *, lines: bool) -> bytes:
    """Return points as bytes; `lines`: with their lines instead of their fields."""
    series: dict[int, int] = {}
    known: list[tuple[str, dict[str, str]]] = []
    blocks: dict[int, dict[str, Any]] = {}
    rows = []
    for point in points:
        place = series.get(id(point.series))
        if place is None:
            place = series[id(point.series)] = len(known)
            known.append((point.series.measurement, point.series.tags))
        content: Any = line(point) if lines else tuple([_plain(part, blocks) for part in point.parts])
        rows.append((place, point.time, point.seq, content))
    return marshal.dumps((known, rows))


def _plain(part: dict[str, Any] | Part, blocks: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return a part of a point's fields as what marshal knows."""
    if type(part) is dict:
        return part
    plain = blocks.get(id(part))
    if plain is None:
        plain = blocks[id(part)] = dict(part.items())
    return plain


class Received:
    """Makes points of bytes again."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, tuple[str, ...]], Series] = {}

    def points(self, content: bytes) -> list[Point]:
        """Return the points; those that came as lines have no fields, which nobody may ask for."""
        known, rows = marshal.loads(content)
        series = [self._of(measurement, tags) for measurement, tags in known]
        points = []
        for place, time, seq, held in rows:
            if type(held) is str:
                point = Point(series[place], (), time, seq)
                point.text = held
            else:
                point = Point(series[place], held, time, seq)
            points.append(point)
        return points

    def _of(self, measurement: str, tags: dict[str, str]) -> Series:
        key = measurement, (*tags, *tags.values())
        series = self._series.get(key)
        if series is None:
            if len(self._series) > _CACHED:
                self._series.clear()
            series = self._series[key] = Series(measurement, tags)
        return series
