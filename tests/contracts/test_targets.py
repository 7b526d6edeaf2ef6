"""One contract, every target: what is written is there, written again it is the same, and odd values come back exactly."""

import itertools
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, ManualClock
from homeiq.errors import TargetRefused, TargetUnreachable
from homeiq.replayer.delivery import Delivery
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.point import Point, Series, clean_name
from homeiq.replayer.targets.base import Target
from homeiq.replayer.targets.influxdb import InfluxDBTarget
from homeiq.settings import InfluxDBSettings

from contracts.kept import Content, Fake2, InfluxDB1, Kept, LineProtocol
from servers.influxdb2 import InfluxDB2

START = 20_780 * DAY


def series(**tags: str) -> Series:
    return Series("contract", {"entity_id": "sensor.a", **tags})


def point(number: int, day: int = 0, **fields: Any) -> Point:
    return Point(series(), {"value": float(number), **fields}, (START + day * DAY + number) * 1000, number)


def content_of(points: Sequence[Point]) -> Content:
    content: Content = {}
    for one in points:
        key = one.series.measurement, frozenset(one.series.tags.items()), one.time
        content.setdefault(key, {}).update({clean_name(name): value for name, value in one.fields.items()})
    return content


def write_window(target: Target, upto: int, *batches: Sequence[Point], day: int = 0) -> None:
    with target.window(START + day * DAY, upto, "home_assistant") as writer:
        for points in batches:
            writer.write(points)


def test_what_is_written_is_there(kept: Kept) -> None:
    points = [point(number, day) for day in range(3) for number in range(1, 50)]
    kept.target.connect(0)
    for number, one in enumerate(points, 1):
        one.seq = number
    kept.target.live("home_assistant").write(points[:20])
    kept.target.live("home_assistant").write(points[20:])
    assert kept.read() == content_of(points)


def test_nothing_is_written_by_connecting_or_by_writing_nothing(kept: Kept) -> None:
    kept.target.connect(0)
    kept.target.live("home_assistant").write([])
    write_window(kept.target, 1)
    assert kept.read() == {}


def test_a_window_written_twice_is_the_same(kept: Kept) -> None:
    points = [point(number) for number in range(1, 30)]
    kept.target.connect(0)
    for _ in range(3):
        write_window(kept.target, 40, points[:10], points[10:])
    assert kept.read() == content_of(points)


def test_a_live_write_repeated_after_a_crash_is_the_same(kept: Kept) -> None:
    if isinstance(kept, LineProtocol):
        pytest.skip("the follower does not write files")
    points = [point(number) for number in range(1, 30)]
    kept.target.connect(0)
    kept.target.live("home_assistant").write(points[:15])
    kept.target.live("home_assistant").write(points[15:20])
    kept.target.connect(15)
    kept.target.live("home_assistant").write(points[15:])
    assert kept.read() == content_of(points)


def test_a_window_replaces_what_was_written_live(kept: Kept) -> None:
    old = [point(number) for number in range(1, 10)]
    new = [Point(one.series, {"value": 99.0}, one.time, one.seq) for one in old]
    other_day = [point(20, day=1)]
    kept.target.connect(0)
    kept.target.live("home_assistant").write(old)
    kept.target.live("home_assistant").write(other_day)
    write_window(kept.target, 20, new)
    later = [point(21)]
    kept.target.live("home_assistant").write(later)
    assert kept.read() == content_of([*old, *new, *other_day, *later])


def test_a_window_that_was_interrupted_is_written_again(kept: Kept) -> None:
    points = [point(number) for number in range(1, 10)]
    kept.target.connect(0)
    kept.target.live("home_assistant").write(points[:3])
    with suppress(ZeroDivisionError), kept.target.window(START, 9, "home_assistant") as writer:
        writer.write(points[:5])
        raise ZeroDivisionError
    write_window(kept.target, 9, points)
    assert kept.read() == content_of(points)


def test_numbers_come_back_exactly(kept: Kept) -> None:
    floats = [5e-324, -0.0, 0.0, 1.0, 1e22, 1.7976931348623157e308, 0.1, -21.5, 1e-7, math.pi]
    points = [
        *(point(n, f=number) for n, number in enumerate(floats, 1)),
        *(point(n, i=number) for n, number in enumerate([0, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)], 30)),
        *(point(n, b=value) for n, value in enumerate([True, False], 50)),
    ]
    kept.target.connect(0)
    write_window(kept.target, 60, points)
    found = kept.read()
    if isinstance(
        kept, InfluxDB1
    ):  # JSON, in which it is read back, knows neither the sign of zero nor more than 2**53
        assert found == content_of(points)
    else:
        assert repr(sorted(found.items(), key=lambda item: item[0][2])) == repr(
            [*content_of(sorted(points, key=lambda one: one.time)).items()]
        )


