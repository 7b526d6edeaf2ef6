"""Questions to an InfluxDB: what each way to fail means, and that an answer that is cut off is never taken for whole."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from homeiq.errors import BucketMissing, TargetBusy, TargetError, TargetRefused, TargetUnreachable
from homeiq.replayer.point import Point, Series
from homeiq.replayer.targets.base import Ghost
from homeiq.replayer.targets.influxdb import InfluxDBTarget
from homeiq.settings import InfluxDBSettings
from pydantic import SecretStr

from servers.influxdb2 import InfluxDB2
from servers.ports import free_port

SERIES = '{"name":"m","columns":["time","f"],"values":[[1,2]]}'
WHOLE = f'{{"results":[{{"statement_id":0,"series":[{SERIES}]}}]}}'
MORE_FOLLOWS = f'{{"results":[{{"statement_id":0,"series":[{SERIES}],"partial":true}}]}}'


@pytest.fixture(scope="module")
def server() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


@pytest.fixture
def target(server: InfluxDB2) -> Iterator[InfluxDBTarget]:
    server.drop_everything()
    settings = {"url": server.url, "token": SecretStr(server.token), "org": server.org, "bucket": server.bucket}
    target = InfluxDBTarget(InfluxDBSettings(**settings))
    target.connect(0)
    yield target
    target.close()
    server.answers_to.clear()


def raised(do: Callable[[], Any]) -> TargetError:
    with pytest.raises(TargetError) as caught:
        do()
    return caught.value


ASKING: dict[str, tuple[str, Callable[[InfluxDBTarget], Any]]] = {
    "read": ("/query", lambda target: list(target.read(["m"], 0, 9))),
    "latest": ("/query", lambda target: target.latest("m")),
    "holds": ("/query", lambda target: target.holds(["m"])),
    "delete": ("/api/v2/delete", lambda target: target.delete([Ghost("m", {}, 0, 9)])),
}


@pytest.mark.parametrize("what", ASKING)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, TargetRefused),
        (401, TargetRefused),
        (403, TargetRefused),
        (404, TargetRefused),
        (413, TargetRefused),
        (422, TargetRefused),
        (501, TargetRefused),
        (429, TargetBusy),
        (503, TargetBusy),
        (408, TargetUnreachable),
        (500, TargetUnreachable),
        (502, TargetUnreachable),
        (504, TargetUnreachable),
    ],
)
def test_each_answer_means_one_error(
    server: InfluxDB2, target: InfluxDBTarget, what: str, status: int, kind: type[TargetError]
) -> None:
    path, ask = ASKING[what]
    server.answers_to[path] = [(status, {"Retry-After": "7"}, {"code": "c", "message": "its own words"})]
    error = raised(lambda: ask(target))
    assert type(error) is kind
    assert "its own words" in str(error)
    assert server.token not in str(error)
    if isinstance(error, TargetBusy):
        assert error.retry_after == 7.0
    if kind is TargetRefused:
        assert "set influxdb.token, or INFLUXDB_TOKEN" in str(error)
    ask(target)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ('{"results":[{"statement_id":0,"error":"timeout"}]}', TargetUnreachable, "cannot read now (timeout)"),
        ('{"error":"engine is closed"}', TargetUnreachable, "engine is closed"),
        ('{"error":"not authorized to read"}', TargetRefused, "not authorized to read"),
        ('{"results":[{"statement_id":0,"error":"database not found: x"}]}', BucketMissing, "make the bucket"),
        ('{"error":"max-select-series limit exceeded"}', TargetRefused, "limit exceeded"),
        (MORE_FOLLOWS, TargetUnreachable, "ends before it is complete"),
        (f"{MORE_FOLLOWS}\n{MORE_FOLLOWS}\n", TargetUnreachable, "ends before it is complete"),
        (f"{MORE_FOLLOWS}\n{WHOLE[:-9]}", TargetUnreachable, "not JSON"),
        ("", TargetUnreachable, "ends before it is complete"),
        ("{}", TargetUnreachable, "ends before it is complete"),
        ('{"results":[]}', TargetUnreachable, "ends before it is complete"),
        ('{"results":[{"name":"databases"}]}', TargetUnreachable, "not what a query gives"),
        ("<html>", TargetUnreachable, "not JSON"),
        ("[1]", TargetUnreachable, "not what a query gives"),
    ],
)
def test_an_answer_that_is_none(
    server: InfluxDB2, target: InfluxDBTarget, body: str, kind: type[TargetError], says: str
) -> None:
    server.answers_to["/query"] = [(200, {}, body)]
    error = raised(lambda: list(target.read(["m"], 0, 9)))
    assert type(error) is kind
    assert says in str(error)


def test_what_came_before_an_error_may_have_been_used(server: InfluxDB2, target: InfluxDBTarget) -> None:
    server.answers_to["/query"] = [(200, {}, f'{MORE_FOLLOWS}\n{{"error":"timeout"}}')]
    reading = target.read(["m"], 0, 9)
    assert next(reading).time == 1
    with pytest.raises(TargetUnreachable, match="timeout"):
        next(reading)


def answering(content: bytes) -> tuple[str, socket.socket]:
    """Listen for one connection, give it these bytes, and close it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        connection.recv(100_000)
        connection.sendall(content)
        connection.close()

    threading.Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", listener


def chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(MORE_FOLLOWS + "\n"),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(WHOLE + "\n"),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(WHOLE + "\n")[:-20],
        HEAD + b"Content-Length: 1000\r\n\r\n" + WHOLE.encode(),
        HEAD + b"\r\n" + MORE_FOLLOWS.encode(),
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_a_connection_that_is_cut(content: bytes) -> None:
    url, listener = answering(content)
    target = InfluxDBTarget(InfluxDBSettings(url=url, timeout=5.0))
    with listener, pytest.raises(TargetUnreachable):
        list(target.read(["m"], 0, 9))
    target.close()


def test_a_whole_answer_in_odd_pieces() -> None:
    text = f"{MORE_FOLLOWS}\n{WHOLE}\n"
    pieces = b"".join(chunk(text[start : start + 7]) for start in range(0, len(text), 7))
    url, listener = answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
    target = InfluxDBTarget(InfluxDBSettings(url=url))
    with listener:
        assert [stored.time for stored in target.read(["m"], 0, 9)] == [1, 1]
    target.close()


def test_nobody_answers() -> None:
    for url, kind, says in (
        (f"http://127.0.0.1:{free_port()}", TargetUnreachable, "check influxdb.url, or INFLUXDB_URL"),
        ("http://no-such-host.invalid:8086", TargetUnreachable, "cannot be reached"),
    ):
        target = InfluxDBTarget(InfluxDBSettings(url=url, timeout=2.0))
        error = raised(lambda: list(target.read(["m"], 0, 9)))  # noqa: B023
        assert type(error) is kind
        assert says in str(error)
        target.close()


def test_a_host_that_says_nothing_is_left_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        target = InfluxDBTarget(InfluxDBSettings(url=url, timeout=0.05))
        with pytest.raises(TargetUnreachable, match="cannot be reached"):
            list(target.read(["m"], 0, 9))
        target.close()


def test_one_delete_that_fails_is_an_error_though_others_worked(server: InfluxDB2, target: InfluxDBTarget) -> None:
    points = [Point(Series("m", {"a": str(n)}), {"f": 1.0}, n, n) for n in range(3)]
    target.write(points)
    ghosts = [Ghost("m", one.series.tags, one.time, one.time) for one in points]
    server.answers_to["/api/v2/delete"] = [(500, {}, {"message": "x"})]
    with pytest.raises(TargetUnreachable):
        target.delete(ghosts)
    assert len(server.content) == 3
    target.delete(ghosts)
    assert server.content == {}
