"""Each poller has its own turns: when, what is said and recorded, and that nothing of it goes further."""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from homeiq.clock import SECOND, ManualClock, SystemClock
from homeiq.connectors.base import Asking, Missing, Poller, PollerSettings
from homeiq.connectors.http_client import HttpClient
from homeiq.errors import (
    HomeiqError,
    SourceBusy,
    SourceIncomplete,
    SourceRefused,
    SourceUnreachable,
    TokenRefused,
)
from homeiq.recorder.connection import Connection
from homeiq.recorder.schedule import Polling, Schedule, delay_after, first_delay, next_delay
from homeiq.storage.record import Event
from hypothesis import given
from hypothesis import strategies as st

from connectors.polls import around
from recorder.test_connection import Taker

NAMES = ("weather", "air_quality", "electricity_pricing", "carbon_intensity", "smart_meter", "calendar")
Step = HomeiqError | Exception | Missing | None


class Script(Poller[PollerSettings]):
    """Answers or fails as it is told."""

    name = "script"

    def __init__(self, steps: Sequence[Step], interval: float = 900.0) -> None:
        super().__init__(PollerSettings(provider="someone"), around())
        self._steps = list(steps)
        self._interval = interval
        self.polled = 0

    @property
    def interval(self) -> float:
        return self._interval

    def missing(self) -> Missing | None:
        return self._steps.pop(0) if isinstance(self._steps[0], Missing) else None  # type: ignore[return-value]

    async def poll(self, ask: Asking) -> None:
        self.polled += 1
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step


def turns(steps: Sequence[Step], interval: float = 900.0, chance: float = 0.5) -> tuple[Polling, Taker, list[float]]:
    """Let a poller have its turns by a clock that is moved to each."""
    clock, taker = ManualClock(), Taker()
    polling = Polling(
        Script(steps, interval),
        taker,
        clock,
        Connection("script", taker, clock),
        lambda: chance,  # type: ignore[arg-type]
    )

    async def session() -> list[float]:
        http = HttpClient(clock)
        delays = []
        for _ in steps:
            delays.append(await polling.turn(http))
            clock.advance(delays[-1])
        return delays

    return polling, taker, asyncio.run(session())


def types(taker: Taker) -> list[str]:
    return [event.event_type.removeprefix("homeiq_") for event in taker.events]


@given(st.sampled_from(NAMES), st.floats(10, 86_400), st.floats(0, 4e9), st.floats(0, 1))
def test_a_turn_is_never_long_in_coming_nor_too_soon(name: str, interval: float, now: float, chance: float) -> None:
    assert interval / 2 - 1e-3 <= next_delay(name, interval, now, chance) <= interval * 1.55 + 1e-3


def test_the_pace_is_the_interval() -> None:
    now, count = 1_795_530_600.0, 0
    end = now + 86_400
    while now < end:
        now += next_delay("weather", 900.0, now, (count * 0.37) % 1)
        count += 1
    assert 96 <= count <= 97


def test_turns_are_spread() -> None:
    """Not all at the full minute, not all at once, and always the same for one name."""
    places = sorted((1_795_530_600 + next_delay(name, 3600.0, 1_795_530_600.0, 0.0)) % 3600 for name in NAMES)
    assert min(after - before for before, after in itertools.pairwise(places)) > 5
    assert all(1 < place % 60 < 59 for place in places)
    firsts = sorted(first_delay(name) for name in NAMES)
    assert firsts == sorted(first_delay(name) for name in NAMES)
    assert 1 <= firsts[0] < firsts[-1] <= 10
    assert min(after - before for before, after in itertools.pairwise(firsts)) > 0.01


@given(st.integers(0, 10_000), st.floats(10, 86_400), st.floats(0, 1))
def test_a_failure_that_time_mends_is_tried_again_within_the_interval(
    attempt: int, interval: float, chance: float
) -> None:
    for error in (SourceUnreachable("away"), SourceBusy("busy"), None):
        assert 1 <= delay_after(error, attempt, interval, lambda: chance) <= 1 + max(interval, 60)
    assert delay_after(None, 0, interval, lambda: chance) <= 31


