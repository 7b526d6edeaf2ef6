"""Units: what is received in another one is converted to a metric one. Pure.

Temperature, pressure, speed, energy and power have one unit each: °C, hPa, m/s, kWh, W. Of what else Home Assistant knows
only units that are not metric are converted, to the one that its own metric system would choose, and only where the device
class says what is measured: "in" may be a length or a number of entrances. What is metric stays, and so does what counts
bits. docs/units.md has the table.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final, NamedTuple

from .unit_tables import TABLES

__all__ = [
    "Conversion",
    "CONVERSIONS",
    "OF_CLASS",
    "conversion",
    "conversion_of",
    "convert",
    "convert_to",
    "is_unit",
    "metric_of_class",
    "units_of_class",
]


class Conversion(NamedTuple):
    """`metric` is the unit converted to: value · times / by, after `offset` was taken off; then `plus` is added."""

    metric: str
    times: float
    by: float
    offset: float = 0.0
    plus: float = 0.0

    def of(self, value: float) -> float:
        """Return a value converted; infinity where it is beyond a float."""
        converted = (value - self.offset) * self.times / self.by + self.plus
        return float(f"{converted:.12g}")  # 71.6 °F are 22 °C, not 21.999999999999996

    @property
    def difference(self) -> Conversion:
        """The same for a difference, such as a step of 1 °F: it has no offset."""
        return self._replace(offset=0.0, plus=0.0)


_TABLE_OF: Final = {unit: table for table in TABLES.values() for unit in table}


def _spelled(unit: str) -> str:
    return unit.replace("µ", "μ") if "µ" in unit else unit  # the micro sign, and the Greek letter


def is_unit(unit: str) -> bool:
    """Tell whether a unit can be converted to others of its kind."""
    return _spelled(unit) in _TABLE_OF


@cache
def conversion(unit: str, to: str) -> Conversion | None:
    """Return how values are converted from one unit to another; None where they measure different things."""
    known, wanted = _spelled(unit), _spelled(to)
    table = _TABLE_OF.get(known)
    if table is None or wanted not in table:
        return None
    one, other = table[known], table[wanted]
    return Conversion(to, one.times * other.by, one.by * other.times, one.offset, other.offset)


def _all_to(to: str, units: tuple[str, ...]) -> dict[str, Conversion]:
    return {unit: made for unit in units if (made := conversion(unit, to)) is not None}


_FLUX: Final = _all_to("mm/h", ("mm/d", "in/h", "in/d"))
"""Depth in a time: rain. Home Assistant counts it among the speeds."""

_TEMPERATURE: Final = _all_to("°C", ("°F", "K"))
_PRESSURE: Final = _all_to("hPa", ("mPa", "Pa", "kPa", "mbar", "cbar", "bar", "mmHg", "inHg", "inH₂O", "psi"))
_SPEED: Final = _all_to("m/s", ("km/h", "mph", "kn", "ft/s", "in/s", "m/min", "mm/s"))
_ENERGY: Final = _all_to(
    "kWh", ("mWh", "Wh", "MWh", "GWh", "TWh", "J", "kJ", "MJ", "GJ", "cal", "kcal", "Mcal", "Gcal")
)
_POWER: Final = _all_to("W", ("mW", "kW", "MW", "GW", "TW", "BTU/h"))
_GAS: Final = _all_to("m³", ("ft³", "CCF", "MCF"))
_WATER: Final = _GAS | _all_to("L", ("gal",))
_VOLUME: Final = _WATER | _all_to("mL", ("fl. oz.",))

CONVERSIONS: Final[dict[str, Conversion]] = _TEMPERATURE | _PRESSURE | _SPEED | _ENERGY | _POWER
"""Where it is known that one of the five is measured."""

_ONLY_BY_CLASS: Final = frozenset(
    {"K", "J", "kJ", "cal", "kcal", "Mcal", "Gcal", "BTU/h", "in/s", "m/min", "mm/s"},
)
"""A light of 2700 K, a meal of 600 kcal and a pump that shakes at 3 mm/s keep their units."""

_BY_UNIT: Final = {unit: made for unit, made in CONVERSIONS.items() if unit not in _ONLY_BY_CLASS}

OF_CLASS: Final[dict[str, dict[str, Conversion]]] = {
    "temperature": _TEMPERATURE,
    "temperature_delta": {unit: made.difference for unit, made in _TEMPERATURE.items()},
    "atmospheric_pressure": _PRESSURE,
    "pressure": _PRESSURE,
    "speed": _SPEED | _FLUX,
    "wind_speed": _SPEED,
    "energy": _ENERGY,
    "energy_storage": _ENERGY,
    "power": _POWER,
    "precipitation": _all_to("mm", ("cm", "in")),
    "precipitation_intensity": _FLUX,
    "distance": _all_to("mm", ("in",)) | _all_to("m", ("ft", "yd")) | _all_to("km", ("mi", "nmi")),
    "area": _all_to("cm²", ("in²",))
    | _all_to("m²", ("ft²", "yd²"))
    | _all_to("km²", ("mi²",))
    | _all_to("ha", ("ac",)),
    "gas": _GAS,
    "water": _WATER,
    "volume": _VOLUME,
    "volume_storage": _VOLUME,
    "volume_flow_rate": _all_to("m³/h", ("ft³/min",))
    | _all_to("L/min", ("gal/min",))
    | _all_to("L/h", ("gal/h", "gal/d")),
    "weight": _all_to("g", ("oz",)) | _all_to("kg", ("lb", "st")),
    "energy_distance": _all_to("km/kWh", ("mi/kWh",)),
}
"""Device class → what is converted there beside, or otherwise than, what the unit alone says."""

_CONVERTED: Final = {name: _BY_UNIT | own for name, own in OF_CLASS.items()}


def conversion_of(unit: object, device_class: object) -> Conversion | None:
    """Return how the state of an entity is made metric; None where it stays as it is."""
    if type(unit) is not str:
        return None
    known = _CONVERTED.get(device_class) if type(device_class) is str else None
    return (_BY_UNIT if known is None else known).get(unit)


@cache
def units_of_class(device_class: str) -> frozenset[str]:
    """Return all units in which something of a device class may be said; empty where none is converted there."""
    metric = {made.metric for made in OF_CLASS.get(device_class, {}).values()}
    return frozenset(unit for table in TABLES.values() if metric & table.keys() for unit in table)


def metric_of_class(device_class: str, unit: str | None) -> str:
    """Return what a unit of a device class becomes; without a unit, or where it stays, what some of the class become."""
    conversions = OF_CLASS[device_class]
    if unit in conversions:
        return conversions[unit].metric
    return unit if unit is not None else next(iter(conversions.values())).metric


def convert(value: float, unit: str | None, *, difference: bool = False) -> float:
    """Return a value of one of the five kinds in its metric unit; one in a unit that is not listed stays as it is.

    A `difference`, such as a step of 1 °F, has no offset.
    """
    found = CONVERSIONS.get(unit) if unit else None
    if found is None:
        return value
    return (found.difference if difference else found).of(value)


def convert_to(metric: str, value: float | None, unit: object) -> float | None:
    """Return a value in the unit `metric`; None where it is in one of another kind, or in none that is known."""
    if value is None or not isinstance(unit, str):
        return None
    if unit != metric:
        if unit not in CONVERSIONS or CONVERSIONS[unit].metric != metric:
            return None
        value = convert(value, unit)
    return value if math.isfinite(value) else None
