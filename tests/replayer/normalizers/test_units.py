"""Conversions are exact where the result is, and a difference has no offset."""

import pytest
from homeiq.replayer.normalizers.units import CONVERSIONS, convert, convert_to
from hypothesis import given
from hypothesis import strategies as st

METRIC = {"°C", "hPa", "m/s", "kWh", "W"}


@pytest.mark.parametrize(
    ("value", "unit", "metric"),
    [
        (71.6, "°F", 22.0),
        (32.0, "°F", 0.0),
        (-40.0, "°F", -40.0),
        (70.0, "°F", 21.1111111111),
        (0.0, "K", -273.15),
        (101325.0, "Pa", 1013.25),
        (101.3, "kPa", 1013.0),
        (1013.2, "mbar", 1013.2),
        (1.0, "bar", 1000.0),
        (29.92, "inHg", 1013.20748907),
        (760.0, "mmHg", 1013.25014435),
        (36.0, "km/h", 10.0),
        (1.0, "kn", 0.514444444444),
        (100.0, "mph", 44.704),
        (1500.0, "Wh", 1.5),
        (3.6, "MJ", 1.0),
        (1.2, "kW", 1200.0),
        (21.0, "°C", 21.0),
        (7.0, "lux", 7.0),
        (7.0, None, 7.0),
        (7.0, "", 7.0),
    ],
)
def test_examples(value: float, unit: str | None, metric: float) -> None:
    assert convert(value, unit) == metric


@pytest.mark.parametrize(("unit", "metric"), [("°F", 0.555555555556), ("K", 1.0), ("kPa", 10.0), ("°C", 1.0)])
def test_a_difference_has_no_offset(unit: str, metric: float) -> None:
    assert convert(1.0, unit, difference=True) == metric


def test_every_unit_is_converted_to_a_metric_one() -> None:
    assert {conversion.metric for conversion in CONVERSIONS.values()} == METRIC
    assert not METRIC & CONVERSIONS.keys()


@given(st.floats(-1e9, 1e9), st.sampled_from(sorted(CONVERSIONS)))
def test_a_value_is_the_difference_from_the_units_zero(value: float, unit: str) -> None:
    zero = convert(0.0, unit)
    assert convert(value, unit) == pytest.approx(zero + convert(value, unit, difference=True), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("value", "unit", "converted"),
    [
        (71.6, "°F", 22.0),
        (22.0, "°C", 22.0),
        (22.0, "hPa", None),
        (22.0, "undefined", None),
        (22.0, None, None),
        (22.0, ["°C"], None),
        (None, "°C", None),
        (1e308, "°F", None),  # beyond a float on the way
    ],
)
def test_only_what_is_of_the_kind_is_converted_to_it(
    value: float | None, unit: object, converted: float | None
) -> None:
    assert convert_to("°C", value, unit) == converted
