"""Intervals in which nobody listened to a source, from what the recorder says about itself. Pure.

The recorder's own records (event types `homeiq_…`, time = received_at) that matter here, and what their raw text holds:

    started       source recorder; a run begins. Ends the recorder's own gap
    stopped       source recorder; from now on nobody listens to anything
    ended         source recorder; it was found to have ended at `gap_since` without a word, by whoever writes next
    heartbeat     source recorder; it was alive then. `silent`: seconds for which a connected source has not been heard
    connected     a source is listened to from now on. Ends its gap
    disconnected  it is not any more: `gap_since`, `gap_reason`, and a sentence in `reason`
    dropped       what came from this source between `gap_since` and now did not fit in, `events` in number: a gap by itself
    backfilled    states between `since` and `until` were asked for, and fetched `from` … `upto`: `rows` new records;
                  `done` where that is all there is, and `missing` for what can't be had

A record that ends a gap carries `gap_since` (microseconds UTC), `gap_seconds` (by the monotonic clock where the gap lies
within one run, never negative) and `gap_reason`, so that each gap can be told from one record alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ..clock import SECOND
from ..verbatim import loads
from .record import BLANKS, EXPIRED, FORGETTING, FORGOTTEN, HOUSEKEEPING, LOST, Event, Record

__all__ = [
    "DEAD_AFTER",
    "MISSING",
    "NO_SIGN",
    "RECORDER",
    "SENTENCES",
    "TOLD",
    "Gap",
    "GapReason",
    "Listening",
    "combined",
    "facts_of",
    "gaps_of",
]

RECORDER: Final = "recorder"
"""The `source` of what the recorder says of itself."""

TOLD: Final = tuple(
    HOUSEKEEPING + what
    for what in ("started", "stopped", "ended", "connected", "disconnected", "dropped", "backfilled")
)
"""What tells of gaps. Of the heartbeats and of all other records the last one is enough: it is a sign of life."""

NO_SIGN: Final = BLANKS | {EXPIRED, FORGETTING, FORGOTTEN, LOST}
"""Rows that keep a place, and words of whoever works on the log: no sign that the recorder lived."""

DEAD_AFTER: Final = 150 * SECOND
"""A recorder whose last record is older has ended without a word: two heartbeats are missing."""


class GapReason(StrEnum):
    """Why nobody listened. There is no other reason."""

    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    CONNECTION_LOST = "connection_lost"
    SOURCE_CLOSED = "source_closed"
    SOURCE_STOPPED = "source_stopped"
    TOKEN_REFUSED = "token_refused"
    WRONG_SERVICE = "wrong_service"
    SOURCE_ERROR = "source_error"
    RECORDER_STOPPED = "recorder_stopped"
    RECORDER_KILLED = "recorder_killed"
    DISK_FULL = "disk_full"
    DISK_FAILED = "disk_failed"
    BACKPRESSURE = "backpressure"
    HOMEIQ_ERROR = "homeiq_error"


SENTENCES: Final[dict[GapReason, str]] = {
    GapReason.CONNECTION_REFUSED: "nothing listened at its address",
    GapReason.UNREACHABLE: "its address could not be reached",
    GapReason.NO_ANSWER: "it was there, but did not answer",
    GapReason.CONNECTION_LOST: "the connection broke without a word",
    GapReason.SOURCE_CLOSED: "it ended the connection",
    GapReason.SOURCE_STOPPED: "it was stopped",
    GapReason.TOKEN_REFUSED: "it refused the token",
    GapReason.WRONG_SERVICE: "something else answered at its address",
    GapReason.SOURCE_ERROR: "it answered with an error",
    GapReason.RECORDER_STOPPED: "the recorder was stopped",
    GapReason.RECORDER_KILLED: "the recorder ended without a word: killed, or the power failed",
    GapReason.DISK_FULL: "the log's disk was full, and the memory for waiting events too",
    GapReason.DISK_FAILED: "the log's disk could not be written, and the memory for waiting events was full",
    GapReason.BACKPRESSURE: "the log's disk did not keep up, and the memory for waiting events was full",
    GapReason.HOMEIQ_ERROR: "an error in homeiq itself",
}

_FOR_A_PERSON: Final = (GapReason.TOKEN_REFUSED, GapReason.WRONG_SERVICE)


def combined(first: GapReason, following: GapReason) -> GapReason:
    """Return the reason of a gap that began for one reason, and went on for another.

    The first is what began it; but what only a person can mend is said before all else, and a source that went away and
    then refuses new connections was stopped.
    """
    if following in _FOR_A_PERSON:
        return following
    if first in (GapReason.SOURCE_CLOSED, GapReason.CONNECTION_LOST) and following is GapReason.CONNECTION_REFUSED:
        return GapReason.SOURCE_STOPPED
    return first


MISSING: Final[dict[str, str]] = {
    "events": "events other than states are in no history",
    "retention": "Home Assistant's history does not reach back so far",
    "not_recorded": "states that Home Assistant's own recorder did not keep",
    "no_history": "Home Assistant answers no questions about its history",
}
"""What backfill can't get, by the words that its records use."""


