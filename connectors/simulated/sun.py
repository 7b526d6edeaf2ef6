"""Where the sun stands: the low-precision formulas of the Astronomical Almanac, good to hundredths of a degree. Pure."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from ...clock import DAY, SECOND

__all__ = ["DAWN", "RISING", "Sun", "position", "next_crossing", "next_noon"]

RISING: Final = -0.833
"""The sun's elevation in degrees at sunrise and sunset."""

DAWN: Final = -6.0

_J2000: Final = 946_728_000 * SECOND
_STEP: Final = 600 * SECOND


class Sun(NamedTuple):
    """Elevation and azimuth in degrees."""

    elevation: float
    azimuth: float


def position(time: int, latitude: float, longitude: float) -> Sun:
    """Return where the sun stands at `time` (microseconds UTC)."""
    days = (time - _J2000) / DAY
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = math.radians(
        (280.46 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.02 * math.sin(2 * anomaly)) % 360
    )
    tilt = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + longitude) % 360)
    hour_angle = sidereal - ascension
    phi = math.radians(latitude)
    height = math.asin(
        math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour_angle)
    )
    azimuth = math.atan2(
        -math.sin(hour_angle), math.tan(declination) * math.cos(phi) - math.sin(phi) * math.cos(hour_angle)
    )
    return Sun(math.degrees(height), math.degrees(azimuth) % 360)


def next_crossing(time: int, place: tuple[float, float], elevation: float, *, upwards: bool) -> int:
    """Return when the sun next crosses an elevation in one direction, to the second; a year later where it does not."""
    for step in range(366 * DAY // _STEP):
        low, high = time + step * _STEP, time + (step + 1) * _STEP
        before, after = position(low, *place).elevation >= elevation, position(high, *place).elevation >= elevation
        if before != after and after == upwards:
            while high - low > SECOND:
                middle = (low + high) // 2
                low, high = (
                    (low, middle) if (position(middle, *place).elevation >= elevation) == after else (middle, high)
                )
            return high
    return time + 366 * DAY


def next_noon(time: int, longitude: float) -> int:
    """Return when the mean sun next stands highest."""
    noon = time - time % DAY + DAY // 2 - int(longitude / 360 * DAY)
    while noon <= time:
        noon += DAY
    return noon
