"""Gaps are told from the recorder's own records, and from the log by the view of that name."""

import re
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.storage.gap_view import SCHEMA
from homeiq.storage.gaps import DEAD_AFTER, MISSING, SENTENCES, Gap, GapReason, Listening, combined, gaps_of
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event, housekeeping_event
from homeiq.storage.sql import query

from .disks import FastFiles

NOON = from_iso("2026-11-23T12:00:00")
HOME = "home_assistant"


def at(second: float, what: str, source: str = "recorder", **facts: object) -> Event:
    return housekeeping_event(NOON + round(second * SECOND), source, what, **facts)


def event(second: float) -> Event:
    time = NOON + round(second * SECOND)
    return Event(time, time, HOME, "live", "state_changed", "sensor.a", "1", "{}")


def found(*records: Event, now: float | None = None) -> list[tuple[Any, ...]]:
    gaps = gaps_of(records, None if now is None else NOON + round(now * SECOND))
    return [(gap.source, seconds(gap.start), seconds(gap.end), gap.seconds, gap.reason.value) for gap in gaps]


def seconds(time: int | None) -> float | None:
    return None if time is None else (time - NOON) / SECOND


def test_each_reason_has_a_sentence_for_people() -> None:
    assert set(SENTENCES) == set(GapReason)
    assert all(sentence and sentence[-1] != "." for sentence in [*SENTENCES.values(), *MISSING.values()])


def test_what_ends_a_gap_is_believed() -> None:
    told = {"gap_since": NOON + 5 * SECOND, "gap_seconds": 7.5, "gap_reason": "token_refused"}
    assert found(at(0, "started"), at(1, "connected", HOME), at(60, "connected", HOME, **told)) == [
        (HOME, 5, 60, 7.5, "token_refused")
    ]


def test_an_old_log_says_less_but_enough() -> None:
    records = (at(0, "started"), at(1, "connected", HOME), at(9, "disconnected", HOME, reason="away"))
    assert found(*records, at(19, "connected", HOME)) == [(HOME, 9, 19, 10, "source_error")]
    assert found(*records) == [(HOME, 9, None, None, "source_error")]


def test_an_orderly_stop() -> None:
    records = (at(0, "started"), at(1, "connected", HOME), at(9, "stopped"))
    assert found(*records) == [
        (HOME, 9, None, None, "recorder_stopped"),
        ("recorder", 9, None, None, "recorder_stopped"),
    ]
    assert found(*records, at(20, "started"), at(22, "connected", HOME)) == [
        (HOME, 9, 22, 13, "recorder_stopped"),
        ("recorder", 9, 20, 11, "recorder_stopped"),
    ]


@pytest.mark.parametrize(("last", "start"), [(at(61, "heartbeat"), 61), (event(75), 75)])
def test_after_a_kill_the_gap_begins_with_the_last_record(last: Event, start: float) -> None:
    records = (at(0, "started"), at(1, "connected", HOME), last)
    again = (at(100, "started"), at(103, "connected", HOME))
    assert found(*records, *again) == [
        (HOME, start, 103, 103 - start, "recorder_killed"),
        ("recorder", start, 100, 100 - start, "recorder_killed"),
    ]
    assert found(*records, now=start + DEAD_AFTER / SECOND) == []
    assert found(*records, now=start + DEAD_AFTER / SECOND + 1) == [
        (HOME, start, None, None, "recorder_killed"),
        ("recorder", start, None, None, "recorder_killed"),
    ]


def test_the_heartbeat_of_a_disconnected_recorder_hides_nothing() -> None:
    away = at(10, "disconnected", HOME, gap_reason="connection_refused", gap_since=NOON + 10 * SECOND)
    records = (at(0, "started"), at(1, "connected", HOME), away, at(60, "heartbeat"), at(120, "heartbeat"))
    assert found(*records, at(200, "started"), at(210, "connected", HOME)) == [
        (HOME, 10, 210, 200, "connection_refused"),
        ("recorder", 120, 200, 80, "recorder_killed"),
    ]


def test_a_source_that_was_silent_when_the_recorder_was_killed() -> None:
    records = (at(0, "started"), at(1, "connected", HOME), at(60, "heartbeat", silent={HOME: 50.0}))
    again = (at(100, "started"), at(110, "connected", HOME))
    assert found(*records, *again)[0] == (HOME, 10, 110, 100, "recorder_killed")
    assert found(*records, at(120, "heartbeat"), at(150, "started"), at(151, "connected", HOME))[0][1] == 120


def test_what_was_dropped_is_a_gap_by_itself() -> None:
    told = {"gap_since": NOON + 5 * SECOND, "gap_seconds": 20.0, "gap_reason": "disk_full", "events": 7}
    assert found(at(0, "started"), at(1, "connected", HOME), at(25, "dropped", HOME, **told)) == [
        (HOME, 5, 25, 20, "disk_full")
    ]


def test_no_length_is_negative_although_the_clock_was_set_back() -> None:
    records = (at(0, "started"), at(1, "connected", HOME), at(50, "disconnected", HOME), at(10, "connected", HOME))
    assert found(*records) == [(HOME, 50, 10, 0, "source_error")]


