"""A real InfluxDB 1.8 on the loopback address, with folders of its own."""

import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .cache import Installation
from .ports import free_port
from .process import ServerError, ServerProcess
from .web import Answer, request

__all__ = ["INSTALLATION", "Content", "FieldValue", "InfluxDBServer", "PointKey", "VERSION"]

VERSION = "1.8.10"
INSTALLATION = Installation(
    name=f"influxdb-{VERSION}",
    recipe={"module": f"github.com/influxdata/influxdb/cmd/influxd@v{VERSION}"},
    program="influxd",
)

FieldValue = float | int | str | bool
PointKey = tuple[str, frozenset[tuple[str, str]], int]
Content = dict[PointKey, dict[str, FieldValue]]

_USER, _PASSWORD = "homeiq", "correct-horse"  # No space: in a token it would end the password.
_START, _STOP = 60.0, 30.0
_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[coordinator]
  max-select-point = 0
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  flux-enabled = true
  log-enabled = false
  max-row-limit = 0
"""


class InfluxDBServer:
    """An InfluxDB that can be stopped, killed and started again with the same folders, port and data.

    Attributes:
        url: its base URL.
        token: what a client of the 2.x API must send: `user:password`, or "" without authentication.
    """

    def __init__(self, folder: Path, *, auth_enabled: bool = False) -> None:
        """Take an empty folder, and a port. With `auth_enabled`, only the administrator's token is let in."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.auth_enabled = auth_enabled
        self.token = f"{_USER}:{_PASSWORD}" if auth_enabled else ""
        self._rpc_port = free_port()
        self._process = ServerProcess("InfluxDB", folder / "influxd.log")

    @property
    def running(self) -> bool:
        """Whether the server is alive now."""
        return self._process.running

    @property
    def pid(self) -> int:
        """The number of the server's process."""
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "influxdb.conf"
        auth = str(self.auth_enabled).lower()
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port, rpc_port=self._rpc_port, auth=auth))
        # INFLUXDB_… variables would override the file.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXDB_")}
        command: list[str | Path] = [INSTALLATION.path, "-config", config]
        self._process.start(command, ready=self._answers, within=_START, environment=environment)
        if self.auth_enabled:  # The first user may be made by anybody; later ones, at a restart, already exist.
            self._post(f"CREATE USER {_USER} WITH PASSWORD '{_PASSWORD}' WITH ALL PRIVILEGES")
            self.query("SHOW USERS")

    def stop(self) -> None:
        """End it in good order."""
        self._process.stop(within=_STOP)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.end()

    def restart(self) -> None:
        """Stop, and start again with the same data on the same port."""
        self.stop()
        self.start()

    def logs(self) -> str:
        """Return all that it wrote, over all its starts."""
        return self._process.log.read_text(encoding="utf-8", errors="replace")

    def create_database(self, name: str) -> str:
        """Make a database, and return its name."""
        self.query(f"CREATE DATABASE {_quoted(name)}")
        return name

    def drop(self, name: str) -> None:
        """Drop a database; one that is missing is no error."""
        self.query(f"DROP DATABASE {_quoted(name)}")

    def write(self, db: str, lines: str) -> Answer:
        """Write line protocol with nanoseconds, and return the answer, whatever it is."""
        url = f"{self.url}/api/v2/write?{urllib.parse.urlencode({'bucket': db, 'precision': 'ns'})}"
        return request("POST", url, body=lines.encode(), headers=self._headers())

    def query(self, influxql: str, db: str | None = None) -> list[dict[str, Any]]:
        """Run InfluxQL, and return all series of all statements; times are integers of nanoseconds.

        Raises:
            ServerError: the server refused it, or is down.
        """
        answer = self._post(influxql, db)
        if not answer.ok:
            raise ServerError(f"InfluxDB answered {answer.status} to {influxql!r}: {answer.body}")
        return list(_series(answer.body, influxql))

    def read_back(self, db: str, *, marker: bool = False) -> Content:
        """Return everything in the database's default retention policy, with each field's own type.

        homeiq's own marker, which says nothing of the home, is left out unless `marker`.

        JSON writes the float 5.0 as 5, so the types come from the server's own list of fields. A field that has several
        types (in shards of different weeks that is possible) can't be read back as it was written.

        Raises:
            ServerError: a field has more than one type, or there is no such database.
        """
        self.query(
            f"SHOW RETENTION POLICIES ON {_quoted(db)}"
        )  # The others find nothing in a database that is missing.
        content: Content = {}
        for (measurement,) in _rows(self.query("SHOW MEASUREMENTS", db)):
            if measurement == "homeiq_target" and not marker:
                continue
            types = self._field_types(measurement, db)
            for series in self.query(f"SELECT * FROM {_quoted(measurement)} GROUP BY *", db):
                tags = frozenset((key, value) for key, value in series.get("tags", {}).items() if value != "")
                _, *names = series["columns"]
                for time, *values in series["values"]:
                    fields = {
                        name: float(value) if types[name] == "float" else value
                        for name, value in zip(names, values, strict=True)
                        if value is not None
                    }
                    content.setdefault((measurement, tags, time), {}).update(fields)
        return content

    def _field_types(self, measurement: str, db: str) -> dict[str, str]:
        types: dict[str, str] = {}
        for name, kind in _rows(self.query(f"SHOW FIELD KEYS FROM {_quoted(measurement)}", db)):
            if types.setdefault(name, kind) != kind:
                raise ServerError(f"field {name!r} of {measurement!r} has two types: {types[name]} and {kind}")
        return types

    def _post(self, influxql: str, db: str | None = None) -> Answer:
        form = {"q": influxql, "epoch": "ns", "chunked": "true", "chunk_size": "10000"}
        if db is not None:
            form["db"] = db
        return request("POST", f"{self.url}/query", form=form, headers=self._headers(), timeout=120.0)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.auth_enabled else {}

    def _answers(self) -> bool:
        return request("GET", f"{self.url}/ping", timeout=5.0).ok


def _series(body: str, influxql: str) -> Iterator[dict[str, Any]]:
    """Read the chunks of an answer, each of which is one line of JSON."""
    for line in filter(None, body.split("\n")):  # Not splitlines: it also splits at characters that strings may hold.
        chunk = json.loads(line)
        for result in [chunk, *chunk.get("results", [])]:
            if "error" in result:
                raise ServerError(f"InfluxDB refused {influxql!r}: {result['error']}")
            yield from result.get("series", [])


def _rows(series: list[dict[str, Any]]) -> list[list[Any]]:
    return [row for each in series for row in each["values"]]


def _quoted(name: str) -> str:
    r"""Quote an identifier of InfluxQL: only \", \\ and \n are escapes there."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
