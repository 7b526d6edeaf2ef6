"""Who was listened to, and when not: each word of the recorder about itself gives one point."""

from typing import Any

import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers.coverage import MEASUREMENT, NORMALIZER, CoverageNormalizer
from homeiq.replayer.point import Point, line
from homeiq.storage.record import Event, housekeeping_event
from hypothesis import given
from hypothesis import strategies as st

from replayer.making import numbered
from servers.line_protocol import parse

NOON = from_iso("2026-11-23T12:00:00")


def point_of(event: Event) -> Point:
    (record,) = numbered([event])
    assert CoverageNormalizer.reads.wants(record)
    (point,) = CoverageNormalizer().normalize(record, Home().at(record.time))
    assert (point.series.measurement, point.time, point.seq) == (MEASUREMENT, event.received_at * 1000, 1)
    assert point.series.tags == {"source": event.source}
    return point


@pytest.mark.parametrize(
    ("source", "what", "connected"),
    [
        *(("recorder", "started", 1), ("recorder", "heartbeat", 1), ("recorder", "stopped", 0)),
        *(("weather", "connected", 1), ("weather", "disconnected", 0), ("weather", "dropped", 1)),
    ],
)
def test_each_word_is_a_point(source: str, what: str, connected: int) -> None:
    assert point_of(housekeeping_event(NOON, source, what)).fields == {"connected": connected, "origin": "live"}


def test_the_end_of_a_gap_says_how_long_it_was_and_why() -> None:
    told = {"gap_since": NOON - 60 * SECOND, "gap_seconds": 60.5, "gap_reason": "token_refused"}
    assert point_of(housekeeping_event(NOON, "home_assistant", "connected", version="1", **told)).fields == {
        **{"connected": 1, "origin": "live", "gap_seconds": 60.5, "gap_reason": "token_refused"}
    }
    assert "gap_seconds" not in point_of(housekeeping_event(NOON, "home_assistant", "disconnected", **told)).fields


def test_only_the_recorders_own_words_are_read() -> None:
    for event_type in ("state_changed", "state", "homeiq_backfilled", "homeiq_clock_jumped", "homeiq_blank"):
        (record,) = numbered([Event(NOON, NOON, "x", "live", event_type, None, None, "{}")])
        assert not CoverageNormalizer.reads.wants(record)
    assert NORMALIZER is CoverageNormalizer


values: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
facts = st.dictionaries(st.sampled_from(["gap_since", "gap_seconds", "gap_reason", "reason"]), values)


@given(st.text(min_size=1, max_size=5), facts)
def test_whatever_it_says_gives_a_point_of_constant_types(source: str, facts: dict[str, Any]) -> None:
    if not source.isprintable() or any(isinstance(value, int) and abs(value) >= 2**63 for value in facts.values()):
        return
    event = housekeeping_event(NOON, source, "connected", **facts)
    (record,) = numbered([event])
    (point,) = CoverageNormalizer().normalize(record, Home().at(record.time))
    kinds = {"connected": int, "origin": str, "gap_seconds": float, "gap_reason": str}
    assert all(type(value) is kinds[name] for name, value in point.fields.items())
    ((_, found),) = parse(line(point)).items()
    assert found == point.fields
