"""What an InfluxDB's answers mean: which error each is, and what a person can do about it. Pure.

https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite; what 1.8.10 and 2.7 were seen to answer is in
docs/decisions/0005-delivery.md.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import orjson

from ...errors import (
    BatchTooLarge,
    BucketMissing,
    LinesRefused,
    TargetBusy,
    TargetError,
    TargetRefused,
    TargetUnreachable,
)
from ...settings import InfluxDBSettings

__all__ = ["asking_error", "cut_off", "missing", "reason_of", "unreachable", "writing_error"]

_RETRY_AFTER_CAP = 300.0
_OPERATOR = re.compile(r"not found|authoriz|permission|privilege|forbidden|limit|exceed|not supported|parsing", re.I)

_MISSING = re.compile(r"\b(database|bucket|organi[sz]ation|retention policy)\b.*\bnot found", re.I)


def writing_error(settings: InfluxDBSettings, status: int, headers: Any, reason: str) -> TargetError:
    """Return the error that an answer to a write means."""
    place = settings.url
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return TargetRefused(
                f"InfluxDB at {place} refuses the token ({reason})",
                hint="set influxdb.token, or INFLUXDB_TOKEN, to one that may write to"
                f" bucket {settings.bucket} (on 1.8: user:password)",
                place=place,
            )
        case HTTPStatus.NOT_FOUND:
            return missing(settings, reason)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return BatchTooLarge(reason, place=place)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return LinesRefused(reason, place=place)
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return TargetBusy(f"InfluxDB at {place} is busy ({reason})", retry_after=_retry_after(headers), place=place)
        case _:
            return TargetUnreachable(f"InfluxDB at {place} answers HTTP {status} ({reason})", place=place)


def missing(settings: InfluxDBSettings, reason: str) -> BucketMissing:
    """Return the error for an organisation, bucket or database that does not exist."""
    return BucketMissing(
        f"InfluxDB at {settings.url} has no such organisation or bucket ({reason})",
        hint=f"check influxdb.org ({settings.org}) and influxdb.bucket ({settings.bucket}), or make the bucket:"
        f" influx bucket create --org {settings.org} --name {settings.bucket}"
        f" (on 1.8: CREATE DATABASE {settings.bucket.partition('/')[0]})",
        place=settings.url,
    )


def asking_error(settings: InfluxDBSettings, status: int, headers: Any, reason: str, what: str) -> TargetError:
    """Return the error that an answer to anything but a write means; `what` it was: `read`, `delete`.

    A status of 200 is one that says in its body that it did not work.
    """
    place = settings.url
    refused = status < HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.NOT_IMPLEMENTED
    if status == HTTPStatus.OK:
        refused = bool(_OPERATOR.search(reason))
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or not refused:
        if status in (HTTPStatus.OK, HTTPStatus.REQUEST_TIMEOUT):
            return TargetUnreachable(f"InfluxDB at {place} cannot {what} now ({reason})", place=place)
        return writing_error(settings, status, headers, reason)
    if _MISSING.search(reason):
        return missing(settings, reason)
    return TargetRefused(
        f"InfluxDB at {place} does not let homeiq {what} ({reason})",
        hint=f"set influxdb.token, or INFLUXDB_TOKEN, to one that may {what} in bucket {settings.bucket} too",
        place=place,
    )


def unreachable(settings: InfluxDBSettings, error: Exception) -> TargetUnreachable:
    """Return the error for a server that does not answer."""
    return TargetUnreachable(
        f"InfluxDB at {settings.url} cannot be reached ({_short(error)})",
        hint="check influxdb.url, or INFLUXDB_URL",
        place=settings.url,
    )


def cut_off(settings: InfluxDBSettings, error: Exception) -> TargetUnreachable:
    """Return the error for an answer whose end did not come."""
    return TargetUnreachable(f"InfluxDB at {settings.url} broke off its answer ({_short(error)})", place=settings.url)


def reason_of(body: Any, otherwise: str = "") -> str:
    """Return the server's own words: 2.x answers with `message`, 1.8 with `error`."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or otherwise)
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
