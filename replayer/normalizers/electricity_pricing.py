"""Prices of electricity → the measurements `electricity_pricing` and `electricity_pricing_forecast`. Pure.

Per kWh, in the tag's currency; net of taxes from aWATTar and Energy-Charts, with taxes from Tibber.

Each interval of an answer gives a forecast at its start. Each that had begun when the service was asked gives a current
price at its start, too: so copies from later polls are the same point, and the next poll fills what one left out. Only
intervals of the poll's own local day, or of a day that the answer covers from its start to its end: a shorter answer
must not take from a day what a longer one knew of its dearest hours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from ...clock import DAY
from ...storage.record import Record
from ..home import HomeView
from ..point import Point
from .base import POLLED, Normalizer, Reads, Reason, SetAside
from .intervals import HOUR, Interval, intervals_of, local_day, peak_hours
from .polled import Poll, epoch, moment, number, object_of, objects_in, point_of, read_poll, reader_of, text

__all__ = ["CURRENT", "FORECAST", "KWH_IN_MWH", "NORMALIZER", "ElectricityPricingNormalizer"]

CURRENT: Final = "electricity_pricing"
FORECAST: Final = "electricity_pricing_forecast"

KWH_IN_MWH: Final = 1_000.0
"""The markets' prices are per MWh, ours per kWh."""

_UNIT: Final = re.compile(r"\s*([A-Za-z]{3})\s*/\s*(MWh|kWh)\s*", re.IGNORECASE)
_MILLISECOND: Final = 1_000
_MOST_INTERVALS: Final = 4_000
"""A month of quarters of an hour, and more than any answer holds that a utility is asked for."""


class _Prices(NamedTuple):
    """Prices per kWh; no currency is known where the service named none."""

    currency: str | None
    intervals: list[Interval]


class ElectricityPricingNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "electricity_pricing"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (CURRENT, FORECAST)
    ahead: ClassVar[int] = 2 * DAY
    back: ClassVar[int] = 3 * DAY
    revised: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = ("config",)
    reads = Reads(("electricity_pricing",), (POLLED,))

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the points of all intervals of an answer; see Normalizer.normalize."""
        poll = read_poll(record)
        currency, intervals = reader_of(poll, _READERS)(poll)
        if not intervals:
            raise SetAside(Reason.NO_VALUE, "there is no price")
        if len(intervals) > _MOST_INTERVALS:
            raise SetAside(Reason.UNKNOWN_FORM, f"there are more than {_MOST_INTERVALS} prices")
        tags: dict[str, str | None] = {"provider": poll.provider, "currency": currency}
        made = [point_of(record, FORECAST, tags, {"price": interval.price}, interval.start) for interval in intervals]
        for interval, peak in _begun(intervals, record.time, home):
            fields = {"current_price": interval.price, "peak_period": peak}
            made.append(point_of(record, CURRENT, tags, fields, interval.start))
        return [point for point in made if point is not None]


def _begun(intervals: list[Interval], now: int, home: HomeView) -> list[tuple[Interval, bool | None]]:
    """Return the intervals that had begun, and whether each lies in one of its local day's dearest hours."""
    found: list[tuple[Interval, bool | None]] = []
    start = end = 0
    peaks: frozenset[int] | None = None
    for interval in intervals:
        if interval.start > now:
            break
        if not start <= interval.start < end:
            start, end = local_day(interval.start, home.zone)
            peaks = peak_hours(intervals, start, end)
        if peaks is not None:
            found.append((interval, interval.start - (interval.start - start) % HOUR in peaks))
        elif start <= now < end:
            found.append((interval, None))
    return found


def _per_kwh(price: Any, per_mwh: bool) -> float | None:
    value = number(price)
    if value is None:
        return None
    return float(f"{value / KWH_IN_MWH:.12g}") if per_mwh else value  # 94.02 / 1000 is 0.09402, no digit more


def _unit(said: Any) -> tuple[str, bool]:
    """Return the currency of a unit, and whether it is per MWh: "Eur/MWh", "EUR / MWh"."""
    match = _UNIT.fullmatch(said) if isinstance(said, str) else None
    if match is None:
        raise SetAside(Reason.UNKNOWN_FORM, "the unit of the prices is not one that is known")
    return match[1].upper(), match[2].upper() == "MWH"


def _of_awattar(poll: Poll) -> _Prices:
    """Read the answer of /v1/marketdata: times in milliseconds since 1970."""
    rows = object_of(poll.content).get("data")
    if rows == []:
        return _Prices(None, [])
    units = {_unit(row.get("unit")) for row in objects_in(rows)}
    if len(units) != 1 or not isinstance(rows, list):
        raise SetAside(Reason.UNKNOWN_FORM, "there are no prices, or in more than one unit")
    ((currency, per_mwh),) = units
    said = (
        (
            epoch(row.get("start_timestamp"), _MILLISECOND),
            epoch(row.get("end_timestamp"), _MILLISECOND),
            _per_kwh(row.get("marketprice"), per_mwh),
        )
        for row in objects_in(rows)
    )
    return _Prices(currency, intervals_of(said))


def _of_energy_charts(poll: Poll) -> _Prices:
    """Read the answer of /price: two lists of one length, with nulls where there is no price."""
    content = object_of(poll.content)
    starts, prices = content.get("unix_seconds"), content.get("price")
    if not isinstance(starts, list) or not isinstance(prices, list) or len(starts) != len(prices):
        raise SetAside(Reason.UNKNOWN_FORM, "times and prices are not two lists of one length")
    currency, per_mwh = _unit(content.get("unit"))
    said = zip(starts, prices, strict=True)
    return _Prices(currency, intervals_of((epoch(start), None, _per_kwh(price, per_mwh)) for start, price in said))


def _of_tibber(poll: Poll) -> _Prices:
    """Read the first home that has prices: those of today, of tomorrow (empty until the afternoon), and of now."""
    content = object_of(poll.content)
    viewer = _inside(content, "data", "viewer")
    homes = [*objects_in(viewer.get("homes")), *objects_in(viewer.get("home"))]
    for home in homes:
        info = _inside(home, "currentSubscription", "priceInfo")
        rows = [row for name in ("today", "tomorrow", "current") for row in objects_in(info.get(name))]
        intervals = intervals_of((moment(row.get("startsAt")), None, _per_kwh(row.get("total"), False)) for row in rows)
        if intervals:
            currencies = (text(row.get("currency")) for row in reversed(rows))
            return _Prices(next((name for name in currencies if name), None), intervals)
    if content.get("errors"):
        raise SetAside(Reason.ERROR_ANSWER, "the answer is an error")
    if not homes:
        raise SetAside(Reason.UNKNOWN_FORM, "the answer has no home")
    return _Prices(None, [])


def _inside(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the object that lies this deep in another; an empty one if there is none."""
    inner: Any = value
    for name in names:
        inner = inner.get(name) if isinstance(inner, dict) else None
    return inner if isinstance(inner, dict) else {}


_READERS: Final[dict[str, Callable[[Poll], _Prices]]] = {
    "awattar": _of_awattar,
    "energy_charts": _of_energy_charts,
    "tibber": _of_tibber,
}

NORMALIZER: Final = ElectricityPricingNormalizer