ODD = ["".join(letters) for length in (1, 2, 3) for letters in itertools.product('\\,= "\na', repeat=length)]
ODDER = ["\r", "\0", "\t", "\x01", "\x7f", "\x85", "\u2028", "\ufeff", "\ud800", "ü", "🏠", "#", "'", "e\u0301"]


def test_odd_texts_come_back_exactly(kept: Kept) -> None:
    """As a string as they are; as a tag or a name as the table in `point` says."""
    texts = [*ODD, *ODDER]
    if not isinstance(kept, InfluxDB1):  # the independent reader takes it, in a name, for a string's beginning
        texts = [text for text in texts if '="' not in text]
    points = []
    for number, text in enumerate(texts, 1):
        fields: dict[str, Any] = {clean_name(f"attr_{text}"): 1.0, "text": text.replace("\ud800", "\ufffd")}
        points.append(Point(series(odd=text), fields, (START + number) * 1000, number))
    kept.target.connect(0)
    write_window(kept.target, len(points), points)
    assert kept.read() == content_of(points)


def test_an_odd_measurement_and_odd_names_of_tags(kept: Kept) -> None:
    texts = [text for text in [*ODD, *ODDER] if len(text) < 3]
    points = [
        Point(Series(f"m{text}m", {f"t{text}t": "x"}), {"value": 1.0}, (START + number) * 1000, number)
        for number, text in enumerate(texts, 1)
    ]
    points.append(Point(Series("#m", {"t": ""}), {"value": 1.0}, START * 1000, 1))
    kept.target.connect(0)
    write_window(kept.target, len(points), points)
    assert kept.read() == content_of(points)


def test_an_address_where_there_is_nothing(kept: Kept) -> None:
    kind, opened = kept.unreachable
    target = opened()
    with pytest.raises(kind):
        target.connect(0)
    target.close()


def test_one_who_is_there_answers_a_knock(kept: Kept) -> None:
    """One that answers for a server which is away, as what lies before it does, counts as away."""
    assert kept.target.answers()
    kind, opened = kept.unreachable
    if kind is TargetUnreachable and isinstance(kept, InfluxDB1 | Fake2):
        target = opened()
        assert not target.answers()
        target.close()


def test_a_knock_that_is_answered_for_another_who_is_away_is_none() -> None:
    server = InfluxDB2()
    target = InfluxDBTarget(InfluxDBSettings(url=server.url, token=server.token, bucket=server.bucket))
    server.answers_to["/ping"] = [(502, {}, "<html>nginx</html>"), (503, {"Retry-After": "300"}, None), (401, {}, None)]
    assert [target.answers() for _ in range(4)] == [False, False, True, True]
    target.close()
    server.close()


def test_a_database_that_does_not_exist(kept: Kept) -> None:
    if kept.elsewhere is None:
        pytest.skip("it has none")
    target = kept.elsewhere()
    with pytest.raises(TargetRefused, match="no such organisation or bucket"):
        target.connect(0)
    target.close()


def test_what_it_refuses_is_set_aside_and_the_rest_is_there(kept: Kept, tmp_path: Path) -> None:
    """A field that had another type; for InfluxDB also a time that it cannot hold."""
    first = [point(1)]
    wrong = [Point(series(), {"value": "text"}, (START + number) * 1000, number) for number in (5, 7)]
    beyond = [Point(series(), {"value": 1.0}, 2**63 + START, 6)] if isinstance(kept, InfluxDB1) else []
    good = [point(number) for number in (2, 3, 4, 8, 9)]
    ledger = Ledger(tmp_path, kept.target.name)
    delivery = Delivery(kept.target, ledger, ManualClock(), forever=False)
    delivery.connect(0)
    writer = kept.target.live("home_assistant")
    delivery.write(first, writer)
    delivery.write(sorted([*good, *wrong, *beyond], key=lambda one: one.seq), writer)
    refused = {letter.seq: letter.reason for letter in ledger.dead_letters()}
    ledger.close()
    if kept.types_conflict:
        assert sorted(refused) == sorted(one.seq for one in [*wrong, *beyond])
        assert all(refused.values())
        assert kept.read() == content_of([*first, *good])
    else:
        assert refused == {}
        assert kept.read() == content_of([*first, *good, *wrong])


def test_it_says_what_it_is_without_a_secret(kept: Kept) -> None:
    assert kept.target.name
    assert kept.target.title
    again = kept.open()
    assert again.name == kept.target.name
    again.close()
