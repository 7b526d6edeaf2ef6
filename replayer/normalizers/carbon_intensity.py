"""How much CO₂ a kWh of electricity costs → the measurement `carbon_intensity`. Pure.

A point has the time of its poll, not of the half hour that the answer speaks of: the intensity and the mix of the same
half hour are two polls, and would else be one point, of which the second would take the place of the first.

WattTime's index is a percentile of a month, not grams: it has a field of its own, `percentile`, whatever the unit that
the answer names. WattTime's grams are those of the plant that would have to generate more (marginal), Great Britain's
those of the mix; the tag `region` keeps them apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, NamedTuple

from ...clock import DAY, SECOND
from ...storage.record import Record
from ..home import HomeView
from ..point import Field, Point
from .base import POLLED, Normalizer, Reads, Reason, SetAside
from .polled import Poll, moment, number, object_of, objects_in, point_of, read_poll, reader_of, text

__all__ = ["MEASUREMENT", "NORMALIZER", "CarbonIntensityNormalizer"]

MEASUREMENT: Final = "carbon_intensity"

_MINUTE: Final = 60 * SECOND
_HALF_HOUR: Final = 30 * _MINUTE
_HOUR: Final = 60 * _MINUTE

_GRAMS_PER_KWH: Final = 0.45359237
"""A pound per MWh is so many grams per kWh."""

_POUNDS_PER_MWH: Final = re.compile(r"lbs?[ _]co2[ _/](?:per[ _])?mwh|lbs?/mwh", re.IGNORECASE)

_RENEWABLE: Final = frozenset({"biomass", "hydro", "solar", "wind"})
_FOSSIL: Final = frozenset({"coal", "gas", "oil"})
"""The fuels of the British mix that count as one or the other; nuclear, imports and others are neither."""

_NATION: Final = ("GB", "NESO")
"""Region and operator where an answer speaks of all of Great Britain."""


class _Row(NamedTuple):
    """What an answer says of a region in [start, end), microseconds UTC.

    `value`, which was measured, and `forecast` are in g/kWh, or both a percentile.
    """

    region: str
    operator: str | None
    start: int
    end: int
    value: float | None = None
    forecast: float | None = None
    renewable: float | None = None
    fossil: float | None = None


class CarbonIntensityNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "carbon_intensity"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    of_home: ClassVar[tuple[str, ...]] = ()
    reads = Reads(("carbon_intensity",), (POLLED,))

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return a point for each region of an answer; see Normalizer.normalize."""
        poll = read_poll(record)
        found = reader_of(poll, _READERS)(poll, record.time)
        made = [
            point_of(record, MEASUREMENT, {"region": region, "grid_operator": operator}, fields, record.time)
            for (region, operator), fields in found.items()
        ]
        points = [point for point in made if point is not None]
        if not points:
            raise SetAside(Reason.NO_VALUE, "nothing holds at the time of the poll")
        return points


_Found = dict[tuple[str, str | None], dict[str, Field | None]]


def _at(rows: list[_Row], time: int) -> _Row | None:
    """Return the row that holds at this time; of several the one that began last."""
    return max((row for row in rows if row.start <= time < row.end), key=lambda row: row.start, default=None)


def _now(rows: list[_Row], time: int) -> _Row | None:
    """Return the row that holds at this time, else the last that ended no more than an hour before it."""
    ended = [row for row in rows if time - _HOUR <= row.end <= time]
    return _at(rows, time) or max(ended, key=lambda row: row.end, default=None)


def _forecast(rows: list[_Row], time: int) -> float | None:
    """Return what is forecast for this time; a forecast that ends no more than half an hour before it, is for it too."""
    row = _at(rows, time)
    if row is None:
        last = max(rows, key=lambda row: row.end)
        row = last if time - _HALF_HOUR <= last.end <= time else None
    return row.forecast if row else None


def _of_uk(poll: Poll, time: int) -> _Found:
    content = object_of(poll.content)
    if "error" in content:
        raise SetAside(Reason.ERROR_ANSWER, "the answer is an error")
    rows = list(_uk_rows(content.get("data"), _NATION))
    if not rows:
        raise SetAside(Reason.UNKNOWN_FORM, "no half hour has both its times")
    by_region: dict[tuple[str, str | None], list[_Row]] = {}
    for row in rows:
        by_region.setdefault((row.region, row.operator), []).append(row)
    return {names: _fields(of_region, time) for names, of_region in by_region.items()}


