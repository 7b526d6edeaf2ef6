"""The tests' own InfluxDB 2 refuses, and cannot delete, what a real 2.7 was seen not to."""

import gzip
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from servers.influxdb2 import InfluxDB2
from servers.web import Answer, request

NOW = 1_795_000_000 * 10**9


@pytest.fixture(scope="module")
def running() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


@pytest.fixture
def server(running: InfluxDB2) -> InfluxDB2:
    running.drop_everything()
    return running


def headers(server: InfluxDB2, token: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Token {server.token if token is None else token}"}


def write(server: InfluxDB2, lines: str, bucket: str = "home", token: str | None = None) -> Answer:
    if token is None:
        return server.write(bucket, lines)
    query = urlencode({"org": server.org, "bucket": bucket})
    return request("POST", f"{server.url}/api/v2/write?{query}", body=lines, headers=headers(server, token))


def delete(
    server: InfluxDB2, predicate: str, first: int = 0, last: int = 9, token: str | None = None, **more: Any
) -> Answer:
    query = urlencode({"org": server.org, "bucket": "home"})
    body = {"start": moment(first), "stop": moment(last), "predicate": predicate, **more}
    return request("POST", f"{server.url}/api/v2/delete?{query}", body=body, headers=headers(server, token))


def moment(nanoseconds: int) -> str:
    return f"1970-01-01T00:00:00.{nanoseconds:09d}Z"


def left(server: InfluxDB2) -> list[str]:
    """Return what is there, as `tag=value… time`."""
    return sorted(
        " ".join([*(f"{name}={value}" for name, value in sorted(tags)), str(time)]) for _, tags, time in server.content
    )


def test_both_ends_are_deleted(server: InfluxDB2) -> None:
    assert write(server, "\n".join(f"m,t=a f=1 {time}" for time in range(6))).status == 204
    assert delete(server, '_measurement="m" AND "t"="a"', 2, 3).status == 204
    assert left(server) == ["t=a 0", "t=a 1", "t=a 4", "t=a 5"]
    assert delete(server, '_measurement="m"', 0, 0).status == 204
    assert left(server) == ["t=a 1", "t=a 4", "t=a 5"]


def test_a_series_that_lacks_a_tag_is_not_to_be_named(server: InfluxDB2) -> None:
    write(server, "m,t=a f=1 1\nm,t=a,area=k f=1 1\nn,t=a f=1 1")
    assert delete(server, '_measurement="m" AND "t"="a" AND "area"=""').status == 204
    assert len(left(server)) == 3
    assert delete(server, '_measurement="m" AND "t"="a" AND "area"!="k"').status == 400
    assert delete(server, '_measurement="m" AND "t"="a"').status == 204
    assert [measurement for measurement, _, _ in server.content] == ["n"]


@pytest.mark.parametrize("key", ["user", "tag", "field", "from", "to", "in", "key", "a-b", "é"])
def test_keys_that_need_quotes(server: InfluxDB2, key: str) -> None:
    write(server, f"m,{key}=x f=1 1\nm,{key}=y f=1 1")
    assert delete(server, f'_measurement="m" AND {key}="x"').status == 400
    assert delete(server, f'_measurement="m" AND "{key}"="x"').status == 204
    assert left(server) == [f"{key}=y 1"]


def test_what_values_may_hold(server: InfluxDB2) -> None:
    write(server, 'm,t=a\\ b\\,c\\=d"e f=1 1')
    assert delete(server, '_measurement="m" AND t="a b,c=d\\"e"').status == 204
    assert left(server) == []


@pytest.mark.parametrize(
    "predicate",
    ['"t"="a" OR "t"="b"', '"t"=~/a/', '"t"', '"t"=', "t='a'", '("t"="a"', '"t"="a" AND', '"t"="a', '"t"="\\x"', "="],
)
def test_what_it_refuses(server: InfluxDB2, predicate: str) -> None:
    write(server, "m,t=a f=1 1")
    assert delete(server, predicate).status == 400
    assert delete(server, "", start="yesterday").status == 400
    assert left(server) == ["t=a 1"]


def test_a_line_that_cannot_be_parsed_keeps_the_others_out(server: InfluxDB2) -> None:
    for wrong in (
        "m f=NaN 2",
        "m f=9223372036854775808i 2",
        "m,t= f=1 2",
        "m f=1 9223372036854775807",
        "m 2",
        "m f=x 2",
    ):
        answer = write(server, f"m f=1 1\n{wrong}")
        assert (answer.status, server.content) == (400, {}), wrong


def test_a_field_with_another_type_does_not(server: InfluxDB2) -> None:
    answer = write(server, 'm f=1 1\nm f="x" 2\nm f=3 3')
    assert (answer.status, answer.json()["message"].partition(": partial")[2]) == (
        422,
        " write: field type conflict dropped=1",
    )
    assert left(server) == ["1", "3"]
    server.drop_everything()
    assert write(server, 'm f="x" 2').ok


def test_points_older_than_a_bucket_keeps(server: InfluxDB2) -> None:
    server.make_bucket("short", 3_600)
    server.now = lambda: NOW
    answer = write(server, f"m f=1 {NOW - 3_601 * 10**9}\nm f=1 {NOW - 3_599 * 10**9}", "short")
    assert answer.status == 422
    assert "partial write: dropped 1 points outside retention policy" in answer.json()["message"]
    assert len(server.buckets["short"].content) == 1
    buckets = request("GET", f"{server.url}/api/v2/buckets?name=short", headers=headers(server)).json()["buckets"]
    assert [rule["everySeconds"] for bucket in buckets for rule in bucket["retentionRules"]] == [3_600]


def test_who_may_do_what(server: InfluxDB2) -> None:
    only = server.write_only_token
    assert write(server, "m f=1 1", token=only).status == 204
    assert [delete(server, "", token=token).status for token in ("wrong", only)] == [401, 204]
    assert write(server, "m f=1 1", token="wrong").status == 401
    assert write(server, "m f=1 1", bucket="other").status == 404
    for path in ("/api/v2/buckets", "/query", "/api/v2/dbrps"):
        statuses = [
            request("GET", server.url + path, headers=headers(server, token)).status for token in ("wrong", only)
        ]
        assert statuses == [401, 403]
    assert request("GET", f"{server.url}/health").json()["version"].startswith("v2.7")
    assert request("GET", f"{server.url}/ping").status == 204


def test_it_can_be_put_back(server: InfluxDB2) -> None:
    write(server, "m f=1 1")
    copy = server.snapshot()
    write(server, "m f=2 1\nm f=2 2")
    server.restore(copy)
    assert list(server.read_back("home").values()) == [{"f": 1.0}]
    write(server, "m f=3 1")
    server.drop_everything()
    server.restore(copy)
    assert list(server.content.values()) == [{"f": 1.0}]


def test_answers_that_are_asked_for(server: InfluxDB2) -> None:
    server.answers.append((503, {"Retry-After": "3"}, {"message": "busy"}))
    server.answers_to["/api/v2/delete"] = [(500, {}, "text")]
    assert delete(server, "").body == "text"
    assert write(server, "m f=1 1").status == 503
    assert write(server, "m f=1 1").status == 204
    assert server.asked[-2:] == ["POST /api/v2/write"] * 2
    url = f"{server.url}/api/v2/write?org={server.org}&bucket={server.bucket}"
    packed = {**headers(server), "Content-Encoding": "gzip"}
    assert request("POST", url, body=gzip.compress(b"m f=2 2"), headers=packed).ok
    assert left(server) == ["1", "2"]
