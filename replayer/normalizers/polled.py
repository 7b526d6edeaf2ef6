"""A utility's poll as it was recorded → what the service said. Shared by the normalizers of the utilities. Pure.

How a poll is read is decided by what the record says (provider, request), never by today's configuration: the provider
may have been another one when it was made. Nothing of an answer's text gets into a reason: it could hold a key.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ...clock import SECOND, from_iso
from ...storage.record import Record
from ...verbatim import loads, storable
from ..point import Field, Point, Series
from .base import Reason, SetAside

__all__ = [
    "LATEST",
    "Poll",
    "read_poll",
    "reader_of",
    "object_of",
    "objects_in",
    "number",
    "text",
    "moment",
    "local_moment",
    "epoch",
    "point_of",
]

LATEST: Final = from_iso("2200-01-01T00:00:00+00:00")
"""A time beyond this, or before 1970, is no time of a reading (microseconds UTC); all others fit into nanoseconds."""

_LONGEST_NAME = 40

Reader = TypeVar("Reader")


class Poll(NamedTuple):
    """A request and what came back: the body as JSON."""

    provider: str
    url: str
    params: Mapping[str, Any]
    content: Any

    @property
    def path(self) -> str:
        """The path of the request, in lower case, without a slash at its end."""
        try:
            return urlsplit(self.url).path.rstrip("/").lower()
        except ValueError:
            return ""


def read_poll(record: Record) -> Poll:
    """Return the poll that a record holds.

    Raises SetAside: UNREADABLE for what is not JSON or not whole, ERROR_ANSWER for a status other than 2xx.
    """
    if not 0 <= record.time < LATEST:
        raise SetAside(Reason.INCOMPLETE, "the record has no time that a poll can have")
    envelope = _parsed(record.raw, "the record")
    if not isinstance(envelope, dict) or not isinstance(envelope.get("provider"), str):
        raise SetAside(Reason.UNKNOWN_FORM, "the record does not name its provider")
    status = envelope.get("status")
    if type(status) is not int or not 200 <= status < 300:
        raise SetAside(Reason.ERROR_ANSWER, f"status {status}" if type(status) is int else "there was no answer")
    if envelope.get("truncated"):
        raise SetAside(Reason.UNREADABLE, "the body is cut off")
    request = envelope.get("request")
    request = request if isinstance(request, dict) else {}
    params = request.get("params")
    return Poll(
        provider=envelope["provider"],
        url=text(request.get("url")) or "",
        params=params if isinstance(params, dict) else {},
        content=_parsed(_body(envelope), "the body"),
    )


def _body(envelope: dict[str, Any]) -> str | bytes:
    body = envelope.get("body")
    if not isinstance(body, str):
        raise SetAside(Reason.UNREADABLE, "there is no body")
    if envelope.get("encoding") != "base64":
        return body
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise SetAside(Reason.UNREADABLE, "the body is not base64") from None


def _parsed(content: str | bytes, what: str) -> Any:
    try:
        return loads(content)
    except ValueError:
        markup = content.lstrip()[:1] in ("<", b"<")
        raise SetAside(Reason.UNREADABLE, f"{what} is {'HTML' if markup else 'not JSON'}") from None


def reader_of(poll: Poll, readers: Mapping[str, Callable[..., Reader]]) -> Callable[..., Reader]:
    """Return what reads the answers of the poll's provider; raises SetAside if nobody does."""
    reader = readers.get(poll.provider)
    if reader is None:
        name = (storable(poll.provider) or "")[:_LONGEST_NAME]
        raise SetAside(Reason.UNKNOWN_FORM, f"the provider {name!r} is not known")
    return reader


def object_of(value: Any, what: str = "the answer") -> dict[str, Any]:
    """Return a JSON object; raises SetAside if it is none."""
    if not isinstance(value, dict):
        raise SetAside(Reason.UNKNOWN_FORM, f"{what} is not an object")
    return value


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Return the JSON objects of a list, without what else is in it; an object alone is a list of one."""
    if isinstance(value, dict):
        return [value]
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """Return a finite JSON number as a float, -0 as 0; None for everything else."""
    if type(value) is not int and type(value) is not float:
        return None
    try:
        read = float(value) + 0.0
    except OverflowError:
        return None
    return read if math.isfinite(read) else None


def text(value: Any) -> str | None:
    """Return a text that can be stored; None for an empty one, and for everything else."""
    return (storable(value) or None) if isinstance(value, str) else None


def _in_range(time: int) -> int | None:
    return time if 0 <= time < LATEST else None


def moment(value: Any) -> int | None:
    """Return the microseconds UTC of an ISO 8601 time (UTC without an offset); None for what is none."""
    try:
        return _in_range(from_iso(value))
    except (TypeError, ValueError, OverflowError):
        return None


def local_moment(value: Any, zone: ZoneInfo) -> int | None:
    """Return the microseconds UTC of an ISO 8601 time, one without an offset being local to `zone`."""
    try:
        said = datetime.fromisoformat(value)
        return _in_range(from_iso((said if said.tzinfo else said.replace(tzinfo=zone)).isoformat()))
    except (TypeError, ValueError, OverflowError):
        return None


def epoch(value: Any, unit: int = SECOND) -> int | None:
    """Return the microseconds UTC of a count of `unit`s (microseconds each) since 1970."""
    count = number(value)
    return None if count is None or not 0 <= count * unit < LATEST else round(count * unit)


def point_of(
    record: Record, measurement: str, tags: Mapping[str, str | None], fields: Mapping[str, Field | None], time: int
) -> Point | None:
    """Return a point at `time` (microseconds UTC) of the fields that are there; None if there is none."""
    present: dict[str, Field] = {name: value for name, value in fields.items() if value is not None}
    if not present:
        return None
    series = Series(measurement, {name: value or "" for name, value in tags.items()})
    return Point(series, {"origin": record.origin, **present}, time * 1000, record.seq)
