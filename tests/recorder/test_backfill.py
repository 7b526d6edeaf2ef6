"""Gaps are closed from a history that is slow, refuses, forgets and goes away; and the recorder is killed meanwhile."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SECOND, SystemClock
from homeiq.connectors.historian import Historian
from homeiq.errors import CommandRefused, SourceUnreachable
from homeiq.recorder.backfill import AFTER, BEFORE, Backfill, Pace, Range, ranges_of
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.settings import RecordingSettings
from homeiq.storage.gaps import Gap, GapReason
from homeiq.storage.log import EventLog
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event, Record, housekeeping_event
from hypothesis import given, settings
from hypothesis import strategies as st

from replayer.making import fast_folder
from storage.disks import FastFiles

HOME = "home_assistant"
AT_ONCE = Pace(after=0, look=0, rest=0, pause=0, longest_pause=0, again=0, progress=0)
NOW = SystemClock().now()
START, END = NOW - 7_200 * SECOND, NOW - 3_600 * SECOND
GAP = {"gap_since": START, "gap_seconds": 3_600.0, "gap_reason": "connection_lost"}


def row(time: int, entity_id: str = "sensor.a", state: str | None = "1") -> Event:
    raw = json.dumps({"s": state, "a": {}, "lu": time / SECOND})
    return Event(time, NOW, HOME, "backfill", "state", entity_id, state, raw)


class Script(Historian):
    """A history of rows that begins at `begins`, and does at each question what `fails` says."""

    def __init__(
        self, rows: Sequence[Event], begins: int = 0, fails: Callable[[int], Exception | None] = lambda number: None
    ) -> None:
        self.rows = [one for one in rows if one.time >= begins]
        self.begins = begins
        self.fails = fails
        self.questions: list[tuple[int, int]] = []
        self.there = True
        self.asked_at_once = 0

    def settled_at(self) -> float | None:
        return 0.0 if self.there else None

    async def entities(self) -> set[str]:
        return set()

    async def mentioned(self, start: int, end: int) -> set[str]:
        return {one.entity_id for one in self.rows if one.entity_id and start <= one.time < end}

    async def history(self, entity_ids: Sequence[str], start: int, end: int) -> Iterator[Event]:
        self.asked_at_once += 1
        assert self.asked_at_once == 1, "one question after the other"
        try:
            await asyncio.sleep(0)
            self.questions.append((start, end))
            if (error := self.fails(len(self.questions))) is not None:
                raise error
            return iter([one for one in self.rows if one.entity_id in entity_ids and start <= one.time < end])
        finally:
            self.asked_at_once -= 1

    async def reaches(self, entity_ids: Sequence[str], time: int) -> bool:
        return time >= self.begins


Act = Callable[[Backfill, Intake, Latest], Coroutine[Any, Any, None]]


def session(data_dir: Path, historian: Historian, act: Act, pace: Pace = AT_ONCE) -> None:
    """Let a recorder run as far as its backfill needs one."""

    async def run() -> None:
        with EventLog(data_dir, files=FastFiles()) as log:
            latest = Latest.load(data_dir, log.next_seq)
            intake = Intake(log, RecordingSettings(group_seconds=0.001), SystemClock(), latest)
            writing = asyncio.create_task(intake.run())
            await act(Backfill(HOME, historian, intake, latest, SystemClock(), pace), intake, latest)
            intake.close()
            await writing

    asyncio.run(run())


async def close_gaps(backfill: Backfill, intake: Intake, latest: Latest) -> None:
    """Run until nothing waits any more."""
    running = asyncio.create_task(backfill.run())
    async with asyncio.timeout(20):
        while latest.listened.waiting(HOME) and not running.done():
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def a_gap(data_dir: Path, *events: Event) -> None:
    """Write a log with a gap, and these events before it ended."""
    with EventLog(data_dir, files=FastFiles()) as log:
        log.append([*events, housekeeping_event(END, HOME, "connected", **GAP)])


def records(data_dir: Path) -> list[Record]:
    return [record for some in LogReader(data_dir).read() for record in some]


def said(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(record.raw) for record in records(data_dir) if record.event_type == "homeiq_backfilled"]


def states(data_dir: Path) -> list[tuple[int, str | None, str]]:
    return sorted(
        (r.time, r.entity_id, r.origin) for r in records(data_dir) if r.event_type in ("state", "state_changed")
    )


def live(time: int, entity_id: str = "sensor.a") -> Event:
    return Event(time, time, HOME, "live", "state_changed", entity_id, "1", "{}")


def test_what_was_missed_is_recorded_and_nothing_twice(tmp_path: Path) -> None:
    before, after = live(START - 30 * SECOND), live(END + 5 * SECOND)
    missed = [row(START + number * SECOND, "sensor.b") for number in range(0, 3_000, 7)]
    far = [row(START - BEFORE - 1), row(END + AFTER)]
    a_gap(tmp_path, before, after)
    session(tmp_path, Script([row(before.time), row(after.time), *missed, *far]), close_gaps)
    expected = [(one.time, one.entity_id, "backfill") for one in missed]
    assert states(tmp_path) == sorted([(before.time, "sensor.a", "live"), (after.time, "sensor.a", "live"), *expected])
    last = said(tmp_path)[-1]
    assert (last["from"], last["upto"]) == (last["since"], last["until"]) == (START - BEFORE, END + AFTER)
    assert (last["rows"], last["known"], last["done"], last["missing"]) == (len(missed), 2, True, ["events"])


def test_it_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    missed = [row(START + number * SECOND) for number in range(0, 3_600, 5)]
    a_gap(tmp_path, live(START))

    async def some(backfill: Backfill, intake: Intake, latest: Latest) -> None:
        running = asyncio.create_task(backfill.run())
        while len(historian.questions) < 3:
            await asyncio.sleep(0)
        running.cancel()  # what was taken is written; the last word on how far it came too
        await asyncio.gather(running, return_exceptions=True)

    historian = Script(missed)
    session(tmp_path, historian, some)
    upto = said(tmp_path)[-1]["upto"]
    assert START < upto < END
    (tmp_path / "recorder.sqlite").unlink(missing_ok=True)
    again = Script(missed)
    session(tmp_path, again, close_gaps)
    assert min(start for start, _ in again.questions) == upto
    assert [time for time, _, origin in states(tmp_path) if origin == "backfill"] == [one.time for one in missed[1:]]
    with EventLog(tmp_path, files=FastFiles()) as log:
        assert Latest.load(tmp_path, log.next_seq).listened.waiting(HOME) == []


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-100, 3_700), st.sampled_from("abc"), st.booleans()), unique_by=lambda one: one[0]),
    st.lists(st.sampled_from(["answer", "answer", "too much", "refuse", "kill", "away"]), max_size=12),
)
def test_whatever_happens_in_the_end_all_is_there(times: list[tuple[int, str, bool]], steps: list[str]) -> None:
    rows = [row(START + time * SECOND + 1, f"sensor.{name}") for time, name, _ in times]
    heard = [live(one.time, one.entity_id or "") for one, (_, _, is_live) in zip(rows, times, strict=True) if is_live]
    todo = iter(steps)

    def fails(number: int) -> Exception | None:
        match next(todo, "answer"):
            case "too much":
                return SourceUnreachable("it takes too long")
            case "refuse":
                return CommandRefused("not now", code="unknown_command")
            case "kill":
                return asyncio.CancelledError()  # type: ignore[return-value]
        return None

    with fast_folder() as data_dir:
        a_gap(data_dir, *heard)
        for _ in range(len(steps) + 1):
            historian = Script(rows, fails=fails)
            session(data_dir, historian, close_gaps, Pace(**{**vars_of(AT_ONCE), "tries": 50}))
        asked = [one for one in rows if START - BEFORE <= one.time < END + AFTER]
        expected = {(one.time, one.entity_id) for one in asked} | {(one.time, one.entity_id) for one in heard}
        found = states(data_dir)
        assert {(time, name) for time, name, _ in found} == expected
        assert len(found) == len(expected), "none twice: all of it is remembered"
        assert said(data_dir)[-1]["done"]


def vars_of(pace: Pace) -> dict[str, Any]:
    return {name: getattr(pace, name) for name in pace.__slots__}


def test_beyond_its_retention(tmp_path: Path) -> None:
    begins = START + 1_800 * SECOND
    rows = [row(START + number * SECOND) for number in range(0, 3_600, 60)]
    a_gap(tmp_path, live(START - 100 * SECOND))
    session(tmp_path, Script(rows, begins), close_gaps)
    last = said(tmp_path)[-1]
    assert last["missing"] == ["events", "retention"]
    assert (last["from"], last["upto"]) == (begins, END + AFTER)
    assert len([1 for _, _, origin in states(tmp_path) if origin == "backfill"]) == 30


def test_a_history_of_years_that_holds_the_last_days_only(tmp_path: Path) -> None:
    """A question for each quarter of an hour of ten years would take weeks."""
    start, day = NOW - 3_650 * 86_400 * SECOND, 86_400 * SECOND
    told = {"gap_since": start, "gap_seconds": 1.0, "gap_reason": "recorder_killed"}
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append([live(start), housekeeping_event(END, HOME, "connected", **told)])
    rows = [row(END - number * 3_600 * SECOND) for number in range(240)]
    historian = Script(rows, END - 10 * day)
    session(tmp_path, historian, close_gaps)
    assert len(historian.questions) < 200
    assert len([1 for _, _, origin in states(tmp_path) if origin == "backfill"]) == 240
    assert END - 10 * day <= said(tmp_path)[-1]["from"] < END - 9 * day


def test_one_that_refuses_is_given_up_in_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a_gap(tmp_path, live(START))
    historian = Script([], fails=lambda number: CommandRefused("refused", code="unknown_command"))
    session(tmp_path, historian, close_gaps)
    (last,) = said(tmp_path)
    assert (last["done"], last["missing"], "upto" in last) == (True, ["events", "no_history"], False)
    assert len(historian.questions) == AT_ONCE.tries + 1


def test_states_that_its_recorder_did_not_keep(tmp_path: Path) -> None:
    a_gap(tmp_path, live(START), live(END - 10 * SECOND, "sensor.excluded"))
    session(tmp_path, Script([row(START)]), close_gaps)
    assert said(tmp_path)[-1]["missing"] == ["events", "not_recorded"]


def test_a_renamed_entity_gets_no_states_of_before(tmp_path: Path) -> None:
    a_gap(tmp_path, live(START - SECOND, "sensor.old"))
    session(tmp_path, Script([row(START - SECOND, "sensor.new"), row(START + SECOND, "sensor.new")]), close_gaps)
    assert [(time, name) for time, name, _ in states(tmp_path)] == [
        (START - SECOND, "sensor.old"),
        (START + SECOND, "sensor.new"),
    ]


def test_not_too_early(tmp_path: Path) -> None:
    """After reconnecting, and after the end of a gap, it waits as long as it is told to."""
    asked: list[float] = []

    class Slow(Script):
        def settled_at(self) -> float | None:
            return connected

        async def history(self, *arguments: Any) -> Iterator[Event]:
            asked.append(clock.monotonic())
            return iter([])

    clock = SystemClock()
    connected = clock.monotonic() + 0.2
    a_gap(tmp_path, live(START))
    session(tmp_path, Slow([]), close_gaps, Pace(after=0.3, look=0.001, rest=0, pause=0))
    assert asked[0] >= connected + 0.3


def test_it_waits_while_the_disk_is_behind(tmp_path: Path) -> None:
    missed = [row(START + number * SECOND) for number in range(1_000)]
    a_gap(tmp_path, live(START - BEFORE))

    class Watched(Intake):
        most = 0.0

        def take(self, event: Event, *, always: bool = False) -> None:
            super().take(event, always=always)
            Watched.most = max(Watched.most, self.pressure)

    async def run() -> None:
        with EventLog(tmp_path, files=FastFiles()) as log:
            latest = Latest.load(tmp_path, log.next_seq)
            small = RecordingSettings(group_seconds=0.001, buffer_bytes=200_000)
            intake = Watched(log, small, SystemClock(), latest)
            writing = asyncio.create_task(intake.run())
            await close_gaps(Backfill(HOME, Script(missed), intake, latest, SystemClock(), AT_ONCE), intake, latest)
            intake.close()
            await writing
            assert intake.dropped == 0

    asyncio.run(run())
    assert Watched.most < 0.8
    assert len(states(tmp_path)) == 1_001


def test_gaps_that_lie_near_are_one_range() -> None:
    def gap(start: int, end: int, upto: int | None = None) -> Gap:
        since = None if upto is None else start * SECOND
        return Gap(HOME, start * SECOND, end * SECOND, 1.0, GapReason.NO_ANSWER, since, upto and upto * SECOND)

    flapping = [gap(number * 60 + 1_000, number * 60 + 1_030) for number in range(20)]
    assert ranges_of(flapping) == [Range(940 * SECOND, (19 * 60 + 1_045) * SECOND, 1_000 * SECOND, 2_170 * SECOND)]
    assert ranges_of([gap(1_000, 2_000, 1_500)]) == [
        Range(1_500 * SECOND, 2_015 * SECOND, 1_500 * SECOND, 2_000 * SECOND)
    ]
    assert len(ranges_of([gap(5_000, 5_010), gap(1_000, 1_010)])) == 2


def test_what_was_dropped_is_fetched_too(tmp_path: Path) -> None:
    dropped = {**GAP, "gap_reason": "disk_full", "events": 7}
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append([live(START - SECOND), housekeeping_event(END, HOME, "dropped", **dropped)])
    missed = [row(START + number * SECOND) for number in range(0, 3_600, 60)]
    session(tmp_path, Script(missed), close_gaps)
    assert [time for time, _, origin in states(tmp_path) if origin == "backfill"] == [one.time for one in missed]
