"""Ready means connected and recording; every reason against it is said."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import ManualClock
from homeiq.recorder.health import COMMIT_BUCKETS, Gaps, Health
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.recorder.schedule import PollState
from homeiq.recorder.supervisor import SourceState
from homeiq.settings import RecordingSettings
from homeiq.storage.gaps import GapReason
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event, housekeeping_event


class Made:
    """A health with a log and a clock that stands still."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        import asyncio

        async def intake() -> Intake:
            return Intake(self.log, recording, self.clock, Latest())

        recording = RecordingSettings(**settings)
        self.clock = ManualClock()
        self.log = EventLog(folder)
        self.intake = asyncio.run(intake())
        self.health = Health(self.log, self.intake, recording, self.clock)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    made = Made(tmp_path, silence_after_minutes=10)
    yield made
    made.log.close()


def event(source: str = "home_assistant", origin: Any = "live", at: int = 1) -> Event:
    return Event(at, at, source, origin, "x", None, None, "{}")


def test_ready_when_connected_and_recording(made: Made) -> None:
    assert made.health.not_ready() == []
    made.health.sources = [SourceState("home_assistant", connected=True)]
    assert made.health.not_ready() == []


def test_each_reason_is_said(made: Made) -> None:
    made.health.sources = [
        SourceState("home_assistant", reason="it refuses the token"),
        PollState("weather", reason="no key"),
    ]
    made.intake.problem = "the log cannot be written: No space left on device"
    made.health.http = {"url": "", "problem": "HTTP cannot listen"}
    made.clock.advance(601)
    assert made.health.not_ready() == [
        "Home Assistant is not connected: it refuses the token",
        "the log cannot be written: No space left on device",
        "no event came for 10 minutes (recording.silence_after_minutes is 10)",
        "HTTP cannot listen",
    ], "a utility that fails is none of them"


def test_only_events_break_the_silence(made: Made) -> None:
    made.clock.advance(590)
    made.health.committed([housekeeping_event(1, "recorder", "heartbeat")], 0.001)
    made.clock.advance(20)
    assert made.health.not_ready()
    made.health.committed([event()], 0.001)
    assert not made.health.not_ready()
    made.clock.jump(86_400)
    assert not made.health.not_ready(), "a clock that is set is no silence"


def test_dropped_events_and_a_log_that_is_gone(made: Made, tmp_path: Path) -> None:
    made.intake._drops.add("home_assistant", GapReason.BACKPRESSURE)
    assert "events are being dropped" in made.health.not_ready()[0]
    shutil.rmtree(tmp_path / "log")
    assert "the log's tail is gone" in made.health.not_ready()[1]


def test_a_full_disk(made: Made) -> None:
    made.health.disk.free = 0
    assert "is full: make room there" in made.health.not_ready()[0]


def test_events_are_counted_by_source_and_origin(made: Made) -> None:
    made.health.committed([event(), event(), event("pushed", "manual", at=7)], 0.002)
    made.clock.advance(5)
    status = made.health.status()
    assert status["events"] == [
        {"source": "home_assistant", "origin": "live", "count": 2},
        {"source": "pushed", "origin": "manual", "count": 1},
    ]
    assert status["last_event"]["pushed"] == {"at": "1970-01-01T00:00:00.000007+00:00", "seconds_since": 5.0}
    assert made.health.seconds_since("weather") is None


def test_gaps_are_the_intervals_after_a_connection(made: Made) -> None:
    def say(what: str) -> None:
        made.health.committed([housekeeping_event(1, "home_assistant", what)], 0.001)

    made.health.sources = [SourceState("home_assistant", since=1), PollState("weather", next_poll=2)]
    for what, seconds in [
        ("disconnected", 5),
        ("connected", 7),
        ("disconnected", 2),
        ("connected", 9),
        ("disconnected", 1),
    ]:
        say(what)
        made.clock.advance(seconds)
    source, weather = made.health.status()["sources"]
    assert weather["next_poll"] == "1970-01-01T00:00:00.000002+00:00"
    assert (source["gaps"], source["gap_seconds"]) == (2, 3.0)
    assert source["since"] == "1970-01-01T00:00:00.000001+00:00"


def test_a_second_word_of_the_same_changes_nothing() -> None:
    clock = ManualClock()
    gaps = Gaps(clock)
    for connected in (False, False, True, True, False, False):
        gaps.note(connected)
        clock.advance(1)
    assert (gaps.count, gaps.seconds) == (1, 2.0)


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, -2), (11.0, -1)])
def test_commits_fall_into_their_bucket(made: Made, seconds: float, place: int) -> None:
    made.health.committed([event()], seconds)
    expected = [0] * (len(COMMIT_BUCKETS) + 1)
    expected[place] = 1
    assert (made.health.commits, made.health.commit_seconds) == (expected, seconds)


def test_a_disk_whose_reserve_is_in_use(made: Made) -> None:
    made.log.reserve.missing = True
    made.health.disk.free = 0
    assert [reason.partition(" is full")[2] for reason in made.health.not_ready()] == [
        ", and what was kept for this is in use: make room there"
    ]
