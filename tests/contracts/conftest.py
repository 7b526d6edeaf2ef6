"""The targets that the contracts run over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.kept import Embedded, Fake2, InfluxDB1, Kept, LineProtocol
from servers.influxdb2 import InfluxDB2


@pytest.fixture(scope="module")
def influxdb_2() -> Iterator[InfluxDB2]:
    server = InfluxDB2()
    yield server
    server.close()


KINDS = ["influxdb 1.8", "influxdb 2", "embedded", "line protocol"]


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Each target."""
    yield from _opened(request, tmp_path)


@pytest.fixture(params=KINDS[:3])
def readable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Each target that can be read back, connected."""
    for made in _opened(request, tmp_path):
        made.target.connect(0)
        yield made


@pytest.fixture(params=KINDS[:2])
def deleting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Each target that deletes, connected."""
    for made in _opened(request, tmp_path):
        made.target.connect(0)
        yield made


def _opened(request: pytest.FixtureRequest, folder: Path) -> Iterator[Kept]:
    made: Kept
    if request.param == "influxdb 1.8":
        made = InfluxDB1(request.getfixturevalue("influxdb"), request.getfixturevalue("influx_database"))
    elif request.param == "influxdb 2":
        made = Fake2(request.getfixturevalue("influxdb_2"))
    else:
        made = Embedded(folder) if request.param == "embedded" else LineProtocol(folder)
    yield made
    made.close()
