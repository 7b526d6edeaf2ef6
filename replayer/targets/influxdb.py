"""InfluxDB 2.x, and 1.8 by its 2.x API (there the token is `user:password`, the bucket `database` or `database/policy`).

Written synchronously, as bytes, with integer nanoseconds; read back by InfluxQL, which both serve. 2.x deletes by
`/api/v2/delete`, 1.8 by InfluxQL. What each kind of server can do is in docs/targets.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError, LocationParseError

from ...errors import LinesRefused, TargetRefused
from ...settings import InfluxDBSettings
from ..point import Point, line
from .base import Ghost, Stored, StreamTarget
from .influxdb_answers import asking_error, reason_of, unreachable, writing_error
from .influxdb_http import InfluxDBRequests
from .influxdb_kind import find_out
from .influxql import any_point, bounds, delete, last_points, moment, points_between, points_of, predicate, tag_keys

__all__ = ["InfluxDBTarget"]

_NANOSECONDS = cast(WritePrecision, WritePrecision.NS)
_STATEMENTS = 100
"""Deletes of 1.8 in one request; it does some 500 a second."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Batch(list[Point]):
    """Points with the bytes that are sent for them."""

    __slots__ = ("content",)

    def __init__(self, points: Sequence[Point], content: bytes) -> None:
        super().__init__(points)
        self.content = content


class InfluxDBTarget(StreamTarget):
    """A bucket of an InfluxDB."""

    takes_lines = True

    def __init__(self, settings: InfluxDBSettings) -> None:
        self._settings = settings
        self.batch = settings.batch_lines  # type: ignore[misc]
        self.at_once = settings.concurrency
        self.name = f"influxdb {settings.url} {settings.org} {settings.bucket}"
        self.title = f"InfluxDB at {settings.url}, bucket {settings.bucket}"
        self.product = "InfluxDB"
        local = urlsplit(settings.url).hostname in _LOOPBACK
        self._client = InfluxDBClient(
            url=settings.url,
            token=settings.token.get_secret_value(),
            org=settings.org,
            timeout=round(settings.timeout * 1000),
            enable_gzip=not local if settings.gzip is None else settings.gzip,
            retries=False,
        )
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._requests = InfluxDBRequests(settings, self._client.api_client.rest_client.pool_manager)

    def connect(self, position: int) -> None:
        """Write nothing, which needs the same rights as writing something; find out what else it can do."""
        del position  # a point written again replaces itself
        with suppress(LinesRefused):  # 2.x answers, to whom it lets in: 400, "writing requires points"
            self._send(b"")
        known = find_out(self._settings, self._requests)
        self.product, self.retention, self.cannot = known.product, known.retention, known.cannot
        self.reads, self.deletes = known.reads, known.deletes
        self.deletes_exactly = known.deletes and known.major == 1

    def answers(self) -> bool:
        """Ask for a sign of life."""
        return self._requests.answers()

    def batches(self, points: Sequence[Point]) -> Iterator[Sequence[Point]]:
        """Yield points with the bytes that are sent for them."""
        for some in super().batches(points):
            yield from self._batches(some, [line(point) for point in some])

    def _batches(self, points: Sequence[Point], lines: Sequence[str]) -> Iterator[_Batch]:
        content = "\n".join(lines).encode("utf-8", "replace")
        if len(points) == 1 or len(content) <= self._settings.batch_bytes:
            yield _Batch(points, content)
        else:
            middle = len(points) // 2
            yield from self._batches(points[:middle], lines[:middle])
            yield from self._batches(points[middle:], lines[middle:])

    def write(self, points: Sequence[Point]) -> None:
        """Write points; see WindowWriter.write."""
        if isinstance(points, _Batch):
            self._send(points.content)
            return
        for batch in self.batches(points):
            self.write(batch)

    def read(self, measurements: Sequence[str], start: int, end: int) -> Iterator[Stored]:
        """Yield the points of these measurements with times in [start, end) (microseconds UTC); see Target.read."""
        within = bounds(start, end)
        if within is None:
            return
        for measurement in measurements:
            yield from points_of(self._requests.query(points_between(measurement, *within)))

    def latest(self, measurement: str) -> Stored | None:
        """Return the point of a measurement with the greatest time; it looks at each of its series."""
        points = points_of(self._requests.query(last_points(measurement)))
        return max(points, key=lambda stored: stored.time, default=None)

    def holds(self, measurements: Sequence[str]) -> bool:
        """Tell whether there is any point of these measurements."""
        return any(
            result.get("series")
            for quick in (True, False)
            for measurement in measurements
            for result in self._requests.query(any_point(measurement, quick=quick))
        )

    def delete(self, ghosts: Sequence[Ghost]) -> None:
        """Remove points; on 2.x also from series that have other tags besides."""
        if self.deletes_exactly:
            self._delete_exactly(ghosts)
        elif self.deletes:
            for ghost in ghosts:
                self._delete(ghost)
        else:
            super().delete(ghosts)

    def _delete(self, ghost: Ghost) -> None:
        settings = self._settings
        body = {"start": moment(ghost.first), "stop": moment(ghost.last), "predicate": predicate(ghost)}
        answer = self._requests.post("/api/v2/delete", body, org=settings.org, bucket=settings.bucket)
        if answer.status != 204:
            reason = reason_of(answer.body, f"HTTP {answer.status}")
            raise asking_error(settings, answer.status, answer.headers, reason, "delete")

    def _delete_exactly(self, ghosts: Sequence[Ghost]) -> None:
        if not ghosts:
            return
        keys: dict[str, list[str]] = {}
        for result in self._requests.query(tag_keys(sorted({ghost.measurement for ghost in ghosts}))):
            for series in result.get("series", ()):
                keys.setdefault(series["name"], []).extend(key for (key,) in series["values"])
        for start in range(0, len(ghosts), _STATEMENTS):
            some = ghosts[start : start + _STATEMENTS]
            self._requests.do("; ".join(delete(one, keys.get(one.measurement, ())) for one in some), "delete")

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]

    def _send(self, content: bytes) -> None:
        settings = self._settings
        try:
            self._writer.write(settings.bucket, settings.org, content, write_precision=_NANOSECONDS)
        except ApiException as error:
            reason = reason_of(error.body, error.reason or "")
            raise writing_error(settings, error.status, error.headers, reason) from None
        except LocationParseError as error:
            raise TargetRefused(f"influxdb.url is not an address ({error})", hint="set influxdb.url") from None
        except (HTTPError, OSError) as error:
            raise unreachable(settings, error) from None
