"""One raw event, with its envelope; to and from one checksummed line of the tail. Pure.

A line of the tail is a JSON object: `v`, the version of this format (1; lines without it are of version 1 too), the
columns of the log in this order, then `crc`: the CRC-32 (zlib's, eight hexadecimal digits) of all bytes of the line
before `,"crc":`. `raw` is a JSON *string*, so that no reader is tempted to understand and rewrite it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args
from zlib import crc32

import orjson

from ..errors import LogCorrupt, LogTooNew

__all__ = [
    "FORMAT_VERSION",
    "COLUMNS",
    "Origin",
    "ORIGINS",
    "ORIGIN_RANK",
    "HOUSEKEEPING",
    "HEARTBEAT",
    "STATE_TYPES",
    "LOST",
    "EXPIRED",
    "FORGETTING",
    "FORGOTTEN",
    "GONE",
    "BLANKS",
    "Event",
    "Record",
    "encode",
    "encode_group",
    "decode",
    "refuse_newer_line",
    "too_new",
    "text_of",
    "housekeeping_event",
    "blank",
]

FORMAT_VERSION: Final = 1

COLUMNS: Final = ("seq", "time", "received_at", "source", "origin", "event_type", "entity_id", "state", "raw")

Origin = Literal["live", "manual", "backfill", "snapshot", "import", "simulated"]
ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)

ORIGIN_RANK: Final[dict[str, int]] = {origin: len(ORIGINS) - place for place, origin in enumerate(ORIGINS)}
"""Which copy of one point is believed: a greater number wins (live > manual > backfill > snapshot > import > …)."""

HOUSEKEEPING: Final = "homeiq_"
"""Event types that begin so are the recorder's own words about itself: connections, heartbeats, clock jumps, blanks."""


STATE_TYPES: Final = ("state_changed", "state")
"""The event types that are states."""

HEARTBEAT: Final = HOUSEKEEPING + "heartbeat"
"""The recorder lives, and says so each minute."""

EXPIRED: Final = HOUSEKEEPING + "expired"
FORGETTING: Final = HOUSEKEEPING + "forgetting"
FORGOTTEN: Final = HOUSEKEEPING + "forgotten"
LOST: Final = HOUSEKEEPING + "lost"
"""Event types that say what the log does not hold any more: see vanished.py."""

GONE: Final = "blank"
"""The event type of a row that keeps the place of a record that has expired or was forgotten."""

BLANKS: Final = frozenset({GONE, HOUSEKEEPING + "blank"})
"""Event types of rows that keep the place of a record whose content is gone: expired or forgotten, or damaged on disk."""

_VERSION = re.compile(rb'\{"v":(\d{1,9}),')
_CRC_LENGTH = len(b',"crc":"00000000"}')


@dataclass(slots=True)
class Event:
    """A raw event that has no number yet.

    `time` is what the event says of itself, `received_at` when it came; both microseconds UTC. `raw` is the text exactly
    as it was received; the other columns are an index over it. `entity_id` and `state` (the new state's text) are None
    where there is none.
    """

    time: int
    received_at: int
    source: str
    origin: Origin
    event_type: str
    entity_id: str | None
    state: str | None
    raw: str


@dataclass(slots=True)
class Record:
    """An event in the log: its `seq` counts 1, 2, 3, … without holes. Never changed once written."""

    seq: int
    time: int
    received_at: int
    source: str
    origin: Origin
    event_type: str
    entity_id: str | None
    state: str | None
    raw: str


def encode(seq: int, event: Event | Record) -> bytes:
    """Return the line of the tail for this event, with its line feed."""
    body = orjson.dumps(
        {
            "v": FORMAT_VERSION,
            "seq": seq,
            "time": event.time,
            "received_at": event.received_at,
            "source": event.source,
            "origin": event.origin,
            "event_type": event.event_type,
            "entity_id": event.entity_id,
            "state": event.state,
            "raw": event.raw,
        }
    )[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def encode_group(first_seq: int, events: Sequence[Event]) -> bytes:
    """Return the lines of the events, numbered from `first_seq` on."""
    return b"".join([encode(seq, event) for seq, event in enumerate(events, first_seq)])


def decode(line: bytes) -> Record:
    """Return the record of a line (with or without its line feed).

    Raises LogCorrupt if its checksum is wrong, LogTooNew for a line that a newer homeiq wrote.
    """
    line = line.rstrip(b"\n")
    refuse_newer_line(line)
    body = line[:-_CRC_LENGTH]
    if line[-_CRC_LENGTH:] != b',"crc":"%08x"}' % crc32(body):
        raise LogCorrupt("a line's checksum is wrong")
    try:
        values = orjson.loads(line[:-_CRC_LENGTH] + b"}")
        values.pop("v", None)
        return Record(**values)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise LogCorrupt(f"a line is not a record ({error})") from None


def refuse_newer_line(line: bytes) -> None:
    """Raise LogTooNew for a line of a later version, whatever its checksum is by then.

    A line of version 1 of which a bit has flipped just there is not newer, but damaged.
    """
    match = _VERSION.match(line)
    if match is None or int(match.group(1)) <= FORMAT_VERSION:
        return
    ours = (b'{"v":%d,' % FORMAT_VERSION + line[match.end() :]).rstrip(b"\n")
    if ours[-_CRC_LENGTH:] != b',"crc":"%08x"}' % crc32(ours[:-_CRC_LENGTH]):
        raise too_new(int(match.group(1)))


def too_new(version: int, place: str = "") -> LogTooNew:
    """Return what is said of a file in a later format."""
    return LogTooNew(f"this log was written by a newer homeiq (format {version})", hint="update homeiq", place=place)


def text_of(received: bytes) -> str:
    """Return received bytes as the text of `raw`; what is not UTF-8 becomes a JSON object with its base64."""
    try:
        return received.decode("utf-8")
    except UnicodeDecodeError:
        return orjson.dumps({"encoding": "base64", "data": base64.b64encode(received).decode("ascii")}).decode()


def housekeeping_event(now: int, source: str, what: str, **facts: object) -> Event:
    """Return the recorder's own word about `source`: event type `homeiq_<what>`, its facts as a JSON object."""
    return Event(now, now, source, "live", HOUSEKEEPING + what, None, None, orjson.dumps(facts).decode())


def blank(seq: int, received_at: int, source: str, reason: str) -> Record:
    """Return the row that keeps the place of a record whose content is gone."""
    raw = orjson.dumps({"reason": reason}).decode()
    return Record(seq, received_at, received_at, source, "live", HOUSEKEEPING + "blank", None, None, raw)
