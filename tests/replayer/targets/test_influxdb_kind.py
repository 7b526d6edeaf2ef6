"""What is found out about a server at connect: from a real 1.8, from a 2.x, and from others that answer to writes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.errors import TargetBusy, TargetRefused, TargetUnreachable
from homeiq.replayer.point import Point, Series
from homeiq.replayer.targets.base import Ghost
from homeiq.replayer.targets.influxdb import InfluxDBTarget
from homeiq.settings import InfluxDBSettings
from pydantic import SecretStr

from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2


@pytest.fixture(scope="module")
def running() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


@pytest.fixture
def server(running: InfluxDB2) -> Iterator[InfluxDB2]:
    running.drop_everything()
    yield running
    running.answers_to.clear()


def connected(url: str, token: str, bucket: str, org: str = "homeiq") -> InfluxDBTarget:
    target = InfluxDBTarget(InfluxDBSettings(url=url, token=SecretStr(token), org=org, bucket=bucket))
    try:
        target.connect(0)
    finally:
        target.close()
    return target


def to(server: InfluxDB2, token: str = "", bucket: str = "") -> InfluxDBTarget:
    return connected(server.url, token or server.token, bucket or server.bucket)


def able(target: InfluxDBTarget) -> tuple[bool, bool, bool]:
    return target.reads, target.deletes, target.deletes_exactly


def test_a_2_that_lets_us_do_everything(server: InfluxDB2) -> None:
    target = to(server)
    assert (able(target), target.retention, target.cannot) == ((True, True, False), None, ())
    assert target.product == "InfluxDB 2.7.12"
    assert server.content == {}


def test_the_retention_of_a_bucket(server: InfluxDB2) -> None:
    server.make_bucket("short", 7 * 86_400)
    assert to(server, bucket="short").retention == 7 * DAY


def test_a_token_that_may_only_write(server: InfluxDB2) -> None:
    target = to(server, server.write_only_token)
    assert able(target) == (False, True, False)
    known, read = target.cannot
    assert known.endswith("insufficient permissions to read buckets): what it keeps no longer is not known")
    assert read == "it does not let homeiq read (insufficient permissions to query): it is not read back"
    assert target.retention is None
    target.write([Point(Series("m", {}), {"f": 1.0}, 1, 1)])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 501])
def test_a_delete_that_is_not_allowed(server: InfluxDB2, status: int) -> None:
    server.answers_to["/api/v2/delete"] = [(status, {}, {"message": "not for you"})]
    target = to(server)
    assert able(target) == (True, False, False)
    (words,) = target.cannot
    assert words.startswith(
        "it does not let homeiq delete (not for you): nothing is removed from it; homeiq replay --into"
    )
    with pytest.raises(NotImplementedError):
        target.delete([Ghost("m", {}, 0, 1)])


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, {"message": "why"}),
        (403, {}, {"message": "why"}),
        (404, {}, "why"),
        (400, {}, {"error": "why"}),
        (200, {}, '{"results":[{"statement_id":0,"error":"database not found: home, why"}]}'),
        (200, {}, '{"error":"not authorized: why"}'),
    ],
)
def test_a_query_that_is_not_allowed(server: InfluxDB2, answer: Any) -> None:
    server.answers_to["/query"] = [answer]
    target = to(server)
    assert able(target) == (False, True, False)
    assert "why" in target.cannot[0]
    assert target.cannot[0].endswith("it is not read back")


@pytest.mark.parametrize(
    "answer", [(200, {}, {"buckets": []}), (404, {}, {"message": "x"}), (403, {}, {"message": "x"}), (200, {}, "html")]
)
def test_a_bucket_that_is_not_shown(server: InfluxDB2, answer: Any) -> None:
    server.answers_to["/api/v2/buckets"] = [answer]
    target = to(server)
    assert (able(target), target.retention) == ((True, True, False), None)
    assert target.cannot[0].endswith("what it keeps no longer is not known")


@pytest.mark.parametrize("path", ["/query", "/api/v2/delete", "/api/v2/buckets", "/ping", "/health"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((503, {"Retry-After": "7"}, {"message": "x"}), TargetBusy),
        ((429, {}, {"message": "x"}), TargetBusy),
        ((500, {}, {"message": "x"}), TargetUnreachable),
        ((502, {}, "<html>"), TargetUnreachable),
    ],
)
def test_nothing_is_concluded_from_a_server_that_cannot_answer(
    server: InfluxDB2, path: str, answer: Any, kind: type[Exception]
) -> None:
    server.answers_to[path] = [answer]
    server.answers_to.setdefault("/health", [(404, {}, "hidden")])
    with pytest.raises(kind):
        to(server)
    assert able(to(server)) == (True, True, False)


def test_the_name_of_the_bucket_is_mapped_to_another(server: InfluxDB2) -> None:
    mapping = {"database": "home", "retention_policy": "autogen", "default": True, "bucketID": "another"}
    server.answers_to["/api/v2/dbrps"] = [(200, {}, {"content": [mapping]})]
    target = to(server)
    assert not target.reads
    assert target.cannot == ("its name is mapped to bucket another, see influx v1 dbrp list: it is not read back",)
    server.answers_to["/api/v2/dbrps"] = [(200, {}, {"content": [mapping | {"default": False}]})]
    assert to(server).reads
    server.answers_to["/api/v2/dbrps"] = [(404, {}, "")]
    assert to(server).reads


def test_a_bucket_with_a_slash(server: InfluxDB2) -> None:
    """To InfluxQL it is a database and a retention policy."""
    server.make_bucket("home/short", 3_600)
    server.answers_to["/query"] = [(200, {}, '{"results":[{"statement_id":0}]}')]
    target = to(server, bucket="home/short")
    assert (able(target), target.retention) == ((True, True, False), 3_600 * SECOND)


@pytest.mark.parametrize("version", ["unknown", "", "nightly"])
def test_a_2_that_does_not_know_its_version(server: InfluxDB2, version: str) -> None:
    health = {"name": "influxdb", "status": "pass", "version": version}
    server.answers_to["/health"] = [(200, {}, health)]
    assert able(to(server)) == (True, True, False)


@pytest.mark.parametrize(
    ("health", "ping", "says"),
    [
        ((200, {}, "OK"), (204, {"X-Influxdb-Version": "1.8.0"}, None), "this server, which is no InfluxDB,"),
        ((200, {}, "OK"), (200, {"x-influxdb-version": "3.4.1"}, {"version": "3.4.1"}), "InfluxDB 3.4.1"),
        ((200, {}, "OK"), (204, {"X-Influxdb-Version": "3.0.0-beta"}, None), "InfluxDB 3.0.0-beta"),
        ((404, {}, ""), (404, {}, ""), "InfluxDB"),
    ],
)
def test_servers_of_which_nothing_more_is_known(server: InfluxDB2, health: Any, ping: Any, says: str) -> None:
    server.answers_to.update({"/health": [health], "/ping": [ping]})
    before = len(server.asked)
    target = to(server)
    assert able(target) == (False, False, False)
    assert len(target.cannot) == 2
    assert target.cannot[0] == f"what {says.strip()} holds is not read back"
    assert f"no points are removed from {says.strip()}: homeiq replay --into NEW_BUCKET" in target.cannot[1]
    assert server.asked[before:] == ["POST /api/v2/write", "GET /health", "GET /ping"]


def test_a_2_behind_a_proxy_that_hides_its_health(server: InfluxDB2) -> None:
    server.answers_to["/health"] = [(403, {}, "no")]
    assert able(to(server)) == (True, True, False)


def test_what_the_first_write_says_comes_first(server: InfluxDB2) -> None:
    with pytest.raises(TargetRefused, match="no such organisation or bucket"):
        to(server, bucket="missing")
    with pytest.raises(TargetRefused, match="refuses the token"):
        to(server, "wrong")


def test_a_1_8_that_lets_us_do_everything(influxdb: InfluxDBServer, influx_database: str) -> None:
    target = connected(influxdb.url, "any", influx_database)
    assert (able(target), target.retention, target.cannot) == ((True, True, True), None, ())
    assert influxdb.read_back(influx_database) == {}


def test_the_retention_of_a_policy(influxdb: InfluxDBServer, influx_database: str) -> None:
    influxdb.query(f'CREATE RETENTION POLICY "a week" ON {influx_database} DURATION 7d REPLICATION 1')
    assert connected(influxdb.url, "any", f"{influx_database}/a week").retention == 7 * DAY
    assert connected(influxdb.url, "any", influx_database).retention is None
    influxdb.query(f'ALTER RETENTION POLICY "a week" ON {influx_database} DEFAULT')
    assert connected(influxdb.url, "any", influx_database).retention == 7 * DAY


def test_a_database_whose_other_policies_hold_points(influxdb: InfluxDBServer, influx_database: str) -> None:
    """A DELETE of 1.8 names no policy: it takes points from all of them."""
    influxdb.query(f"CREATE RETENTION POLICY other ON {influx_database} DURATION 0s REPLICATION 1")
    bucket = f"{influx_database}/other"
    target = InfluxDBTarget(InfluxDBSettings(url=influxdb.url, token=SecretStr("any"), bucket=bucket))
    target.connect(0)
    assert able(target) == (True, True, True)
    point = Point(Series("m", {"a": "x"}), {"f": 1.0}, 1_795_000_000 * 10**9, 1)
    target.write([point])
    assert [stored.fields for stored in target.read(["m"], 0, 2**62)] == [{"f": 1}]
    assert influxdb.read_back(influx_database) == {}
    target.close()
    for in_default in (False, True):
        if in_default:
            influxdb.write(influx_database, "other f=1 5")
        mine = connected(influxdb.url, "any", bucket)
        assert able(mine) == ((True, False, False) if in_default else (True, True, True))
    assert f"database {influx_database} holds points in the retention policy autogen too" in mine.cannot[0]
    assert "give homeiq a database of its own" in mine.cannot[0]
    default = connected(influxdb.url, "any", influx_database)
    assert able(default) == (True, False, False)
    assert "in the retention policy other too" in default.cannot[0]


def test_users_of_a_1_8(influxdb_factory: Callable[..., InfluxDBServer]) -> None:
    server = influxdb_factory(auth_enabled=True)
    server.create_database("home")
    for user, right in (("writer", "WRITE"), ("reader", "READ"), ("both", "ALL")):
        server.query(f"CREATE USER {user} WITH PASSWORD 'secret'")
        server.query(f"GRANT {right} ON home TO {user}")
    assert able(connected(server.url, server.token, "home")) == (True, True, True)
    assert able(connected(server.url, "both:secret", "home")) == (True, True, True)
    writer = connected(server.url, "writer:secret", "home")
    assert able(writer) == (False, False, False)
    (words,) = writer.cannot
    assert "requires READ on home" in words
    assert words.endswith("it is not read back, and nothing is removed from it")
    assert "secret" not in words
    with pytest.raises(TargetRefused, match="refuses the token"):
        connected(server.url, "reader:secret", "home")
