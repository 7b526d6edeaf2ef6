"""Each kind of target, opened on something real, and another way than its own to see what it holds."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from homeiq.errors import TargetRefused, TargetUnreachable
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

__all__ = ["Content", "Embedded", "Fake2", "InfluxDB1", "Kept", "LineProtocol"]

Content = dict[tuple[str, frozenset[tuple[str, str]], int], dict[str, Any]]


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
