"""Home Assistant's hourly long-term statistics, as they were imported → the measurement `home_assistant_statistics`. Pure.

A record is one hour of one statistic; its point stands at the hour's start. Of two records that give the same point the one
that was read out of the database later is right: their texts begin with that time.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

from ...storage.record import Record
from ...verbatim import loads, storable
from ..home import HomeView
from ..point import NONE, Field, Point, Series
from .base import Normalizer, Reads, Reason, SetAside
from .units import Conversion, conversion_of

__all__ = ["MEASUREMENT", "NORMALIZER", "StatisticsNormalizer"]

MEASUREMENT: Final = "home_assistant_statistics"

_VALUES: Final = ("mean", "min", "max", "state")


class StatisticsNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "statistics"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    by_entity: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = ()
    reads = Reads(sources=("home_assistant",), event_types=("statistic",))

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of an hour; see Normalizer.normalize."""
        content = _content(record)
        if record.entity_id is None:
            raise SetAside(Reason.INCOMPLETE, "there is no statistic_id")
        unit = content.get("unit_of_measurement")
        conversion = conversion_of(unit, content.get("device_class") or content.get("unit_class"))
        fields: dict[str, Field] = {}
        for name in _VALUES:
            _add(fields, name, content.get(name), conversion)
        # A sum grew by differences: that of temperatures has no offset.
        _add(fields, "sum", content.get("sum"), conversion.difference if conversion else None)
        if not fields:
            raise SetAside(Reason.NO_VALUE)
        fields["origin"] = record.origin
        if isinstance(unit, str):
            raw = storable(unit) or ""
            fields["unit_of_measurement_raw"] = raw
            fields["unit_of_measurement"] = conversion.metric if conversion else raw
        source = content.get("source")
        tags = {
            "domain": record.entity_id.replace(":", ".").partition(".")[0],
            "source": (storable(source) or NONE) if isinstance(source, str) else NONE,
            "statistic_id": record.entity_id,
        }
        return [Point(Series(MEASUREMENT, tags), fields, record.time * 1000, record.seq)]


def _content(record: Record) -> dict[str, Any]:
    try:
        content = loads(record.raw)
    except ValueError as error:
        raise SetAside(Reason.UNREADABLE, str(error)) from None
    if not isinstance(content, dict):
        raise SetAside(Reason.UNKNOWN_FORM, "it is no object")
    return content


def _add(fields: dict[str, Field], name: str, value: Any, conversion: Conversion | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    number = float(value)
    if conversion is not None:
        number = conversion.of(number)
    if math.isfinite(number):
        fields[name] = number


NORMALIZER: Final = StatisticsNormalizer
