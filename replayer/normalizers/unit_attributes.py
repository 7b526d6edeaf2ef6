"""Attributes that carry a unit, by what the entity itself says of it, else by the home's unit system at the time. Pure.

Home Assistant gives a thermostat's temperatures in the home's own unit, names those of a weather entity in attributes of
their own, and a number's limits are in the unit of its state. docs/units.md lists them.
"""

from __future__ import annotations

from typing import Any, Final

from ..home import HomeView
from .units import Conversion, conversion_of

__all__ = ["UnitsOfAttributes", "metric_attributes"]

UnitsOfAttributes = dict[str, Conversion]
"""Attribute → how its number becomes metric."""

_OF_HOME: Final = {
    "current_temperature": False,
    "temperature": False,
    "target_temp_high": False,
    "target_temp_low": False,
    "min_temp": False,
    "max_temp": False,
    "target_temp_step": True,
}
"""Attributes that these entities give in the home's own unit of temperature, and whether one is a difference."""

_OF_NUMBER: Final = {"min": False, "max": False, "step": True}

_UNITS_OF_WEATHER: Final = {
    "temperature_unit": "temperature",
    "pressure_unit": "pressure",
    "wind_speed_unit": "wind_speed",
    "visibility_unit": "distance",
    "precipitation_unit": "precipitation",
}
"""The attributes of a weather entity that name a unit, and the device class of what they are the unit of."""

_OF_WEATHER: Final = {
    "temperature": "temperature_unit",
    "templow": "temperature_unit",
    "apparent_temperature": "temperature_unit",
    "dew_point": "temperature_unit",
    "pressure": "pressure_unit",
    "wind_speed": "wind_speed_unit",
    "wind_gust_speed": "wind_speed_unit",
    "visibility": "visibility_unit",
    "precipitation": "precipitation_unit",
}
"""Attributes of a weather entity, and of an hour that it foretells, and the attribute that names the unit of each."""


def metric_attributes(
    domain: str, attributes: dict[str, Any], home: HomeView
) -> tuple[dict[str, Any], UnitsOfAttributes | None]:
    """Return an entity's attributes, and how the numbers among them become metric; None where they all stay.

    Attributes that name a unit name the metric one.
    """
    if domain == "weather":
        return _of_weather(attributes, home)
    if domain in ("climate", "water_heater"):
        return attributes, _all(_OF_HOME, conversion_of(home.temperature_unit, "temperature"))
    if domain in ("number", "input_number"):
        unit = attributes.get("unit_of_measurement")
        return attributes, _all(_OF_NUMBER, conversion_of(unit, attributes.get("device_class"))) if unit else None
    return attributes, None


def _all(names: dict[str, bool], made: Conversion | None) -> UnitsOfAttributes | None:
    return {name: made.difference if is_one else made for name, is_one in names.items()} if made else None


def _of_weather(attributes: dict[str, Any], home: HomeView) -> tuple[dict[str, Any], UnitsOfAttributes | None]:
    found = {name: conversion_of(attributes.get(name), kind) for name, kind in _UNITS_OF_WEATHER.items()}
    if "temperature_unit" not in attributes:  # before Home Assistant 2022.7 none stood there
        found["temperature_unit"] = conversion_of(home.temperature_unit, "temperature")
    units = {name: made for name, unit in _OF_WEATHER.items() if (made := found[unit]) is not None}
    if not units:
        return attributes, None
    changed: dict[str, Any] = {name: made.metric for name, made in found.items() if made and name in attributes}
    forecast = attributes.get("forecast")
    if isinstance(forecast, list):
        changed["forecast"] = [_metric(part, units) if isinstance(part, dict) else part for part in forecast]
    return attributes | changed, units


def _metric(part: dict[str, Any], units: UnitsOfAttributes) -> dict[str, Any]:
    """Return an hour or a day that is foretold, in metric units."""
    return part | {name: _converted(part[name], made) for name, made in units.items() if name in part}


def _converted(value: Any, made: Conversion) -> Any:
    if type(value) not in (int, float):
        return value
    try:
        return made.of(float(value))
    except OverflowError:
        return value
