"""InfluxDB 2.x, and 1.8 by its 2.x API (there the token is `user:password`, the bucket `database` or `database/policy`).

Written synchronously, as bytes, with integer nanoseconds. What the answers mean is in
https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite; what 1.8.10 and 2.7 were seen to answer is in
docs/decisions/0005-delivery.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError, LocationParseError

from ...errors import BatchTooLarge, LinesRefused, TargetBusy, TargetError, TargetRefused, TargetUnreachable
from ...settings import InfluxDBSettings
from ..point import Point, line
from .base import Target, WindowWriter

__all__ = ["InfluxDBTarget"]

_NANOSECONDS = cast(WritePrecision, WritePrecision.NS)
_RETRY_AFTER_CAP = 300.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class InfluxDBTarget(Target):
    """A bucket of an InfluxDB."""

    def __init__(self, settings: InfluxDBSettings) -> None:
        self._settings = settings
        self.batch = settings.batch_lines  # type: ignore[misc]
        self.name = f"influxdb {settings.url} {settings.org} {settings.bucket}"
        self.title = f"InfluxDB at {settings.url}, bucket {settings.bucket}"
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

    def connect(self, position: int) -> None:
        """Write nothing, which needs the same rights as writing something."""
        del position  # a point written again replaces itself
        with suppress(LinesRefused):  # 2.x answers, to whom it lets in: 400, "writing requires points"
            self._send(b"")

    def prepare(self, points: Sequence[Point]) -> None:
        """Make the points' lines."""
        for point in points:
            point.text = line(point)

    def write(self, points: Sequence[Point]) -> None:
        """Write points; see WindowWriter.write."""
        if not points:
            return
        content = "\n".join([point.text or line(point) for point in points]).encode("utf-8", "replace")
        if len(content) > self._settings.batch_bytes and len(points) > 1:
            raise BatchTooLarge(f"{len(content)} bytes are more than influxdb.batch_bytes")
        self._send(content)

    def live(self, normalizer: str) -> WindowWriter:
        """Write points as they come."""
        del normalizer
        return self

    @contextmanager
    def window(self, start: int, upto: int, normalizer: str) -> Iterator[WindowWriter]:
        """Write the window's points as they come."""
        del start, upto, normalizer
        yield self

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]

    def _send(self, content: bytes) -> None:
        settings = self._settings
        try:
            self._writer.write(settings.bucket, settings.org, content, write_precision=_NANOSECONDS)
        except ApiException as error:
            raise self._meaning(error) from None
        except LocationParseError as error:
            raise TargetRefused(f"influxdb.url is not an address ({error})", hint="set influxdb.url") from None
        except (HTTPError, OSError) as error:
            raise TargetUnreachable(
                f"InfluxDB at {settings.url} cannot be reached ({_short(error)})",
                hint="check influxdb.url, or INFLUXDB_URL",
                place=settings.url,
            ) from None

    def _meaning(self, error: ApiException) -> TargetError:
        settings, place = self._settings, self._settings.url
        reason = _reason(error)
        match error.status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return TargetRefused(
                    f"InfluxDB at {place} refuses the token ({reason})",
                    hint="set influxdb.token, or INFLUXDB_TOKEN, to one that may write to"
                    f" bucket {settings.bucket} (on 1.8: user:password)",
                    place=place,
                )
            case HTTPStatus.NOT_FOUND:
                return TargetRefused(
                    f"InfluxDB at {place} has no such organisation or bucket ({reason})",
                    hint=f"check influxdb.org ({settings.org}) and influxdb.bucket ({settings.bucket}), or make the bucket:"
                    f" influx bucket create --org {settings.org} --name {settings.bucket}"
                    f" (on 1.8: CREATE DATABASE {settings.bucket.partition('/')[0]})",
                    place=place,
                )
            case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return BatchTooLarge(reason, place=place)
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
                return LinesRefused(reason, place=place)
            case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
                return TargetBusy(
                    f"InfluxDB at {place} is busy ({reason})", retry_after=_retry_after(error.headers), place=place
                )
            case _:
                return TargetUnreachable(f"InfluxDB at {place} answers HTTP {error.status} ({reason})", place=place)


def _reason(error: ApiException) -> str:
    """Return the server's own words: 2.x answers with `message`, 1.8 with `error`."""
    body = error.body
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or error.reason or "")
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.strip()[:500]
    if isinstance(answer, dict):
        return str(answer.get("message") or answer.get("error") or text)[:500]
    return text[:500]


def _retry_after(headers: Any) -> float:
    try:
        seconds = float(headers.get("Retry-After", 0))
    except (AttributeError, TypeError, ValueError):
        return 0.0
    return min(seconds, _RETRY_AFTER_CAP) if seconds > 0 else 0.0


def _short(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    text = str(cause).partition(": ")[2] or str(cause)
    return text[:200]
