"""An InfluxDB of either kind."""

from collections.abc import Callable, Iterator

import pytest
from homeiq.settings import InfluxDBSettings

from servers.influxdb import Content, InfluxDBServer
from servers.influxdb2 import InfluxDB2
from servers.web import Answer


class Server:
    """A real InfluxDB 1.8, or the tests' own 2.x, and another way than homeiq's to see what it holds."""

    def __init__(self, settings: InfluxDBSettings, read: Callable[[], Content], write: Callable[[str], Answer]) -> None:
        self.settings = settings
        self.read = read
        self.write = write

    def content(self) -> Content:
        """Return what it holds, without homeiq's marker."""
        return {key: dict(fields) for key, fields in self.read().items() if key[0] != "homeiq_target"}


@pytest.fixture(params=["influxdb 1.8", "influxdb 2"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One of the two, empty."""
    if request.param == "influxdb 1.8":
        real: InfluxDBServer = request.getfixturevalue("influxdb")
        name = request.getfixturevalue("influx_database")
        settings = InfluxDBSettings(url=real.url, token="any", bucket=name)
        yield Server(settings, lambda: real.read_back(name), lambda lines: real.write(name, lines))
    else:
        own = InfluxDB2()
        settings = InfluxDBSettings(url=own.url, token=own.token, org=own.org, bucket=own.bucket)
        yield Server(settings, lambda: own.read_back(own.bucket), lambda lines: own.write(own.bucket, lines))
        own.close()
