"""Conversions are Home Assistant's own, exact where the result is; docs/units.md lists what is converted."""

import json
import math
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from homeiq.replayer.normalizers.unit_tables import TABLES
from homeiq.replayer.normalizers.units import (
    CONVERSIONS,
    OF_CLASS,
    conversion,
    conversion_of,
    convert,
    convert_to,
    is_unit,
)
from hypothesis import given
from hypothesis import strategies as st

from servers import home_assistant as ha

DOCS = Path(__file__).parents[3] / "docs"
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
        (29.92, "inHg", 1013.20748119),
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


# --- by device class -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "device_class", "converted", "metric"),
    [
        (71.6, "°F", "temperature", 22.0, "°C"),
        (71.6, "°F", None, 22.0, "°C"),
        (18.0, "°F", "temperature_delta", 10.0, "°C"),
        (2700.0, "K", None, None, None),
        (300.0, "K", "temperature", 26.85, "°C"),
        (600.0, "kcal", None, None, None),
        (860.420650096, "kcal", "energy", 1.0, "kWh"),
        (10.0, "in", None, None, None),
        (10.0, "in", "distance", 254.0, "mm"),
        (1.0, "in", "precipitation", 25.4, "mm"),
        (1.0, "in/h", "precipitation_intensity", 25.4, "mm/h"),
        (24.0, "mm/d", "precipitation_intensity", 1.0, "mm/h"),
        (24.0, "in/d", "speed", 25.4, "mm/h"),
        (10.0, "mi", "distance", 16.09344, "km"),
        (12.0, "km", "distance", None, None),
        (1.0, "CCF", "gas", 2.8316846592, "m³"),
        (1.0, "gal", "water", 3.785411784, "L"),
        (1.0, "gal", None, None, None),
        (1.0, "gal/min", "volume_flow_rate", 3.785411784, "L/min"),
        (10.0, "lb", "weight", 4.5359237, "kg"),
        (3.0, "KiB", "data_size", None, None),
        (3.0, "mV", "voltage", None, None),
        (3.0, "kW", "humidity", 3000.0, "W"),
        (3.0, "kW", ["power"], 3000.0, "W"),
        (3.0, ["kW"], "power", None, None),
        (3.0, "Beaufort", "wind_speed", None, None),
    ],
)
def test_the_device_class_says_what_is_measured(
    value: float, unit: Any, device_class: Any, converted: float | None, metric: str | None
) -> None:
    found = conversion_of(unit, device_class)
    assert (found and found.of(value), found and found.metric) == (converted, metric)


def test_what_is_metric_stays_and_what_is_converted_is_metric_afterwards() -> None:
    for device_class, converted in OF_CLASS.items():
        for made in converted.values():
            assert conversion_of(made.metric, device_class) is None, (device_class, made)


def test_a_unit_measures_one_thing() -> None:
    units = [unit for table in TABLES.values() for unit in table]
    assert len(units) == len(set(units))
    assert all(is_unit(unit) and "µ" not in unit for unit in units)
    assert is_unit("µg")
    assert not is_unit("µ")
    assert conversion("psi", "°C") is None
    assert conversion("µg", "mg") == conversion("μg", "mg")
    assert conversion("µg", "mg") is not None


@given(st.floats(-1e6, 1e6), st.sampled_from(sorted(TABLES)), st.data())
def test_there_and_back(value: float, kind: str, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(sorted(TABLES[kind]))) for _ in range(2))
    there, back = conversion(one, other), conversion(other, one)
    assert there is not None
    assert back is not None
    assert back.of(there.of(value)) == pytest.approx(value, rel=1e-9, abs=1e-6)


# --- Home Assistant's own converters -----------------------------------------------------------------------------------

SCRIPT = """
import json, sys
from homeassistant.util import unit_conversion
kinds = [kind for kind in vars(unit_conversion).values() if getattr(kind, "UNIT_CLASS", None)]
converters = {str(unit).replace("\\u00b5", "\\u03bc"): (kind, unit) for kind in kinds for unit in kind._UNIT_CONVERSION}
print(json.dumps(sorted(converters)), flush=True)
for line in sys.stdin:
    value, pairs = json.loads(line)
    print(json.dumps([
        converters[one][0].convert(value, converters[one][1], converters[other][1]) for one, other in pairs
    ]), flush=True)
"""