@pytest.mark.parametrize(("wanted", "least"), [(0, 1), (120, 121), (10**9, 6 * 3600 + 1), (None, 1)])
def test_retry_after_is_honoured_up_to_six_hours(wanted: float | None, least: float) -> None:
    error = SourceBusy("busy", retry_after=wanted)
    assert delay_after(error, 0, 900, lambda: 0.0) == least
    assert delay_after(error, 99, 900, lambda: 1.0) == least + 900


@pytest.mark.parametrize("error", [TokenRefused("no"), SourceRefused("no")])
@pytest.mark.parametrize(("interval", "least"), [(10, 900), (900, 3600), (86_400, 6 * 3600)])
def test_what_a_person_must_mend_is_tried_slowly(error: HomeiqError, interval: float, least: float) -> None:
    for chance in (0.0, 1.0):
        assert least <= delay_after(error, 0, interval, lambda chance=chance: chance) <= 1.05 * least  # type: ignore[misc]


def test_only_changes_are_recorded_and_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refused = TokenRefused("someone refuses access (HTTP 401)", hint="check script.api_key")
    polling, taker, _ = turns([None, None, refused, refused, refused, SourceBusy("busy"), None, None])
    assert types(taker) == ["connected", "disconnected", "disconnected", "connected"]
    assert [event.source for event in taker.events] == ["script"] * 4
    facts = [orjson.loads(event.raw) for event in taker.events]
    assert facts[0] == {"provider": "someone"}
    assert facts[1]["reason"] == "someone refuses access (HTTP 401): check script.api_key"
    assert facts[1]["gap_reason"] == "token_refused"
    assert facts[3]["gap_seconds"] > 3 * 3600
    assert [record.getMessage() for record in caplog.records] == [
        "script (someone) answers, and is asked each 15 min",
        "script (someone): someone refuses access (HTTP 401): check script.api_key",
        "script (someone): busy",
        "script (someone) answers, and is asked each 15 min",
    ]
    assert (polling.state.connected, polling.state.failures, polling.state.reason) == (True, 0, "")


def test_after_a_success_the_pace_is_as_ever() -> None:
    _, _, delays = turns([SourceBusy("b"), SourceBusy("b"), SourceBusy("b"), None, SourceBusy("b")], chance=1.0)
    assert delays[:3] == [31, 61, 121]
    assert 450 <= delays[3] <= 1400
    assert delays[4] == 31


def test_what_came_in_part_is_asked_for_at_the_usual_pace() -> None:
    _polling, taker, delays = turns([None, SourceIncomplete("one is away"), SourceIncomplete("one is away"), None])
    assert types(taker) == ["connected", "disconnected", "connected"]
    assert all(450 <= delay <= 1400 for delay in delays)


def test_a_setting_that_is_missing_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    missing = Missing("script is not configured: set script.api_key")
    polling, taker, delays = turns([missing, missing, missing])
    assert [record.getMessage() for record in caplog.records] == ["script is not configured: set script.api_key"]
    assert polling.poller.polled == 0  # type: ignore[attr-defined]
    assert (polling.state.configured, polling.state.reason) == (False, missing.sentence)
    assert taker.events == []
    assert delays == [15, 15, 15]


def test_what_is_awaited_is_said_when_it_does_not_come(caplog: pytest.LogCaptureFixture) -> None:
    waiting = Missing("script waits for Home Assistant", awaited=True)
    turns([waiting] * 4)
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, "homeiq"):
        _polling, taker, _ = turns([*[waiting] * 9, None])
    assert [record.getMessage() for record in caplog.records] == ["script waits for Home Assistant"]
    assert types(taker) == ["connected"]


def test_an_error_of_a_connector_ends_nothing_and_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("the-secret-key is wrong")
    polling, taker, delays = turns([error, error, None])
    assert types(taker) == ["disconnected", "connected"]
    assert orjson.loads(taker.events[0].raw)["gap_reason"] == "homeiq_error"
    assert caplog.text.count("an error in its connector: ValueError") == 1
    assert "Traceback" in caplog.text
    assert "the-secret-key" not in caplog.text + str(polling.state) + "".join(event.raw for event in taker.events)
    assert max(delays[:2]) < 60


