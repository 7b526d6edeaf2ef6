"""Weather, price and carbon as of an event's time, from the log alone, for as long as each applies."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SECOND, to_iso
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers.base import Normalizer
from homeiq.replayer.normalizers.carbon_intensity import CarbonIntensityNormalizer
from homeiq.replayer.normalizers.electricity_pricing import ElectricityPricingNormalizer
from homeiq.replayer.normalizers.weather import WeatherNormalizer
from homeiq.replayer.point import Field
from homeiq.replayer.windows import home_of
from homeiq.storage.record import Event
from homeiq.storage.view import LogView
from hypothesis import given, settings
from hypothesis import strategies as st

from replayer.kinds import weather
from replayer.making import DAY_0, fast_folder, numbered, registries, write_log
from replayer.normalizers.polls import poll

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOON = DAY_0 + 12 * HOUR
SETTLES = 30 * SECOND


def normalizers() -> list[Normalizer]:
    return [WeatherNormalizer(), ElectricityPricingNormalizer(), CarbonIntensityNormalizer()]


def prices(time: int, said: Mapping[int, float], length: int = HOUR) -> Event:
    """Return a poll of aWATTar: prices per MWh by the start of their interval."""
    data = [
        {
            "start_timestamp": start // 1000,
            "end_timestamp": (start + length) // 1000,
            "marketprice": price,
            "unit": "Eur/MWh",
        }
        for start, price in sorted(said.items())
    ]
    return poll("electricity_pricing", "awattar", {"object": "list", "data": data}, time)


def carbon(time: int, grams: int) -> Event:
    """Return a poll of the British service: what is measured in the half hour of the poll."""
    start = time - time % (30 * MINUTE)
    times = {"from": to_iso(start)[:16] + "Z", "to": to_iso(start + 30 * MINUTE)[:16] + "Z"}
    intensity = {"forecast": grams, "actual": grams, "index": "high"}
    return poll("carbon_intensity", "uk", {"data": [{**times, "intensity": intensity}]}, time)


def home(folder: Path, events: Sequence[Event]) -> Home:
    """Return the home as a log says it."""
    write_log(folder, [*registries(DAY_0), *events])
    return home_of(LogView(folder), normalizers())


def at(known: Home, kind: str, time: int) -> Mapping[str, Field] | None:
    return known.at(time).condition(kind, time)


def value(known: Home, kind: str, field: str, time: int) -> Field | None:
    fields = at(known, kind, time)
    return None if fields is None else fields.get(field)


@pytest.mark.parametrize(
    ("event", "kind", "field", "said"),
    [
        (weather(NOON, 7.5), "weather", "temperature", 7.5),
        (carbon(NOON, 263), "carbon_intensity", "carbon_intensity_gco2_kwh", 263.0),
    ],
)
def test_weather_and_carbon_apply_for_two_hours(
    event: Event, kind: str, field: str, said: float, tmp_path: Path
) -> None:
    known = home(tmp_path, [event])
    found = [value(known, kind, field, NOON + seconds * SECOND) for seconds in (29, 30, 3_600, 7_199, 7_231)]
    assert found == [None, said, said, said, None]


def test_a_price_applies_until_two_hours_after_its_interval_though_nothing_is_asked_for_since(tmp_path: Path) -> None:
    """The day ahead is known at noon; then nobody is asked any more."""
    known = home(tmp_path, [prices(NOON, {NOON + n * HOUR: 100.0 + n for n in range(36)})])
    last = NOON + 35 * HOUR
    assert value(known, "electricity_pricing", "price", NOON + SETTLES - 1) is None
    assert value(known, "electricity_pricing", "price", NOON + SETTLES) == 0.1
    assert value(known, "electricity_pricing", "price", NOON + 20 * HOUR + 5) == 0.12
    assert value(known, "electricity_pricing", "price", last + 3 * HOUR - 1) == 0.135
    assert value(known, "electricity_pricing", "price", last + 3 * HOUR) is None


def test_quarters_of_an_hour_and_gaps(tmp_path: Path) -> None:
    quarters = {NOON + n * 15 * MINUTE: 10.0 * n for n in (0, 1, 2, 20)}
    known = home(tmp_path, [prices(NOON - HOUR, quarters, 15 * MINUTE)])
    price = [
        value(known, "electricity_pricing", "price", NOON + minutes * MINUTE) for minutes in (-1, 0, 16, 45, 299, 300)
    ]
    assert price == [None, 0.0, 0.01, 0.02, None, 0.2], (
        "the third one's interval ends at 12:45, or at 13:30 at the latest"
    )


def test_a_later_answer_takes_the_place_of_an_earlier_one_and_one_without_a_price_does_not(tmp_path: Path) -> None:
    day = {NOON + n * HOUR: 100.0 for n in range(10)}
    events = [prices(NOON, day), prices(NOON + HOUR, dict.fromkeys(day, 200.0)), prices(NOON + 2 * HOUR, {})]
    known = home(tmp_path, events)
    hours = (1, 3)
    assert [value(known, "electricity_pricing", "price", NOON + n * HOUR + 1) for n in hours] == [0.1, 0.2]


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Polls of each kind over three days, of several values."""
    times = st.integers(0, 3 * 24 * 4).map(lambda quarter: DAY_0 + quarter * 15 * MINUTE)
    hours = st.dictionaries(st.integers(-3, 47), st.sampled_from([50.0, 60.0, 70.0]), max_size=4)
    one = st.one_of(
        st.builds(weather, times, st.sampled_from([1.0, 2.0, 3.0])),
        st.builds(carbon, times, st.sampled_from([100, 200])),
        st.builds(
            lambda time, said: prices(time, {time - time % HOUR + n * HOUR: price for n, price in said.items()}),
            *(times, hours),
        ),
    )
    return draw(st.lists(one, max_size=12))