_WH_TO_CAL = 3600 / 4.184
_GALLON = 231 * 0.0254**3
NEWER: dict[str, dict[str, float]] = {
    "pressure": {"hPa": 1 / 100, "mPa": 1000, "inH₂O": 1 / 249.0889083333348},
    "speed": {"m/s": 1, "in/s": 1 / 0.0254, "m/min": 60, "mm/s": 1 / 0.001},
    "energy": {
        **{"kWh": 1, "J": 3600e3, "kJ": 3600, "mWh": 1e6, "GWh": 1 / 1e6, "TWh": 1 / 1e9, "cal": _WH_TO_CAL * 1e3},
        **{"kcal": _WH_TO_CAL, "Mcal": _WH_TO_CAL / 1e3, "Gcal": _WH_TO_CAL / 1e6},
    },
    "power": {"W": 1, "mW": 1000, "MW": 1 / 1e6, "GW": 1 / 1e9, "TW": 1 / 1e12, "BTU/h": 1 / 0.29307107},
    "distance": {"m": 1, "nmi": 1 / 1852},
    "area": {
        **{"m²": 1, "cm²": 1 / 0.01**2, "mm²": 1 / 0.001**2, "km²": 1 / 1000**2, "in²": 1 / 0.0254**2},
        **{"ft²": 1 / 0.3048**2, "yd²": 1 / 0.9144**2, "mi²": 1 / (0.9144 * 1760) ** 2, "ha": 1 / 100**2},
        "ac": 1 / (66 * 660 * 0.3048**2),
    },
    "volume": {"m³": 1, "MCF": 1 / (1000 * 0.3048**3)},
    "volume_flow_rate": {
        **{"m³/h": 1, "m³/min": 1 / 60, "m³/s": 1 / 3600, "L/h": 1 / 0.001, "L/s": 1 / (3600 * 0.001)},
        **{"mL/s": 1 / (3600 * 1e-6), "gal/h": 1 / _GALLON, "gal/d": 24 / _GALLON},
    },
    "voltage": {"V": 1, "μV": 1e6, "kV": 1 / 1e3, "MV": 1 / 1e6},
    "apparent_power": {"VA": 1, "mVA": 1000, "kVA": 1 / 1000},
    "reactive_power": {"var": 1, "mvar": 1000, "kvar": 1 / 1000},
    "reactive_energy": {"varh": 1, "kvarh": 1 / 1e3},
    "conductivity": {"μS/cm": 1, "mS/cm": 1e-3, "S/cm": 1e-6},
    "concentration": {"g/m³": 1, "mg/m³": 1000, "μg/m³": 1e6},
    "energy_distance": {"kWh/100km": 1, "Wh/km": 10},
    "distance_for_energy": {"km/kWh": 100, "mi/kWh": 100 * 1000 / (0.9144 * 1760)},
}
"""What the Home Assistant of the tests (2024.3) does not know yet, with the ratios that 2026.6 gives it."""

Converted = Callable[[float, list[tuple[str, str]]], list[float]]


@pytest.fixture(scope="module")
def converters() -> Iterator[tuple[set[str], Converted]]:
    """The units that Home Assistant converts, and its converting, in its own Python."""
    if not ha.INSTALLATION.complete:
        reason = f"{ha.INSTALLATION.name} is not installed: make servers"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    python = ha.INSTALLATION.folder / "venv" / "bin" / "python"
    with subprocess.Popen([python, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        known = set(json.loads(child.stdout.readline())) - {"None"}

        def ask(value: float, pairs: list[tuple[str, str]]) -> list[float]:
            child.stdin.write(json.dumps([value, pairs]) + "\n")
            child.stdin.flush()
            answer: list[float] = json.loads(child.stdout.readline())
            return answer

        yield known, ask
        child.stdin.close()


def test_what_home_assistant_does_not_know_yet_is_as_it_published_it(converters: tuple[set[str], Converted]) -> None:
    ours = {unit for table in TABLES.values() for unit in table}
    newer = {unit for ratios in NEWER.values() for unit in list(ratios)[1:]} | {"VA", "var", "varh", "μS/cm", "g/m³"}
    assert converters[0] - ours == set(), "every unit that it converts, we know"
    assert ours - converters[0] == newer | {"m²", "kWh/100km", "km/kWh"}
    for ratios in NEWER.values():
        base, *others = ratios
        for unit in others:
            found = conversion(base, unit)
            assert found is not None
            assert found.of(1.0) == pytest.approx(ratios[unit] / ratios[base], rel=1e-9), unit


@given(st.floats(-1e7, 1e7))
def test_conversions_are_home_assistants_own(converters: tuple[set[str], Converted], value: float) -> None:
    known, ask = converters
    pairs = [(unit, base) for table in TABLES.values() for base in list(table)[:1] for unit in table]
    pairs += [(other, one) for one, other in pairs]
    pairs += [(unit, made.metric) for units in OF_CLASS.values() for unit, made in units.items()]
    pairs = sorted({pair for pair in pairs if known >= set(pair)})
    assert len(pairs) > 150
    for (one, other), theirs in zip(pairs, ask(value, pairs), strict=True):
        found = conversion(one, other)
        assert found is not None
        assert found.of(value) == pytest.approx(theirs, rel=1e-9, abs=1e-9), (one, other)


def test_every_device_class_is_converted_as_its_table_says(converters: tuple[set[str], Converted]) -> None:
    known, ask = converters
    for device_class, units in OF_CLASS.items():
        for unit, made in units.items():
            if device_class != "temperature_delta" and {unit, made.metric} <= known:
                assert made.of(7.0) == pytest.approx(ask(7.0, [(unit, made.metric)])[0], rel=1e-9)


# --- the docs --------------------------------------------------------------------------------------------------------


def test_the_docs_list_what_is_converted() -> None:
    rows = {}
    text = (DOCS / "units.md").read_text(encoding="utf-8")
    for names, target, units in re.findall(r"^\| (`[^|]+`) \| `([^`]+)` \| (`[^|]+`) \|$", text, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            rows.setdefault(name, {}).update(dict.fromkeys(re.findall(r"`([^`]+)`", units), target))
    assert rows == {name: {unit: made.metric for unit, made in units.items()} for name, units in OF_CLASS.items()}
    (alone,) = re.findall(r"^Without a device class too: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([^`]+)`", alone)) == {unit for unit in CONVERSIONS if conversion_of(unit, None)}


def test_a_value_beyond_a_float_is_infinite() -> None:
    found = conversion_of("GWh", None)
    assert found is not None
    assert math.isinf(found.of(1.7e308))
