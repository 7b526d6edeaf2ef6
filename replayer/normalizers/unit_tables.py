"""Home Assistant's unit conversion as data: each unit's size in the base unit of what it measures. Pure.

The factors are those of `homeassistant/util/unit_conversion.py`, written as fractions where that is exact; a test compares
them with its own converters. It has no factor for other units, such as BTU/(h⋅ft²); Beaufort is a scale rather than a unit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["TABLES", "Unit"]


class Unit(NamedTuple):
    """A value in this unit is (value - offset) · times / by in the base unit, the first of its table."""

    times: float = 1.0
    by: float = 1.0
    offset: float = 0.0


_INCH: Final = 0.0254
_FOOT: Final = 0.3048
_YARD: Final = 0.9144
_MILE: Final = 1609.344
_NAUTICAL_MILE: Final = 1852.0
_CUBIC_FOOT: Final = 0.028316846592
_GALLON: Final = 0.003785411784
_POUND: Final = 453.59237
_CALORIE: Final = 4.184
_MERCURY: Final = 1.33322387415
"""A millimetre of mercury: 9.80665 m/s² · 13.5951 kg/dm³, in hPa."""

TABLES: Final[dict[str, dict[str, Unit]]] = {
    "temperature": {"°C": Unit(), "°F": Unit(5, 9, 32), "K": Unit(1, 1, 273.15)},
    "pressure": {
        **{"hPa": Unit(), "mPa": Unit(1, 1e5), "Pa": Unit(1, 100), "kPa": Unit(10), "mbar": Unit(), "cbar": Unit(10)},
        **{"bar": Unit(1_000), "mmHg": Unit(_MERCURY), "inHg": Unit(25.4 * _MERCURY)},
        **{"inH₂O": Unit(2.490889083333348), "psi": Unit(68.94757)},
    },
    "speed": {
        **{"m/s": Unit(), "km/h": Unit(1, 3.6), "mph": Unit(0.44704), "kn": Unit(_NAUTICAL_MILE, 3_600)},
        **{"ft/s": Unit(_FOOT), "in/s": Unit(_INCH), "m/min": Unit(1, 60), "mm/s": Unit(1, 1_000)},
        **{"mm/h": Unit(1, 3_600_000), "mm/d": Unit(1, 86_400_000), "in/h": Unit(_INCH, 3_600)},
        "in/d": Unit(_INCH, 86_400),
    },
    "energy": {
        **{"kWh": Unit(), "mWh": Unit(1, 1e6), "Wh": Unit(1, 1_000), "MWh": Unit(1_000), "GWh": Unit(1e6)},
        **{"TWh": Unit(1e9), "J": Unit(1, 3.6e6), "kJ": Unit(1, 3_600), "MJ": Unit(1, 3.6), "GJ": Unit(1_000, 3.6)},
        **{"cal": Unit(_CALORIE, 3.6e6), "kcal": Unit(_CALORIE, 3_600), "Mcal": Unit(_CALORIE, 3.6)},
        "Gcal": Unit(1_000 * _CALORIE, 3.6),
    },
    "power": {
        **{"W": Unit(), "mW": Unit(1, 1_000), "kW": Unit(1_000), "MW": Unit(1e6), "GW": Unit(1e9), "TW": Unit(1e12)},
        "BTU/h": Unit(0.29307107),
    },
    "distance": {
        **{"m": Unit(), "mm": Unit(1, 1_000), "cm": Unit(1, 100), "km": Unit(1_000), "in": Unit(_INCH)},
        **{"ft": Unit(_FOOT), "yd": Unit(_YARD), "mi": Unit(_MILE), "nmi": Unit(_NAUTICAL_MILE)},
    },
    "area": {
        **{"m²": Unit(), "mm²": Unit(1, 1e6), "cm²": Unit(1, 1e4), "km²": Unit(1e6), "in²": Unit(0.00064516)},
        **{"ft²": Unit(0.09290304), "yd²": Unit(0.83612736), "mi²": Unit(2589988.110336), "ha": Unit(1e4)},
        "ac": Unit(43_560 * 0.09290304),
    },
    "volume": {
        **{"m³": Unit(), "L": Unit(1, 1_000), "mL": Unit(1, 1e6), "gal": Unit(_GALLON), "fl. oz.": Unit(_GALLON, 128)},
        **{"ft³": Unit(_CUBIC_FOOT), "CCF": Unit(100 * _CUBIC_FOOT), "MCF": Unit(1_000 * _CUBIC_FOOT)},
    },
    "volume_flow_rate": {
        **{"m³/h": Unit(), "m³/min": Unit(60), "m³/s": Unit(3_600), "L/h": Unit(1, 1_000), "L/min": Unit(6, 100)},
        **{"L/s": Unit(36, 10), "mL/s": Unit(36, 10_000), "ft³/min": Unit(60 * _CUBIC_FOOT), "gal/h": Unit(_GALLON)},
        **{"gal/min": Unit(60 * _GALLON), "gal/d": Unit(_GALLON, 24)},
    },
    "mass": {
        **{"g": Unit(), "μg": Unit(1, 1e6), "mg": Unit(1, 1_000), "kg": Unit(1_000), "oz": Unit(_POUND, 16)},
        **{"lb": Unit(_POUND), "st": Unit(14 * _POUND)},
    },
    "electric_current": {"A": Unit(), "mA": Unit(1, 1_000)},
    "voltage": {"V": Unit(), "μV": Unit(1, 1e6), "mV": Unit(1, 1_000), "kV": Unit(1_000), "MV": Unit(1e6)},
    "apparent_power": {"VA": Unit(), "mVA": Unit(1, 1_000), "kVA": Unit(1_000)},
    "reactive_power": {"var": Unit(), "mvar": Unit(1, 1_000), "kvar": Unit(1_000)},
    "reactive_energy": {"varh": Unit(), "kvarh": Unit(1_000)},
    "conductivity": {"μS/cm": Unit(), "mS/cm": Unit(1_000), "S/cm": Unit(1e6)},
    "concentration": {"g/m³": Unit(), "mg/m³": Unit(1, 1_000), "μg/m³": Unit(1, 1e6)},
    "unitless": {"%": Unit(), "ppm": Unit(1, 1e4), "ppb": Unit(1, 1e7)},
    "duration": {
        **{"s": Unit(), "μs": Unit(1, 1e6), "ms": Unit(1, 1_000), "min": Unit(60), "h": Unit(3_600), "d": Unit(86_400)},
        "w": Unit(604_800),
    },
    "data_rate": {
        **{"bit/s": Unit(), "kbit/s": Unit(1e3), "Mbit/s": Unit(1e6), "Gbit/s": Unit(1e9)},
        **{"B/s": Unit(8), "kB/s": Unit(8e3), "MB/s": Unit(8e6), "GB/s": Unit(8e9)},
        **{"KiB/s": Unit(2**13), "MiB/s": Unit(2**23), "GiB/s": Unit(2**33)},
    },
    "information": {
        **{"bit": Unit(), "kbit": Unit(1e3), "Mbit": Unit(1e6), "Gbit": Unit(1e9)},
        **{"B": Unit(8), "kB": Unit(8e3), "MB": Unit(8e6), "GB": Unit(8e9), "TB": Unit(8e12), "PB": Unit(8e15)},
        **{"EB": Unit(8e18), "ZB": Unit(8e21), "YB": Unit(8e24)},
        **{"KiB": Unit(2**13), "MiB": Unit(2**23), "GiB": Unit(2**33), "TiB": Unit(2**43), "PiB": Unit(2**53)},
        **{"EiB": Unit(2**63), "ZiB": Unit(2**73), "YiB": Unit(2**83)},
    },
    "energy_distance": {"kWh/100km": Unit(), "Wh/km": Unit(1, 10)},
    "distance_for_energy": {"km/kWh": Unit(), "mi/kWh": Unit(1.609344)},
}
"""What is measured → its units. A unit stands in one table only; a micro sign is the Greek letter (U+03BC)."""
