"""Where an InfluxDB is looked for, and that nobody is waited for for long."""

import socket
import time
from collections.abc import Iterator

import pytest
from homeiq.commands import init_influxdb
from homeiq.commands.init_influxdb import candidates, find, look

from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.ports import free_port


@pytest.fixture
def influxdb2() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


def test_it_is_looked_for_where_it_usually_is() -> None:
    assert candidates("http://ha.local:8123", "http://db:8086/") == [
        "http://db:8086",
        "http://localhost:8086",
        "http://ha.local:8086",
        "http://influxdb:8086",
        "http://a0d7b954-influxdb:8086",
    ]
    assert candidates("http://localhost:8123")[0] == "http://localhost:8086"
    assert "http://[fe80::1]:8086" in candidates("http://[fe80::1]:8123")


def test_what_answers_is_found_once_and_in_order(influxdb: InfluxDBServer, influxdb2: InfluxDB2) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    twice = influxdb.url.replace("127.0.0.1", "localhost")
    found = find([nobody, influxdb2.url, influxdb.url, twice, "no url", "http://[::1"])
    assert [(one.url, one.major) for one in found] == [(influxdb2.url, 2), (influxdb.url, 1)]
    assert find([]) == []


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_influxdb, "_SECONDS", 30.0)
    monkeypatch.setattr(init_influxdb, "_FINDING_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert find([f"http://127.0.0.1:{silent.getsockname()[1]}"]) == []
        assert time.monotonic() - began < 15


def test_what_is_no_influxdb_is_none() -> None:
    assert look(f"http://127.0.0.1:{free_port()}") is None
    assert look("ftp://x") is None
    assert look("http://[::1") is None