@dataclass(slots=True)
class Gap:
    """An interval in which a source was not listened to: times in microseconds UTC, `end` None while it lasts.

    `seconds` is its length, None while it lasts; where the clock was set meanwhile, that is not end - start. `closed_from`
    and `closed_upto` say for which part of it the states were fetched later, None where nothing was; `missing` what can't
    be had (words of MISSING).
    """

    source: str
    start: int
    end: int | None
    seconds: float | None
    reason: GapReason
    closed_from: int | None = None
    closed_upto: int | None = None
    missing: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether all that the source's own history can give was fetched."""
        return self.end is not None and (self.closed_from, self.closed_upto) == self.bounds

    @property
    def bounds(self) -> tuple[int, int]:
        """The earlier and the later of start and end; the clock may have been set back in between."""
        end = self.start if self.end is None else self.end
        return min(self.start, end), max(self.start, end)

    def fill(self, facts: Mapping[str, Any]) -> bool:
        """Remember what a `backfilled` record says was fetched; true if no more than that can be."""
        since, until = _integer(facts, "since", None), _integer(facts, "until", None)
        low, high = self.bounds
        if self.end is None or since is None or until is None or since > high or until < low:
            return False
        begin, end = _integer(facts, "from", None), _integer(facts, "upto", None)
        if begin is not None and end is not None:
            self._add(max(low, begin), min(high, end))
        missing = facts.get("missing")
        if isinstance(missing, list):
            self.missing = tuple(sorted({*self.missing, *(word for word in missing if word in MISSING)}))
        began = since <= low or (self.closed_from == low and self.closed_upto is not None and since <= self.closed_upto)
        return self.closed or (facts.get("done") is True and began and high <= until)

    def _add(self, begin: int, end: int) -> None:
        if begin > end:
            return
        if self.closed_from is None or self.closed_upto is None:
            self.closed_from, self.closed_upto = begin, end
        elif begin <= self.closed_upto and end >= self.closed_from:
            self.closed_from, self.closed_upto = min(begin, self.closed_from), max(end, self.closed_upto)
        elif end - begin > self.closed_upto - self.closed_from:
            self.closed_from, self.closed_upto = begin, end


@dataclass(slots=True)
class _Source:
    """Whether a source is listened to; if not, since when (microseconds UTC) and why."""

    connected: bool
    since: int
    reason: GapReason = GapReason.RECORDER_STOPPED
    silent_since: int | None = None