def naive(events: Sequence[Event], kind: str, time: int) -> Any:
    """Return what applies, by a look at every record."""
    of = {one.name: one for one in normalizers()}[kind]
    answers = []
    for record in numbered(events):
        if record.source == kind and record.time + SETTLES <= time:
            view = Home().at(record.time)
            try:
                points = of.normalize(record, view)
            except Exception:
                continue
            answers.append(
                (
                    record.time,
                    record.raw,
                    {p.time // 1000: p for p in points if kind != "electricity_pricing" or "price" in p.fields},
                )
            )
    if not answers:
        return None
    asked, _, points = max(answers, key=lambda answer: answer[:2])
    begun = [start for start in points if start <= time]
    if not begun:
        return None
    start = max(begun)
    if kind != "electricity_pricing":
        fresh = time < asked + SETTLES + 2 * HOUR and time - start <= 2 * HOUR
        return points[start].fields if fresh else None
    return points[start].fields if time < start + 3 * HOUR else None


@given(stories(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_what_applies_is_what_a_look_at_every_record_says(events: list[Event], chance: random.Random) -> None:
    """In any order of arrival and of asking, and whether it was learned live or read from the log."""
    moments = [DAY_0 + chance.randrange(5 * 24 * 12) * 5 * MINUTE + chance.choice([0, 1, SETTLES]) for _ in range(40)]
    shuffled = chance.sample(events, len(events))
    with fast_folder() as folder, fast_folder() as other:
        known = home(folder, shuffled)
        write_log(other, registries(DAY_0))
        learned = home_of(LogView(other), normalizers())
        assert learned.conditions is not None
        for record in numbered(shuffled):
            if chance.random() < 0.5:
                at(learned, record.source, chance.choice(moments))
            learned.conditions.learn(record)
        for moment in moments:
            for kind in ("weather", "electricity_pricing", "carbon_intensity"):
                said = naive(events, kind, moment)
                assert at(known, kind, moment) == said
                assert at(learned, kind, moment) == said