def test_the_reason_of_a_gap() -> None:
    reason = GapReason
    assert combined(reason.SOURCE_CLOSED, reason.CONNECTION_REFUSED) is reason.SOURCE_STOPPED
    assert combined(reason.RECORDER_KILLED, reason.CONNECTION_REFUSED) is reason.RECORDER_KILLED
    assert combined(reason.SOURCE_CLOSED, reason.TOKEN_REFUSED) is reason.TOKEN_REFUSED
    assert combined(reason.TOKEN_REFUSED, reason.UNREACHABLE) is reason.TOKEN_REFUSED


def test_how_far_it_was_closed() -> None:
    def gap() -> Gap:
        return Gap(HOME, 100, 200, 1.0, GapReason.UNREACHABLE)

    asked = {"since": 40, "until": 215}
    half = gap()
    assert not half.fill({**asked, "from": 40, "upto": 150})
    assert (half.closed_from, half.closed_upto, half.closed) == (100, 150, False)
    assert half.fill({**asked, "from": 150, "upto": 215, "missing": ["events", "of a newer version"]})
    assert (half.closed_from, half.closed_upto, half.closed) == (100, 200, True)
    assert half.missing == ("events",)
    late = gap()
    assert late.fill({**asked, "from": 170, "upto": 215, "done": True, "missing": ["retention", "events"]})
    assert (late.closed_from, late.closed_upto, late.closed) == (170, 200, False)
    never = gap()
    assert never.fill({**asked, "done": True, "missing": ["no_history"]}), "nothing more can be had"
    assert (never.closed_from, never.closed_upto, never.closed) == (None, None, False)
    other = gap()
    assert not other.fill({"since": 300, "until": 400, "from": 300, "upto": 400, "done": True})
    assert other == gap()
    holes = gap()
    holes.fill({**asked, "from": 100, "upto": 110})
    holes.fill({**asked, "from": 150, "upto": 180})
    assert (holes.closed_from, holes.closed_upto) == (150, 180), "a part that lacks nothing, the longest"
    back = Gap(HOME, 200, 100, 0.0, GapReason.UNREACHABLE)
    assert back.fill({**asked, "from": 40, "upto": 215})
    assert back.closed


@pytest.mark.parametrize(
    "raw", ["", "7", "[]", '{"gap_since":"x"}', '{"gap_reason":7}', '{"silent":[1]}', '{"from":1}']
)
@pytest.mark.parametrize(
    "what", ["started", "connected", "disconnected", "dropped", "heartbeat", "backfilled", "blank"]
)
def test_a_damaged_record_ends_nothing(what: str, raw: str) -> None:
    one = Event(NOON, NOON, HOME, "live", f"homeiq_{what}", None, None, raw)
    gaps_of([at(0, "started"), at(1, "connected", HOME), at(9, "disconnected", HOME), one])


def test_it_is_the_same_after_being_kept() -> None:
    listening = Listening()
    for record in (at(0, "started"), at(1, "connected", HOME), at(60, "heartbeat", silent={HOME: 50.0})):
        listening.learn(record)
    again = Listening.restored(listening.dump())
    again.end()
    listening.end()
    assert again.all_open() == listening.all_open() != []
    with pytest.raises((KeyError, TypeError, ValueError)):
        Listening.restored({"alive_at": 1, "running": True, "sources": {"x": [True]}})


def test_the_view(tmp_path: Path) -> None:
    told = {"gap_since": NOON + 5 * SECOND, "gap_seconds": 55.0, "gap_reason": "source_stopped"}
    asked = {"since": NOON - 55 * SECOND, "until": NOON + 75 * SECOND, "done": True, "missing": ["events"]}
    records = [
        *(at(0, "started"), at(1, "connected", HOME), event(2), at(4, "heartbeat", silent={HOME: 3.0})),
        *(at(60, "connected", HOME, **told), event(61)),
        at(80, "backfilled", HOME, **asked, rows=3, **{"from": asked["since"], "upto": asked["until"]}),
        *(at(90, "disconnected", HOME, gap_since=NOON + 88 * SECOND, gap_reason="no_answer"), at(100, "stopped")),
    ]
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append(records)
    sql = 'SELECT source, epoch_us(start) AS a, epoch_us("end") AS b, seconds, reason, closed, missing FROM gaps'
    table = query(tmp_path, sql)
    assert table is not None
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (HOME, NOON + 5 * SECOND, NOON + 60 * SECOND, 55.0, "source_stopped", True, "events"),
        (HOME, NOON + 88 * SECOND, None, None, "no_answer", False, None),
        ("recorder", NOON + 100 * SECOND, None, None, "recorder_stopped", False, None),
    ]


def test_the_page_says_it_all() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gaps-and-backfill.md").read_text(encoding="utf-8")
    cells = {
        word.strip().strip('"') for row in re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE) for word in row.split(",")
    }
    assert cells >= {reason.value for reason in GapReason} | set(MISSING) | set(SCHEMA.names)
