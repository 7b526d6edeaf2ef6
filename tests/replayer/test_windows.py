"""What a window's records make: the same lines, whatever the order of arrival and wherever the records lie."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer import projection, windows
from homeiq.replayer.normalizers.base import Reason
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.point import Point, line
from homeiq.replayer.projection import rank_of, window_points
from homeiq.replayer.windows import (
    Counts,
    Span,
    home_of,
    latest_in,
    whole_windows,
    windows_between,
)
from homeiq.storage import maintenance
from homeiq.storage.log import EventLog
from homeiq.storage.record import ORIGINS, Event
from homeiq.storage.view import LogView
from hypothesis import given, settings
from hypothesis import strategies as st

from replayer.making import DAY_0, fast_folder, numbered, registries, state, wanted, write_log
from storage.disks import FastFiles

NAMES = ["sensor.a", "sensor.b", "sensor.é", "sensor.\U0001f3e0", "sensor.\ue000", "Sensor.z"]
moments = st.integers(0, 4).map(lambda n: DAY_0 + n * DAY // 4)
a_state = st.builds(
    lambda name, text, time, origin, whole, kind: state(
        name, text, time, origin, whole=whole, attributes={"device_class": kind}
    ),
    *(st.sampled_from(NAMES), st.sampled_from(["1", "2", "on"]), moments, st.sampled_from(ORIGINS)),
    *(st.booleans(), st.sampled_from(["x", "x", "y"])),
)


def made(data_dir: Path) -> list[list[Point]]:
    """Return the points of each window."""
    view, normalizer = LogView(data_dir), HomeAssistantNormalizer()
    home, counts = home_of(view), Counts()
    points = [
        [point for some in window_points(view, normalizer, home, span.start, span.end, counts) for point in some]
        for span in windows_between(view, normalizer, None, None)
    ]
    assert counts.points == sum(map(len, points))
    assert counts.events == counts.points + sum(counts.reasons.values())
    return points


def lines(data_dir: Path) -> list[str]:
    return [line(point) for points in made(data_dir) for point in points]


def write_in_parts(data_dir: Path, events: Sequence[Event], chance: random.Random) -> None:
    """Write a log whose records lie in merged segments, segments, several tails, in any mixture."""
    with EventLog(data_dir, files=FastFiles()) as log:
        for event in events:
            log.append([event])
            what = chance.random()
            if what < 0.3:
                log.rotate()
            if what < 0.1:
                maintenance.seal(data_dir, FastFiles())
            if what < 0.05:
                maintenance.compact(data_dir, FastFiles())


@settings(max_examples=40, deadline=None)
@given(st.lists(a_state, max_size=25), st.randoms(use_true_random=False), st.integers(1, 8), st.integers(1, 4))
def test_the_lines_depend_on_the_records_alone(
    events: list[Event], chance: random.Random, partition: int, batch: int
) -> None:
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        write_log(data_dir / "one", [*registries(DAY_0), *events])
        expected = lines(data_dir / "one")
        found = {point.key: point.fields for points in made(data_dir / "one") for point in points}
        assert found == wanted(numbered([*registries(DAY_0), *events]))
        assert len(found) == len(expected)
        chance.shuffle(events)
        patch.setattr(windows, "PARTITION", partition)
        patch.setattr(projection, "BATCH", batch)
        write_in_parts(data_dir / "other", [*events, *registries(DAY_0)], chance)
        assert lines(data_dir / "other") == expected
        for points in made(data_dir / "other"):
            order = [(point.series.tags["entity_id"].encode(), point.time) for point in points]
            assert order == sorted(order)


def copies() -> list[Event]:
    """Copies of one state, the best first."""
    first = [state("sensor.a", "1", DAY_0, origin, whole=False) for origin in ORIGINS]
    texts = [state("sensor.a", text, DAY_0, "live", whole=False) for text in ("3", "2")]
    return [*texts, *first]


@pytest.mark.parametrize("seed", range(5))
def test_of_copies_the_origin_decides_then_the_text(tmp_path: Path, seed: int) -> None:
    best = copies()
    for number in range(len(best)):
        events = best[number:]
        random.Random(seed).shuffle(events)
        write_log(tmp_path / str(number), events)
        ((point,),) = made(tmp_path / str(number))
        assert (point.fields["origin"], point.fields["state"]) == (best[number].origin, best[number].state)


def test_the_record_time_decides_before_the_text() -> None:
    later, earlier = numbered([state("sensor.a", "1", DAY_0 + 1), state("sensor.a", "9", DAY_0)])
    assert rank_of(later) > rank_of(earlier)


def test_records_that_give_no_point_are_counted_with_a_reason(tmp_path: Path) -> None:
    broken, stateless, nameless = (state("sensor.a", "1", DAY_0 + n) for n in range(3))
    broken.raw, stateless.raw, nameless.entity_id = "{", "{}", None
    twice = [state("sensor.b", "1", DAY_0), state("sensor.b", "1", DAY_0, "import")]
    write_log(tmp_path, [broken, stateless, nameless, *twice])
    view, counts = LogView(tmp_path), Counts()
    points = list(window_points(view, HomeAssistantNormalizer(), home_of(view), DAY_0, DAY_0 + DAY, counts))
    assert sum(map(len, points)) == counts.points == 1
    assert counts.events == 5
    assert counts.reasons == {Reason.UNREADABLE: 1, Reason.INCOMPLETE: 2, Reason.SUPERSEDED: 1}
    total = Counts()
    total.add(counts)
    total.add(counts)
    assert total.reasons == {Reason.UNREADABLE: 2, Reason.INCOMPLETE: 4, Reason.SUPERSEDED: 2}


def test_ranges_of_time_and_their_windows(tmp_path: Path) -> None:
    hour = 3_600 * SECOND
    times = [-1, DAY_0, DAY_0 + DAY - 1, DAY_0 + 2 * DAY, DAY_0 + 70 * 365 * DAY]
    write_log(tmp_path, [*registries(DAY_0 + DAY), *(state("sensor.a", "1", time) for time in times)])
    view, normalizer = LogView(tmp_path), HomeAssistantNormalizer()

    def spans(function: Any, since: int | None, until: int | None) -> list[Span]:
        return function(view, normalizer, since, until)  # type: ignore[no-any-return]

    assert [span.window for span in spans(windows_between, None, None)] == [-DAY, DAY_0, DAY_0 + 2 * DAY, times[-1]]
    since, until = DAY_0 + hour, DAY_0 + 2 * DAY + 1
    assert spans(windows_between, since, until) == [
        Span(DAY_0, since, DAY_0 + DAY, 1),
        Span(DAY_0 + 2 * DAY, DAY_0 + 2 * DAY, until, 1),
    ]
    assert spans(whole_windows, since, until) == [
        Span(DAY_0, DAY_0, DAY_0 + DAY, 2),
        Span(DAY_0 + 2 * DAY, DAY_0 + 2 * DAY, DAY_0 + 3 * DAY, 1),
    ]
    assert spans(whole_windows, DAY_0, DAY_0) == []
    assert latest_in(view, normalizer, DAY_0) == DAY_0 + DAY - 1
    assert latest_in(view, normalizer, DAY_0 + DAY) is None, "a registry is no state"
