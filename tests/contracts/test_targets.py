"""One contract, every target: what is written is there, written again it is the same, and odd values come back exactly."""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from homeiq.clock import DAY, ManualClock
from homeiq.errors import TargetRefused, TargetUnreachable
from homeiq.replayer.delivery import Delivery
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.point import Point, Series, clean_name
from homeiq.replayer.targets.base import Target
from homeiq.replayer.targets.embedded import EmbeddedTarget
from homeiq.replayer.targets.influxdb import InfluxDBTarget
from homeiq.replayer.targets.line_protocol import LineProtocolTarget
from homeiq.settings import InfluxDBSettings
from homeiq.storage.sql import query
from pydantic import SecretStr

from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.line_protocol import parse
from servers.ports import free_port

Content = dict[tuple[str, frozenset[tuple[str, str]], int], dict[str, Any]]

START = 20_780 * DAY


class Kept(ABC):
    """One kind of target, and another way to see what it holds."""

    unreachable: tuple[type[Exception], Callable[[], Target]]
    """The error for an address where there is nothing, and a target with such an address."""

    elsewhere: Callable[[], Target] | None = None
    """A target with a right address and a database that is missing."""

    types_conflict = False
    """Whether a field that has had another type is refused."""

    def __init__(self) -> None:
        self.target = self.open()

    @abstractmethod
    def open(self) -> Target:
        """Return a target that has not connected yet."""

    @abstractmethod
    def read(self) -> Content:
        """Return what it holds, each point once; ends the writing."""

    def close(self) -> None:
        """Give back what it holds."""
        self.target.close()


class InfluxDB1(Kept):
    """InfluxDB 1.8, by its 2.x API."""

    types_conflict = True

    def __init__(self, server: InfluxDBServer, database: str) -> None:
        self._server, self._database = server, database
        self.unreachable = TargetUnreachable, lambda: self._with(f"http://127.0.0.1:{free_port()}", database)
        self.elsewhere = lambda: self._with(server.url, "missing")
        super().__init__()

    def _with(self, url: str, database: str) -> Target:
        return InfluxDBTarget(InfluxDBSettings(url=url, token=SecretStr("any"), bucket=database))

    def open(self) -> Target:
        return self._with(self._server.url, self._database)

    def read(self) -> Content:
        return self._server.read_back(self._database)


class Fake2(Kept):
    """What answers as InfluxDB 2.7 does."""

    types_conflict = True

    def __init__(self, server: InfluxDB2) -> None:
        self._server = server
        server.drop_everything()
        self.unreachable = TargetUnreachable, lambda: self._with(url=f"http://127.0.0.1:{free_port()}")
        self.elsewhere = lambda: self._with(bucket="missing")
        super().__init__()

    def _with(self, **changed: Any) -> Target:
        right = {"url": self._server.url, "token": SecretStr(self._server.token), "org": self._server.org}
        return InfluxDBTarget(InfluxDBSettings(**(right | {"bucket": self._server.bucket} | changed)))

    def open(self) -> Target:
        return self._with()

    def read(self) -> Content:
        return self._server.content


class Embedded(Kept):
    """Files of the data folder, read by `homeiq sql`."""

    def __init__(self, folder: Path) -> None:
        (folder / "log").mkdir()
        (folder / "file").write_text("no folder")
        self._folder = folder
        self.unreachable = TargetUnreachable, lambda: EmbeddedTarget(folder / "file")
        super().__init__()

    def open(self) -> Target:
        return EmbeddedTarget(self._folder)

    def read(self) -> Content:
        table = query(self._folder, "SELECT * REPLACE (epoch_us(time) AS time) FROM points")
        assert table is not None
        content: Content = {}
        for row in table.to_pylist():
            measurement, time, fields = (row.pop(name) for name in ("measurement", "time", "fields"))
            tags = frozenset((name, value) for name, value in row.items() if value is not None)
            assert (measurement, tags, time * 1000) not in content
            content[measurement, tags, time * 1000] = orjson.loads(fields)
        return content


class LineProtocol(Kept):
    """A file of line protocol."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "points.lp"
        self.unreachable = TargetRefused, lambda: LineProtocolTarget(str(folder / "missing" / "points.lp"))
        super().__init__()

    def open(self) -> Target:
        return LineProtocolTarget(str(self._path))

    def read(self) -> Content:
        self.target.close()
        return parse(self._path.read_bytes().decode())


@pytest.fixture(scope="module")
def influxdb_2() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


@pytest.fixture(params=["influxdb 1.8", "influxdb 2", "embedded", "line protocol"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "influxdb 1.8":
        made: Kept = InfluxDB1(request.getfixturevalue("influxdb"), request.getfixturevalue("influx_database"))
    elif request.param == "influxdb 2":
        made = Fake2(request.getfixturevalue("influxdb_2"))
    else:
        made = Embedded(tmp_path) if request.param == "embedded" else LineProtocol(tmp_path)
    yield made
    made.close()


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