def test_a_stop_is_recorded_where_it_was_heard() -> None:
    polling, taker, _ = turns([None])
    polling.stopped()
    polling.stopped()
    assert types(taker) == ["connected", "disconnected"]
    assert orjson.loads(taker.events[-1].raw)["gap_reason"] == "recorder_stopped"
    polling, taker, _ = turns([SourceBusy("b")])
    polling.stopped()
    assert types(taker) == ["disconnected"]


class Booked:
    """Stands for APScheduler: keeps what is booked."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[Any, datetime, Any]] = {}

    def add_job(self, function: Any, trigger: str, *, run_date: datetime, args: Any, id: str, **options: Any) -> None:
        assert (trigger, options) == ("date", {"replace_existing": True, "misfire_grace_time": None})
        self.jobs[id] = (function, run_date, args)


class Slow(Script):
    """Does not answer until it is let."""

    def __init__(self, name: str) -> None:
        super().__init__([None] * 9)
        self.name = name  # type: ignore[misc]
        self.let = asyncio.Event()
        self.at_once = 0

    async def poll(self, ask: Asking) -> None:
        self.at_once += 1
        assert self.at_once == 1
        await self.let.wait()
        self.at_once -= 1
        await super().poll(ask)


def polling_of(poller: Poller[Any]) -> Polling:
    clock, taker = ManualClock(), Taker()
    return Polling(poller, taker, clock, Connection(poller.name, taker, clock))  # type: ignore[arg-type]


def test_a_slow_one_delays_no_other_and_is_never_asked_twice_at_once() -> None:
    async def session() -> None:
        slow, quick = Slow("slow"), Slow("quick")
        quick.let.set()
        booked = Booked()
        schedule = Schedule([polling_of(slow), polling_of(quick)], ManualClock())
        schedule.start(booked)  # type: ignore[arg-type]
        assert set(booked.jobs) == {"poll slow", "poll quick"}
        for _ in range(3):
            for name in list(booked.jobs):
                function, run_date, args = booked.jobs.pop(name)
                assert run_date > datetime.now(UTC)
                await function(*args)
            async with asyncio.timeout(10):
                while "poll quick" not in booked.jobs:
                    await asyncio.sleep(0)
        assert (quick.polled, slow.polled, slow.at_once) == (3, 0, 1)
        assert set(booked.jobs) == {"poll quick"}, "the other's next turn is booked when this one has ended"
        slow.let.set()
        async with asyncio.timeout(10):
            while "poll slow" not in booked.jobs:
                await asyncio.sleep(0)
        await schedule.stop()

    asyncio.run(session())


def test_a_stop_ends_what_is_under_way() -> None:
    async def session() -> None:
        slow, booked = Slow("slow"), Booked()
        schedule = Schedule([polling_of(slow)], ManualClock())
        schedule.start(booked)  # type: ignore[arg-type]
        function, _, args = booked.jobs.pop("poll slow")
        await function(*args)
        await asyncio.sleep(0)
        assert slow.at_once == 1
        await schedule.stop()
        await function(*args)
        assert booked.jobs == {}
        assert slow.at_once == 1, "nobody is asked any more"

    asyncio.run(session())


def test_by_the_real_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    from homeiq.recorder import schedule as module

    monkeypatch.setattr(module, "first_delay", lambda name: 0.01)
    monkeypatch.setattr(module, "next_delay", lambda *arguments: 0.01)

    async def session() -> None:
        poller = Script([None, SourceIncomplete("x")] * 500, 10.0)
        polling = polling_of(poller)
        schedule = Schedule([polling], SystemClock())
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        schedule.start(scheduler)
        async with asyncio.timeout(30):
            while poller.polled < 5:
                await asyncio.sleep(0.01)
        assert polling.state.next_poll is not None
        assert polling.state.last_poll is not None
        await schedule.stop()
        scheduler.shutdown(wait=False)

    asyncio.run(session())


def test_events_are_counted() -> None:
    event = Event(1, 5 * SECOND, "script", "live", "polled", None, None, "{}")

    class One(Script):
        async def poll(self, ask: Asking) -> None:
            ask._take(event)

    polling = polling_of(One([None]))
    asyncio.run(polling.turn(HttpClient(ManualClock())))
    assert (polling.state.events, polling.state.last_event) == (1, 5 * SECOND)
