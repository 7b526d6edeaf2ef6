"""The tests' own InfluxDB 2 answers to InfluxQL as a real InfluxDB does: to the same statements the same lines."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from homeiq.replayer.targets import influxql

from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.web import request

LINES = """\
m,a=x,b=y f=1,text="a\\"b\nc",big=9007199254740993i,yes=true 1000
m,a=x,b=y f=2.5 2000
m,a=x,b=y f=-1e-7,domain="field" 3000
m,a=x f=1e22 1000
m,domain=light f=5e-324 -1000
m,domain=light text="ü" 500
m f=2.775052034523509e16 700
n,in=é\\=1 v=1 1
odd\\ "'\\,m,t=\\= v=1 1"""

STATEMENTS = [
    influxql.points_between("m", influxql.FIRST_TIME, influxql.LAST_TIME),
    influxql.points_between("m", -1000, 2000),
    influxql.points_between("m", 4000, 5000),
    influxql.points_between("missing", 0, 5000),
    influxql.points_between("n", 0, 5000),
    influxql.points_between("odd \"',m", 0, 5000),
    influxql.last_points("m"),
    influxql.last_points("n"),
    influxql.any_point("m", quick=True),
    influxql.any_point("m", quick=False),
    influxql.any_point("missing", quick=False),
    f"{influxql.any_point('m', quick=False)}; {influxql.any_point('n', quick=True)}; {influxql.any_point('o', quick=True)}",
]


def answered(url: str, token: str, database: str, statement: str) -> list[Any]:
    form = {"q": statement, "db": database, "epoch": "ns", "chunked": "true", "chunk_size": "2"}
    headers = {"Authorization": f"Token {token}"} if token else {}
    for answer in (
        request("GET", f"{url}/query?{urlencode(form)}", headers=headers),
        request("POST", f"{url}/query", form=form, headers=headers),
    ):
        assert answer.ok, answer
        lines = [json.loads(line) for line in answer.body.split("\n") if line]
    return lines


@pytest.fixture(scope="module")
def both(influxdb: InfluxDBServer, influxdb_2: InfluxDB2) -> Any:
    name = influxdb.create_database("influxql")
    influxdb_2.drop_everything()
    assert influxdb.write(name, LINES).ok
    url = f"{influxdb_2.url}/api/v2/write?org={influxdb_2.org}&bucket={influxdb_2.bucket}"
    assert request("POST", url, body=LINES, headers={"Authorization": f"Token {influxdb_2.token}"}).ok
    yield influxdb, name, influxdb_2
    influxdb.drop(name)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_same_lines(both: Any, statement: str) -> None:
    real, name, own = both
    expected = answered(real.url, real.token, name, statement)
    assert answered(own.url, own.token, own.bucket, statement) == expected
    assert expected[-1]["results"][-1].get("partial") is None


@pytest.mark.parametrize(
    "statement", ["SELECT", 'SELECT * FROM "m" WHERE', 'SELECT * FROM "m', "DROP", 'SELECT * FROM "\\x"']
)
def test_the_same_refusals(both: Any, statement: str) -> None:
    real, name, own = both
    form = {"q": statement, "db": name, "epoch": "ns"}
    for server, database in ((real, name), (own, own.bucket)):
        form = {"q": statement, "db": database, "epoch": "ns"}
        headers = {"Authorization": f"Token {server.token}"}
        assert request("POST", f"{server.url}/query", form=form, headers=headers).status == 400


def test_the_same_words_for_what_is_missing(both: Any) -> None:
    real, _, own = both
    for server in (real, own):
        (line,) = answered(server.url, server.token, "nosuch", STATEMENTS[0])
        assert line["results"] == [{"statement_id": 0, "error": "database not found: nosuch"}]