def _fields(rows: list[_Row], time: int) -> dict[str, Field | None]:
    """Return the fields of a region.

    What holds now is a forecast only where the answer speaks of nothing else: beside a list of forecasts, the service is
    asked for the present half hour too, whose value is the better one.
    """
    now = _now(rows, time)
    value = now.value if now else None
    return {
        "carbon_intensity_gco2_kwh": now.forecast if now and value is None and len(rows) == 1 else value,
        "renewable_percentage": now.renewable if now else None,
        "fossil_percentage": now.fossil if now else None,
        "forecast_1h": _forecast(rows, time + _HOUR),
        "forecast_24h": _forecast(rows, time + DAY),
    }


def _uk_rows(data: Any, names: tuple[str, str | None]) -> Iterator[_Row]:
    """Yield the half hours of an answer, whose `data` is a list or an object.

    They lie in it themselves (all of Great Britain), in each entry's `data` (one region), or hold `regions` (all).
    """
    for entry in objects_in(data):
        named = _names(entry, names)
        if "data" in entry:
            for row in objects_in(entry["data"]):
                yield from _half_hour(row, row, named)
        elif "regions" in entry:
            for region in objects_in(entry["regions"]):
                yield from _half_hour(entry, region, _names(region, names))
        else:
            yield from _half_hour(entry, entry, named)


def _names(entry: dict[str, Any], otherwise: tuple[str, str | None]) -> tuple[str, str | None]:
    region = text(entry.get("shortname"))
    return (region, text(entry.get("dnoregion"))) if region else otherwise


def _half_hour(times: dict[str, Any], said: dict[str, Any], names: tuple[str, str | None]) -> Iterator[_Row]:
    start, end = moment(times.get("from")), moment(times.get("to"))
    if start is None or end is None:
        return
    intensity = said.get("intensity")
    intensity = intensity if isinstance(intensity, dict) else {}
    actual, forecast = number(intensity.get("actual")), number(intensity.get("forecast"))
    mix = objects_in(said.get("generationmix"))
    yield _Row(*names, start, end, actual, forecast, _share(mix, _RENEWABLE), _share(mix, _FOSSIL))


def _share(mix: list[dict[str, Any]], fuels: frozenset[str]) -> float | None:
    """Return the sum of the percentages of these fuels; None where none of them is there."""
    parts = [number(entry.get("perc")) for entry in mix if (text(entry.get("fuel")) or "").lower() in fuels]
    known = [part for part in parts if part is not None]
    total = float(f"{sum(known):.12g}")  # 4.3 + 42.3 + 0.1 is 46.7, not 46.699999999999996
    return total if known and math.isfinite(total) else None


def _of_watttime(poll: Poll, time: int) -> _Found:
    """Read the answer of /v3/signal-index (a percentile) or of /v3/forecast (pounds of CO₂ per MWh)."""
    content = object_of(poll.content)
    meta = content.get("meta")
    if not isinstance(meta, dict):
        error = "error" in content or "detail" in content
        raise SetAside(Reason.ERROR_ANSWER if error else Reason.UNKNOWN_FORM, "the answer has no meta")
    region, units = text(meta.get("region")), text(meta.get("units")) or ""
    length = number(meta.get("data_point_period_seconds")) or 300.0
    if region is None or not 1.0 <= length <= 86_400.0:
        raise SetAside(Reason.UNKNOWN_FORM, "the answer does not say of which region it is")
    said = [(moment(row.get("point_time")), number(row.get("value"))) for row in objects_in(content.get("data"))]
    rows = [_Row(region, None, at, at + round(length * SECOND), value) for at, value in said if at is not None]
    if poll.path.endswith("/signal-index"):
        now = _now(rows, time)
        of_now = now.value if now else None
        percentile = of_now if "percentile" in units.lower() and of_now is not None and 0 <= of_now <= 100 else None
        return {(region, None): {"percentile": percentile}}
    if not poll.path.endswith("/forecast") or not _POUNDS_PER_MWH.fullmatch(units):
        raise SetAside(Reason.UNKNOWN_FORM, "the answer is no index, and no forecast in pounds of CO₂ per MWh")
    grams = [row._replace(value=_grams(row.value), forecast=_grams(row.value)) for row in rows]
    return {(region, None): _fields(grams, time) if grams else {}}


def _grams(pounds: float | None) -> float | None:
    return None if pounds is None else float(f"{pounds * _GRAMS_PER_KWH:.12g}")


_READERS: Final[dict[str, Callable[[Poll, int], _Found]]] = {
    "uk": _of_uk,
    "watttime": _of_watttime,
}

NORMALIZER: Final = CarbonIntensityNormalizer
