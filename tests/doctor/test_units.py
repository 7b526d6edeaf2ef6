"""A unit that Home Assistant does not know for what a sensor measures: found, and mended by the rule that is proposed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeiq.clock import SECOND, ManualClock
from homeiq.doctor import units
from homeiq.doctor.case import Case, Limits
from homeiq.doctor.finding import Finding
from homeiq.replayer.normalizers.units import OF_CLASS, conversion_of, units_of_class
from homeiq.replayer.replay import replay_to_output
from homeiq.settings import Settings
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.record import Event
from hypothesis import given
from hypothesis import strategies as st

from end_to_end.logs import START, state_changed
from servers.line_protocol import parse


def said(entity_id: str, state: str, unit: str | None, device_class: str | None, second: int = 0) -> Event:
    attributes = {"unit_of_measurement": unit, "device_class": device_class, "friendly_name": "x"}
    time = START + second * SECOND
    frame = state_changed(entity_id, state, {name: value for name, value in attributes.items() if value}, time)
    raw = json.dumps(json.loads(frame)["event"])
    return Event(time, time, "home_assistant", "live", "state_changed", entity_id, state, raw)


def record(data_dir: Path, *events: Event) -> None:
    with EventLog(data_dir) as log:
        log.append(list(events))


def found(data_dir: Path, **more: Any) -> Finding | None:
    case = Case(Settings(data_dir=data_dir, **more), None, ManualClock(START + 60 * SECOND), Limits())
    result = units.check(case)
    assert result.unseen == ()
    return result.findings[0] if result.findings else None


@pytest.mark.parametrize("sealed", [False, True])
def test_a_unit_that_is_none_and_the_rule_that_mends_it(tmp_path: Path, sealed: bool) -> None:
    record(
        tmp_path,
        said("sensor.greenhouse", "66.2", "F", "temperature"),
        said("sensor.cellar", "11.0", "°C", "temperature"),
        said("sensor.meter", "5", "kwh", "energy"),
    )
    if sealed:
        compact(tmp_path)
    finding = found(tmp_path)
    assert finding is not None
    assert (finding.code, finding.severity) == ("unit-unknown", "attention")
    assert finding.sentence == (
        "sensor.greenhouse gives a temperature in 'F', which is no unit of it (and 1 other sensor): written as it comes"
    )
    assert finding.remedy[-1] == "homeiq replay --stale"
    rules = [
        rule
        for line in finding.remedy
        if line.startswith("# homeiq.yaml: ")
        for rule in yaml.safe_load(line.removeprefix("# homeiq.yaml: "))["rules"]
    ]
    assert found(tmp_path, rules=rules) is None
    mended = Settings(data_dir=tmp_path, rules=rules)
    replay_to_output(mended, str(tmp_path / "lines"), None, None)
    points = {
        dict(tags)["entity_id"]: fields for (_, tags, _), fields in parse((tmp_path / "lines").read_text()).items()
    }
    assert (points["sensor.greenhouse"]["value"], points["sensor.greenhouse"]["unit_of_measurement"]) == (19.0, "°C")
    assert (points["sensor.meter"]["value"], points["sensor.meter"]["unit_of_measurement"]) == (5.0, "kWh")


@pytest.mark.parametrize(
    "event",
    [
        said("sensor.restored", "unavailable", None, "temperature"),  # Home Assistant restores it without its unit
        said("sensor.lights", "7", "Kerzen", None),
        said("sensor.signal", "-70", "dBm", "signal_strength"),
        said("binary_sensor.power", "on", None, "power"),
        said("sensor.speed", "7", "Beaufort", "sound_pressure"),
    ],
    ids=lambda event: event.entity_id,
)
def test_what_nothing_is_said_of(tmp_path: Path, event: Event) -> None:
    record(tmp_path, event)
    assert found(tmp_path) is None


def test_what_it_says_now_counts(tmp_path: Path) -> None:
    record(tmp_path, said("sensor.a", "66.2", "F", "temperature"))
    compact(tmp_path)
    record(tmp_path, said("sensor.a", "66.2", "°F", "temperature", 1))
    assert found(tmp_path) is None


def test_a_name_that_is_no_name_is_in_no_command(tmp_path: Path) -> None:
    record(tmp_path, said("sensor.a\nrm -rf /", "66.2", "F", "temperature"))
    finding = found(tmp_path)
    assert finding is not None
    assert all("rm" not in line for line in finding.remedy)


@given(st.sampled_from([(name, unit) for name in OF_CLASS for unit in units_of_class(name)]))
def test_a_class_knows_its_units_and_what_they_become(of: tuple[str, str]) -> None:
    device_class, unit = of
    made = conversion_of(unit, device_class)
    assert made is None or made.metric in units_of_class(device_class)
    assert units.likely_unit(unit, device_class) in (unit, None)


@pytest.mark.parametrize(
    ("unit", "device_class", "meant"),
    [
        *(("F", "temperature", "°F"), ("degC", "temperature", "°C"), ("Celsius", "temperature", "°C")),
        *(("kwh", "energy", "kWh"), ("mw", "power", None), ("%", "temperature", None), ("watt", "temperature", None)),
    ],
)
def test_which_unit_was_meant(unit: str, device_class: str, meant: str | None) -> None:
    assert units.likely_unit(unit, device_class) == meant


def test_the_page_that_asks_each_minute_does_not_look(tmp_path: Path) -> None:
    record(tmp_path, said("sensor.greenhouse", "66.2", "F", "temperature"))
    case = Case(Settings(data_dir=tmp_path), None, ManualClock(START), Limits(quiet=True))
    assert units.check(case).findings == ()
