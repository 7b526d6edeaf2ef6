"""Totals, shares and the day's kWh: the same wherever the reading began, through resets, gaps and clock changes."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import DAY, SECOND, from_iso
from homeiq.replayer.normalizers.base import Reading, Reason, SetAside
from homeiq.replayer.normalizers.metering import AHEAD, Circuits, Metering
from homeiq.replayer.normalizers.smart_meter import SmartMeterNormalizer
from homeiq.replayer.point import Point
from hypothesis import given
from hypothesis import strategies as st

from replayer.making import DAY_0, numbered, state
from replayer.normalizers.polls import home_in, poll, record_of

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")


def made(readings: Sequence[Reading], circuits: Circuits, zone: ZoneInfo = UTC) -> list[Point]:
    fold = Metering(circuits)
    moments = sorted({reading.time for reading in readings})
    return [p for at in moments for p in fold.step([r for r in readings if r.time == at], zone)]


def watts(meter: str, value: float, at: int) -> Reading:
    return Reading(meter, at, value, None, "live", 1)


def count(meter: str, value: float, at: int) -> Reading:
    return Reading(meter, at, None, value, "live", 1)


def field_of(points: list[Point], name: str, circuit: str | None = None) -> list[Any]:
    of = [point for point in points if point.series.tags.get("circuit_name") == circuit]
    return [point.fields.get(name) for point in of]


ONE = Circuits({"Kitchen": ["sensor.k"], "HVAC": ["sensor.h"]}, ())
ENERGY = Circuits({"Kitchen": ["sensor.k"]}, ())


def test_totals_and_shares_are_of_each_circuits_last_reading() -> None:
    points = made(
        [watts("sensor.k", 100.0, 0), watts("sensor.h", 300.0, MINUTE), watts("sensor.k", 0.0, 2 * MINUTE)], ONE
    )
    assert field_of(points, "total_power_w") == [100.0, 400.0, 300.0]
    assert field_of(points, "percentage", "Kitchen") == [100.0, 0.0]
    assert field_of(points, "percentage", "HVAC") == [75.0]
    assert field_of(points, "power_w", "HVAC") == [300.0]


def test_a_reading_counts_for_15_minutes() -> None:
    points = made([watts("sensor.k", 100.0, 0), watts("sensor.h", 1.0, 15 * MINUTE)], ONE)
    assert field_of(points, "total_power_w") == [100.0, 101.0]
    points = made([watts("sensor.k", 100.0, 0), watts("sensor.h", 1.0, 15 * MINUTE + 1)], ONE)
    assert field_of(points, "total_power_w") == [100.0, 1.0]


def test_export_is_negative_and_has_no_share_where_the_total_is_not_positive() -> None:
    points = made([watts("sensor.k", -100.0, 0), watts("sensor.h", 50.0, 1)], ONE)
    assert field_of(points, "total_power_w") == [-100.0, -50.0]
    assert field_of(points, "percentage", "Kitchen") == [None]


def test_the_meter_of_the_whole_home_is_the_total() -> None:
    circuits = Circuits({"Kitchen": ["sensor.k"]}, ["sensor.all"])
    points = made([watts("sensor.all", 1_000.0, 0), watts("sensor.k", 250.0, 1)], circuits)
    assert field_of(points, "total_power_w") == [1_000.0, 1_000.0]
    assert field_of(points, "percentage", "Kitchen") == [25.0]


def test_a_counter_that_begins_anew_and_one_that_is_corrected() -> None:
    values = [(0, 100.0), (1, 101.0), (2, 100.9), (3, 101.5), (4, 0.25), (5, 0.75)]
    points = made([count("sensor.k", value, hour * HOUR) for hour, value in values], ENERGY)
    assert field_of(points, "daily_kwh", "Kitchen") == pytest.approx([0.0, 1.0, 0.9, 1.5, 1.75, 2.25])


def test_what_a_counter_grew_by_over_midnight_is_the_new_days() -> None:
    readings = [
        count("sensor.k", 10.0, DAY - HOUR),
        count("sensor.k", 11.0, DAY + HOUR),
        count("sensor.k", 12.0, 3 * DAY),
    ]
    assert field_of(made(readings, ENERGY), "daily_kwh", "Kitchen") == [0.0, 1.0, 0.0], "the last one is too old"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_local_days_have_23_24_or_25_hours(day: str, hours: int) -> None:
    """1 kWh each hour, on the quarter of the hour."""
    start = from_iso(f"{day}T00:00:00+01:00" if day < "2026-03-30" else f"{day}T00:00:00+02:00")
    readings = [count("sensor.k", 1_000.0 + n, start + n * HOUR - 15 * MINUTE) for n in range(hours + 2)]
    daily = field_of(made(readings, ENERGY, BERLIN), "daily_kwh", "Kitchen")
    assert daily == [0.0, *(float(n) for n in range(1, hours + 1)), 1.0]


def test_a_circuit_without_a_counter_gets_the_integral_of_its_power() -> None:
    readings = [watts("sensor.k", 1_000.0, n * 10 * MINUTE) for n in range(7)] + [watts("sensor.k", 0.0, 3 * HOUR)]
    daily = field_of(made(readings, ENERGY), "daily_kwh", "Kitchen")
    assert daily[6] == pytest.approx(1.0)
    assert daily[7] == pytest.approx(1.25), "a reading lasts 15 min at most"


meters = st.sampled_from(["sensor.k", "sensor.h", "1.2.3.4/em:0.a", "1.2.3.4/em:0"])
some_readings = st.lists(
    st.builds(
        Reading,
        meters,
        st.integers(0, 6 * 24 * 4).map(lambda n: DAY_0 + n * 15 * MINUTE),
        st.none() | st.floats(-1e4, 1e4),
        st.none() | st.floats(0, 1e6),
        st.just("live"),
        st.just(1),
    ),
    max_size=60,
    unique_by=lambda reading: (reading.time, reading.meter),
).map(lambda readings: sorted(readings, key=lambda reading: (reading.time, reading.meter)))


@given(
    some_readings, st.integers(0, 5), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Los_Angeles"])
)
def test_a_windows_points_depend_on_nothing_further_back_than_declared(
    readings: list[Reading], day: int, zone: str
) -> None:
    start = DAY_0 + day * DAY
    circuits = Circuits({"Kitchen": ["sensor.k"], "HVAC": ["sensor.h"]}, ())

    def window(some: list[Reading]) -> list[tuple[Any, ...]]:
        points = made(some, circuits, ZoneInfo(zone))
        return [(point.key, point.fields) for point in points if start <= point.time // 1000 < start + DAY]

    assert window(readings) == window([reading for reading in readings if reading.time >= start - AHEAD])


# --- what records say ------------------------------------------------------------------------------------------------

SECTION = {"circuits": {"Kitchen": "sensor.k", "HVAC": ["sensor.h", "sensor.h_energy"]}, "total": "sensor.all"}


@pytest.mark.parametrize(
    ("unit", "text", "power", "energy"),
    [("W", "12.5", 12.5, None), ("kW", "1.5", 1_500.0, None), ("Wh", "1500", None, 1.5), ("MWh", "2", None, 2_000.0)],
)
def test_a_sensor_is_read_by_its_unit(unit: str, text: str, power: float | None, energy: float | None) -> None:
    normalizer = SmartMeterNormalizer(SECTION)
    for origin in ("live", "snapshot"):
        (record,) = numbered([state("sensor.k", text, DAY_0, origin, attributes={"unit_of_measurement": unit})])
        assert normalizer.wants(record)
        assert normalizer.readings(record, home_in("UTC")) == [Reading("sensor.k", DAY_0, power, energy, origin, 1)]


def test_only_the_sensors_that_are_named_are_read() -> None:
    (other,) = numbered([state("sensor.other", "1", DAY_0, attributes={"unit_of_measurement": "W"})])
    assert not SmartMeterNormalizer(SECTION).wants(other)
    assert not SmartMeterNormalizer().wants(other)


@pytest.mark.parametrize(
    ("text", "unit"), [("unavailable", "W"), ("unknown", "kWh"), ("on", "W"), ("5", "°C"), ("5", None)]
)
def test_what_is_no_reading_is_set_aside(text: str, unit: str | None) -> None:
    (record,) = numbered([state("sensor.k", text, DAY_0, attributes={"unit_of_measurement": unit} if unit else {})])
    with pytest.raises(SetAside) as caught:
        SmartMeterNormalizer(SECTION).readings(record, home_in("UTC"))
    assert caught.value.reason == Reason.NO_VALUE


def shelly(path: str, body: Any, **envelope: Any) -> Any:
    return record_of(poll("smart_meter", "shelly", body, url=f"http://192.168.1.20/rpc/{path}", **envelope))


THREE_PHASES = {
    "em:0": {"id": 0, "a_act_power": 51.2, "b_act_power": -951.2, "c_act_power": 0, "total_act_power": -900.0},
    "emdata:0": {"id": 0, "a_total_act_energy": 1500.0, "b_total_act_energy": 2.0, "total_act": 1502.0},
    "switch:0": {"id": 0, "output": True, "apower": 8.9, "aenergy": {"total": 6532.0, "by_minute": [45.1]}},
    "sys": {"mac": "A8032ABE54DC"},
    "cloud": {"connected": False},
    "input:0": {"id": 0, "state": None},
}


def test_a_shellys_components_are_meters() -> None:
    (record, home) = shelly("Shelly.GetStatus", THREE_PHASES), home_in("UTC")
    readings = {
        one.meter.partition("/")[2]: (one.power, one.energy) for one in SmartMeterNormalizer().readings(record, home)
    }
    assert readings == {
        "em:0": (-900.0, 1.502),
        "em:0.a": (51.2, 1.5),
        "em:0.b": (-951.2, 0.002),
        "em:0.c": (0.0, None),
        "switch:0": (8.9, 6.532),
    }


@pytest.mark.parametrize(
    ("path", "body", "meter", "power", "energy"),
    [
        ("EM.GetStatus", THREE_PHASES["em:0"], "em:0.b", -951.2, None),
        ("EMData.GetStatus", THREE_PHASES["emdata:0"], "em:0.a", None, 1.5),
        ("EM1.GetStatus", {"id": 1, "act_power": 15.5, "pf": 1}, "em1:1", 15.5, None),
        ("EM1Data.GetStatus", {"id": 1, "total_act_energy": 2_000}, "em1:1", None, 2.0),
        ("PM1.GetStatus", {"id": 0, "apower": 1, "aenergy": {"total": 11.5}}, "pm1:0", 1.0, 0.0115),
        ("Switch.GetStatus", {"id": 2, "apower": 0.0}, "switch:2", 0.0, None),
    ],
)
def test_a_component_asked_by_itself(
    path: str, body: Any, meter: str, power: float | None, energy: float | None
) -> None:
    readings = SmartMeterNormalizer().readings(shelly(path, body), home_in("UTC"))
    assert (power, energy) in [(one.power, one.energy) for one in readings if one.meter == f"192.168.1.20/{meter}"]


def test_where_no_circuit_is_named_each_meter_is_one_and_three_phases_are_the_home() -> None:
    points = SmartMeterNormalizer().normalize(shelly("Shelly.GetStatus", THREE_PHASES), home_in("UTC"))
    names = {point.series.tags["circuit_name"] for point in points if "circuit_name" in point.series.tags}
    assert names == {f"192.168.1.20 {part}" for part in ("em:0.a", "em:0.b", "em:0.c", "switch:0")}
    assert field_of(points, "total_power_w") == [-900.0]
    section = {"circuits": {"Solar": "em:0.b", "Boiler": "192.168.1.20/switch:0"}, "total": "em:0"}
    points = SmartMeterNormalizer(section).normalize(shelly("Shelly.GetStatus", THREE_PHASES), home_in("UTC"))
    names = {point.series.tags["circuit_name"] for point in points if "circuit_name" in point.series.tags}
    assert names == {"Solar", "Boiler"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<html>", Reason.UNREADABLE),
        ([], Reason.UNKNOWN_FORM),
        ({"em:0": {"total_act_power": None}}, Reason.NO_VALUE),
        ({"em:0": {"total_act_power": "12"}, "switch:0": None}, Reason.NO_VALUE),
        ({"sys": {}}, Reason.NO_VALUE),
    ],
)
def test_an_answer_without_a_meter_is_set_aside(body: Any, reason: Reason) -> None:
    with pytest.raises(SetAside) as caught:
        SmartMeterNormalizer().readings(shelly("Shelly.GetStatus", body), home_in("UTC"))
    assert caught.value.reason == reason


def test_a_failed_poll_is_set_aside() -> None:
    with pytest.raises(SetAside) as caught:
        SmartMeterNormalizer().readings(shelly("Shelly.GetStatus", {"code": 401}, status=401), home_in("UTC"))
    assert caught.value.reason == Reason.ERROR_ANSWER
