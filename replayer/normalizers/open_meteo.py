"""What the answers of Open-Meteo's services have in common: the section `current`, its units and its time. Pure.

Format: https://open-meteo.com/en/docs. Times are local without an offset, which is `utc_offset_seconds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...clock import SECOND
from .base import Reason, SetAside
from .polled import LATEST, Poll, epoch, moment, number, object_of
from .units import convert_to

__all__ = ["Current", "read_current"]

_SECTIONS = ("current", "current_weather")
_UNITS = {"mp/h": "mph", "µg/m³": "μg/m³"}
"""Units that are written in more than one way: the micro sign is U+00B5 or U+03BC."""


class Current(NamedTuple):
    """What holds now, at `time` (microseconds UTC)."""

    time: int
    values: dict[str, Any]
    units: dict[str, Any]

    def measured(self, unit: str, names: Sequence[str]) -> float | None:
        """Return the value of the first of these names that has one, in this unit; None if it is in another kind."""
        for name in names:
            value = number(self.values.get(name))
            if value is not None:
                said = self.units.get(name)
                return convert_to(unit, value, _UNITS.get(said, said) if isinstance(said, str) else None)
        return None


def read_current(poll: Poll) -> Current:
    """Return what the answer says of now; raises SetAside if it is an error, or in another form."""
    content = object_of(poll.content)
    if content.get("error"):
        raise SetAside(Reason.ERROR_ANSWER, "the answer is an error")
    name = next((name for name in _SECTIONS if name in content), "")
    values = object_of(content.get(name), "what holds now")
    units = content.get(f"{name}_units")
    time = _time(values.get("time"), content.get("utc_offset_seconds"))
    if time is None:
        raise SetAside(Reason.INCOMPLETE, "there is no time, or no offset of it")
    return Current(time, values, units if isinstance(units, dict) else {})


def _time(said: Any, offset: Any) -> int | None:
    """Return the microseconds UTC of a local time; a number is in seconds since 1970, UTC."""
    if not isinstance(said, str):
        return epoch(said)
    local, seconds = moment(said), number(offset)
    if local is None or seconds is None or abs(seconds) > 86_400:
        return None
    time = local - round(seconds) * SECOND
    return time if 0 <= time < LATEST else None
