"""Units: what is received in another one is converted to °C, hPa, m/s, kWh or W. Data, and one function. Pure.

The factors are those of Home Assistant's own unit conversion (homeassistant.util.unit_conversion), written as a
fraction so that no rounding error is added where the result is exact.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

__all__ = ["Conversion", "CONVERSIONS", "convert", "convert_to"]


class Conversion(NamedTuple):
    """`metric` is the unit converted to: value · times / by, after `offset` was taken off."""

    metric: str
    times: float
    by: float
    offset: float = 0.0


CONVERSIONS: Final[dict[str, Conversion]] = {
    "°F": Conversion("°C", 5.0, 9.0, 32.0),
    "K": Conversion("°C", 1.0, 1.0, 273.15),
    "Pa": Conversion("hPa", 1.0, 100.0),
    "kPa": Conversion("hPa", 10.0, 1.0),
    "mbar": Conversion("hPa", 1.0, 1.0),
    "cbar": Conversion("hPa", 10.0, 1.0),
    "bar": Conversion("hPa", 1000.0, 1.0),
    "mmHg": Conversion("hPa", 1.33322387415, 1.0),
    "inHg": Conversion("hPa", 33.8638866667, 1.0),
    "psi": Conversion("hPa", 68.94757293168, 1.0),
    "km/h": Conversion("m/s", 1.0, 3.6),
    "mph": Conversion("m/s", 0.44704, 1.0),
    "kn": Conversion("m/s", 1852.0, 3600.0),
    "ft/s": Conversion("m/s", 0.3048, 1.0),
    "Wh": Conversion("kWh", 1.0, 1000.0),
    "MWh": Conversion("kWh", 1000.0, 1.0),
    "GWh": Conversion("kWh", 1_000_000.0, 1.0),
    "MJ": Conversion("kWh", 1.0, 3.6),
    "GJ": Conversion("kWh", 1000.0, 3.6),
    "mW": Conversion("W", 1.0, 1000.0),
    "kW": Conversion("W", 1000.0, 1.0),
    "MW": Conversion("W", 1_000_000.0, 1.0),
}


def convert(value: float, unit: str | None, *, difference: bool = False) -> float:
    """Return a value in the metric unit of its kind; one in a unit that is not listed stays as it is.

    A `difference`, such as a step of 1 °F, has no offset.
    """
    conversion = CONVERSIONS.get(unit) if unit else None
    if conversion is None:
        return value
    converted = (value if difference else value - conversion.offset) * conversion.times / conversion.by
    return float(f"{converted:.12g}")  # 71.6 °F are 22 °C, not 21.999999999999996


def convert_to(metric: str, value: float | None, unit: object) -> float | None:
    """Return a value in the unit `metric`; None where it is in one of another kind, or in none that is known."""
    if value is None or not isinstance(unit, str):
        return None
    if unit != metric:
        if unit not in CONVERSIONS or CONVERSIONS[unit].metric != metric:
            return None
        value = convert(value, unit)
    return value if math.isfinite(value) else None