class Listening:
    """What the records up to now say about who is listened to. Takes them in order of seq."""

    def __init__(self) -> None:
        self.alive_at: int | None = None
        self.running = False
        self._sources: dict[str, _Source] = {}

    def learn(self, record: Event | Record) -> Gap | None:
        """Take the next record; return the gap that it ends."""
        what = record.event_type
        if what in NO_SIGN:
            return None
        if not what.startswith(HOUSEKEEPING):
            self.alive_at = record.received_at
            return None
        gap = self._housekeeping(what, record, facts_of(record.raw))
        self.alive_at = record.received_at
        return gap

    def _housekeeping(self, what: str, record: Event | Record, facts: Mapping[str, Any]) -> Gap | None:
        match what:
            case "homeiq_started":
                if self.running:
                    self._all_down(_integer(facts, "gap_since", self.alive_at), GapReason.RECORDER_KILLED)
                self.running = True
                return self._up(RECORDER, record.received_at, facts)
            case "homeiq_stopped":
                self._all_down(record.received_at, GapReason.RECORDER_STOPPED)
                self.running = False
            case "homeiq_ended":
                self._all_down(_integer(facts, "gap_since", self.alive_at), GapReason.RECORDER_KILLED)
                self.running = False
            case "homeiq_connected":
                return self._up(record.source, record.received_at, facts)
            case "homeiq_disconnected":
                since = _integer(facts, "gap_since", record.received_at)
                self._down(record.source, since or 0, _reason(facts, GapReason.SOURCE_ERROR))
            case "homeiq_dropped":
                return _told(record.source, record.received_at, facts)
            case "homeiq_heartbeat":
                self._silent(record.received_at, facts)
        return None

    def open(self, source: str) -> Gap | None:
        """Return the gap of a source that lasts still; None if it is listened to, or was never heard of."""
        known = self._sources.get(source)
        if known is None or known.connected:
            return None
        return Gap(source, known.since, None, None, known.reason)

    def presume_dead(self, now: int) -> None:
        """Take a recorder that has said nothing for long as ended; `now` is microseconds UTC."""
        if self.running and self.alive_at is not None and now - self.alive_at > DEAD_AFTER:
            self.end()

    def end(self) -> None:
        """Take it that the recorder ended with its last record, without a word."""
        if self.running:
            self._all_down(self.alive_at, GapReason.RECORDER_KILLED)
            self.running = False

    def all_open(self) -> list[Gap]:
        """Return the gaps that last still."""
        return [gap for source in self._sources if (gap := self.open(source)) is not None]

    def dump(self) -> dict[str, Any]:
        """Return all that it knows, as JSON may hold it."""
        sources = {
            name: [source.connected, source.since, source.reason.value, source.silent_since]
            for name, source in self._sources.items()
        }
        return {"alive_at": self.alive_at, "running": self.running, "sources": sources}

    @classmethod
    def restored(cls, known: Mapping[str, Any]) -> Listening:
        """Return what `dump` gave; raises KeyError, TypeError, ValueError for anything else."""
        listening = cls()
        listening.alive_at, listening.running = known["alive_at"], bool(known["running"])
        for name, (connected, since, reason, silent_since) in known["sources"].items():
            listening._sources[name] = _Source(bool(connected), since, GapReason(reason), silent_since)
        return listening

    def _up(self, name: str, now: int, facts: Mapping[str, Any]) -> Gap | None:
        """A source is listened to from `now` on. What the record says of the gap is right; an old one says nothing."""
        before = self.open(name)
        self._sources[name] = _Source(True, now)
        told = _told(name, now, facts)
        if told is not None or before is None:
            return told
        return Gap(name, before.start, now, max(0, now - before.start) / SECOND, before.reason)

    def _down(self, name: str, since: int, reason: GapReason) -> None:
        known = self._sources.get(name)
        if known is None or known.connected:
            self._sources[name] = _Source(False, since, reason)
        else:  # a later record of the same gap: its reason is that of the whole
            known.since, known.reason = since, reason

    def _all_down(self, since: int | None, reason: GapReason) -> None:
        self._sources.setdefault(RECORDER, _Source(True, 0))
        for source in self._sources.values():
            if source.connected:
                silent = source.silent_since if reason is GapReason.RECORDER_KILLED else None
                source.connected, source.reason = False, reason
                source.since = (since or 0) if silent is None else min(silent, since or 0)

    def _silent(self, now: int, facts: Mapping[str, Any]) -> None:
        silent = facts.get("silent")
        for name, source in self._sources.items():
            seconds = silent.get(name) if isinstance(silent, dict) else None
            source.silent_since = now - round(seconds * SECOND) if isinstance(seconds, int | float) else None


def gaps_of(records: Iterable[Event | Record], now: int | None = None) -> list[Gap]:
    """Return all gaps that these records, in order of seq, tell of, by source and start.

    With `now` (microseconds UTC) a recorder whose last record is more than DEAD_AFTER older is taken as ended.
    """
    listening = Listening()
    ended: list[Gap] = []
    fetched: list[tuple[str, Mapping[str, Any]]] = []
    for record in records:
        gap = listening.learn(record)
        if gap is not None:
            ended.append(gap)
        elif record.event_type == "homeiq_backfilled":
            fetched.append((record.source, facts_of(record.raw)))
    for source, facts in fetched:
        for gap in ended:
            if gap.source == source:
                gap.fill(facts)
    if now is not None:
        listening.presume_dead(now)
    return sorted(ended + listening.all_open(), key=lambda gap: (gap.source, gap.start))


def facts_of(raw: str) -> Mapping[str, Any]:
    """Return what a record of the recorder's own says; nothing where it is not an object."""
    try:
        facts = loads(raw)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _told(source: str, now: int, facts: Mapping[str, Any]) -> Gap | None:
    """Return the gap that a record itself says it ends."""
    since = _integer(facts, "gap_since", None)
    if since is None:
        return None
    seconds = facts.get("gap_seconds")
    length = max(0.0, float(seconds)) if isinstance(seconds, int | float) else max(0, now - since) / SECOND
    return Gap(source, since, now, length, _reason(facts, GapReason.SOURCE_ERROR))


def _integer(facts: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) else default


def _reason(facts: Mapping[str, Any], default: GapReason) -> GapReason:
    """Return the reason's word; one of a newer version, or none, is the default."""
    try:
        return GapReason(str(facts.get("gap_reason")))
    except ValueError:
        return default
