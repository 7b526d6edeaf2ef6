"""Each change of a connection is one record, and the one that ends a gap says which."""

from typing import Any

import orjson
from homeiq.clock import SECOND, ManualClock
from homeiq.recorder.connection import Connection
from homeiq.storage.gaps import Gap, GapReason
from homeiq.storage.record import Event


class Taker:
    """Stands for the intake."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self, event: Event) -> None:
        self.events.append(event)

    def said(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event.event_type, orjson.loads(event.raw)) for event in self.events]


def made(before: Gap | None = None) -> tuple[Connection, Taker, ManualClock]:
    clock, taker = ManualClock(), Taker()
    return Connection("x", taker, clock, before), taker, clock


def test_the_first_connection_ends_no_gap() -> None:
    connection, taker, _ = made()
    assert connection.connected(version="1") is None
    assert connection.connected(version="1") is None, "said once"
    assert taker.said() == [("homeiq_connected", {"version": "1"})]
    assert [(event.source, event.time) for event in taker.events] == [("x", taker.events[0].received_at)]


def test_a_gap_from_its_start_to_its_end() -> None:
    connection, taker, clock = made()
    connection.connected()
    clock.advance(10)
    start = clock.now()
    assert connection.lost(GapReason.SOURCE_CLOSED, "closed")
    clock.advance(5)
    assert connection.lost(GapReason.CONNECTION_REFUSED, "refused")
    assert not connection.lost(GapReason.CONNECTION_REFUSED, "refused"), "nothing new"
    assert connection.gap is not None
    clock.advance(55)
    gap = connection.connected()
    assert gap == Gap("x", start, clock.now(), 60.0, GapReason.SOURCE_STOPPED)
    assert taker.said()[1:] == [
        ("homeiq_disconnected", {"reason": "closed", "gap_reason": "source_closed", "gap_since": start}),
        ("homeiq_disconnected", {"reason": "refused", "gap_reason": "source_stopped", "gap_since": start}),
        ("homeiq_connected", {"gap_since": start, "gap_seconds": 60.0, "gap_reason": "source_stopped"}),
    ]


def test_a_gap_begins_when_the_source_was_heard_last() -> None:
    connection, _, clock = made()
    connection.connected()
    clock.advance(100)
    connection.lost(GapReason.NO_ANSWER, "silent", 40.0)
    clock.advance(20)
    gap = connection.connected()
    assert gap is not None
    assert (gap.start, gap.seconds) == (clock.now() - 60 * SECOND, 60.0)


def test_a_clock_that_is_set_back_makes_no_gap_negative() -> None:
    connection, _, clock = made()
    connection.connected()
    connection.lost(GapReason.UNREACHABLE, "away")
    clock.advance(7)
    clock.jump(-3600)
    gap = connection.connected()
    assert gap is not None
    assert gap.seconds == 7.0
    assert gap.end is not None
    assert gap.end < gap.start


def test_a_gap_of_the_run_before() -> None:
    clock = ManualClock()
    before = Gap("x", clock.now() - 90 * SECOND, None, None, GapReason.RECORDER_KILLED)
    connection, taker, clock = made(before)
    clock.advance(10)
    connection.lost(GapReason.CONNECTION_REFUSED, "refused")
    gap = connection.connected()
    assert gap is not None
    assert (gap.start, gap.seconds, gap.reason) == (before.start, 100.0, GapReason.RECORDER_KILLED)
    assert taker.said()[0][1]["gap_since"] == before.start
    clock.advance(5)
    connection.lost(GapReason.CONNECTION_LOST, "lost")
    clock.advance(2)
    gap = connection.connected()
    assert gap is not None
    assert gap.seconds == 2.0, "within one run the monotonic clock counts"


def test_a_run_that_began_with_a_clock_in_the_past() -> None:
    clock = ManualClock()
    connection, _, clock = made(Gap("x", clock.now() + 3600 * SECOND, None, None, GapReason.RECORDER_STOPPED))
    clock.advance(3)
    gap = connection.connected()
    assert gap is not None
    assert gap.seconds == 3.0


def test_a_source_that_was_never_heard_is_missed_from_the_start_of_the_run() -> None:
    connection, _, clock = made()
    begun = clock.now()
    clock.advance(4)
    connection.lost(GapReason.CONNECTION_REFUSED, "refused")
    connection.lost(GapReason.TOKEN_REFUSED, "no")
    clock.advance(6)
    gap = connection.connected()
    assert gap is not None
    assert (gap.start, gap.seconds, gap.reason) == (begun, 10.0, GapReason.TOKEN_REFUSED)
