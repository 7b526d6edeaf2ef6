"""What each answer of an InfluxDB means, and what a person is told to do about it."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from homeiq.errors import (
    BatchTooLarge,
    BucketMissing,
    LinesRefused,
    TargetBusy,
    TargetError,
    TargetRefused,
    TargetUnreachable,
)
from homeiq.replayer.point import Point, Series
from homeiq.replayer.targets.influxdb import InfluxDBTarget
from homeiq.settings import InfluxDBSettings
from pydantic import SecretStr

from servers.influxdb2 import InfluxDB2
from servers.ports import free_port


@pytest.fixture(scope="module")
def server() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


def target_of(server: InfluxDB2, **changed: Any) -> InfluxDBTarget:
    right = {"url": server.url, "token": SecretStr(server.token), "org": server.org, "bucket": server.bucket}
    return InfluxDBTarget(InfluxDBSettings(**(right | changed)))


def points(count: int = 1, text: str = "x") -> list[Point]:
    return [Point(Series("m", {"t": "1"}), {"f": text}, n, n) for n in range(count)]


def raised(server: InfluxDB2, status: int, headers: dict[str, str] | None = None, **body: str) -> TargetError:
    """Return what is raised for an answer."""
    server.answers.append((status, headers or {}, body))
    target = target_of(server)
    with pytest.raises(TargetError) as caught:
        target.write(points())
    target.close()
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (401, TargetRefused, "set influxdb.token, or INFLUXDB_TOKEN"),
        (403, TargetRefused, "bucket home (on 1.8: user:password)"),
        (404, BucketMissing, "influx bucket create --org homeiq --name home (on 1.8: CREATE DATABASE home)"),
        (413, BatchTooLarge, ""),
        (400, LinesRefused, ""),
        (422, LinesRefused, ""),
        (429, TargetBusy, ""),
        (503, TargetBusy, ""),
        (500, TargetUnreachable, ""),
        (502, TargetUnreachable, ""),
        (418, TargetUnreachable, ""),
    ],
)
def test_each_answer_means_one_error(server: InfluxDB2, status: int, kind: type[TargetError], hint: str) -> None:
    error = raised(server, status, code="c", message="its own words")
    assert type(error) is kind
    assert "its own words" in str(error)
    assert hint in str(error)
    assert server.token not in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("99999", 300.0), ("0", 0.0), ("-5", 0.0), ("nan", 0.0), ("inf", 300.0), ("", 0.0), ("soon", 0.0)],
)
def test_retry_after_is_capped_and_never_nonsense(server: InfluxDB2, header: str, seconds: float) -> None:
    error = raised(server, 429, {"Retry-After": header})
    assert isinstance(error, TargetBusy)
    assert error.retry_after == seconds
    missing = raised(server, 503)
    assert isinstance(missing, TargetBusy)
    assert missing.retry_after == 0.0


def test_the_words_of_1_8_are_read_too(server: InfluxDB2) -> None:
    assert "of 1.8" in str(raised(server, 400, error="words of 1.8"))
    assert str(raised(server, 400)).strip() != ""


def test_a_server_that_lets_in_but_wants_points_is_connected(server: InfluxDB2) -> None:
    """InfluxDB 2 answers 400 to an empty write, after it has looked at token, organisation and bucket."""
    server.answers.append((400, {}, {"code": "invalid", "message": "writing requires points"}))
    target = target_of(server)
    target.connect(0)
    target.close()
    assert server.answers == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"token": SecretStr("wrong")}, "refuses the token"),
        ({"org": "wrong"}, "organization name"),
        ({"bucket": "wrong"}, "check influxdb.org (homeiq) and influxdb.bucket (wrong)"),
    ],
)
def test_wrong_settings_are_said_at_connect(server: InfluxDB2, changed: dict[str, Any], says: str) -> None:
    target = target_of(server, **changed)
    with pytest.raises(TargetRefused) as caught:
        target.connect(0)
    assert says in str(caught.value)
    target.close()


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid:8086"], ids=["refused", "unknown"]
)
def test_an_address_where_nobody_answers(url: str) -> None:
    target = InfluxDBTarget(InfluxDBSettings(url=url, timeout=2.0))
    with pytest.raises(TargetUnreachable, match=r"cannot be reached.*check influxdb.url, or INFLUXDB_URL"):
        target.connect(0)
    target.close()


def test_a_host_that_says_nothing_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = InfluxDBTarget(InfluxDBSettings(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2))
        with pytest.raises(TargetUnreachable, match="cannot be reached"):
            target.write(points())
        target.close()


def test_requests_are_no_larger_than_is_set(server: InfluxDB2) -> None:
    server.drop_everything()
    target = target_of(server, batch_bytes=1_000, batch_lines=7)
    long = points(10, "x" * 400)
    batches = list(target.batches(long))
    assert [len(batch) for batch in batches] == [1, 2, 2, 2, 1, 2], "7 and 3, halved until they are small enough"
    assert [point for batch in batches for point in batch] == long
    before = server.requests
    target.write(batches[1])
    assert server.requests == before + 1
    target.write(long)
    assert server.requests == before + 7
    assert len(server.content) == 10
    target.write(points(1, "x" * 5_000))
    assert server.requests == before + 8, "a line cannot be halved"
    target.close()


@pytest.mark.parametrize("gzip", [None, True, False])
def test_compressed_or_not_it_is_the_same(server: InfluxDB2, gzip: bool | None) -> None:
    server.drop_everything()
    target = target_of(server, gzip=gzip)
    target.write(points(3))
    target.close()
    assert len(server.content) == 3


def test_a_target_is_named_by_what_it_is(server: InfluxDB2) -> None:
    target, other = target_of(server), target_of(server, bucket="other")
    assert target.name == f"influxdb {server.url} homeiq home"
    assert target.name != other.name
    assert server.token not in target.name + target.title
    target.close()
    other.close()
