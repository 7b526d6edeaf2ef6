"""Which requests have been recorded: a key that comes again within 24 hours is answered, and not recorded twice.

A request with a key begins with a record `homeiq_idempotency` (its facts: the key, a digest of the body, how many records
of the request follow at once), durable in the same write as the events behind it. So the log alone says what became of a
request, also after kill -9 in the middle of that write: the records of the request that are there are those that follow
with the same `received_at`, and a retry adds the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final

import orjson

from ..clock import DAY
from ..storage.record import HOUSEKEEPING, Event, Record, housekeeping_event

__all__ = ["IDEMPOTENCY", "KEPT", "MOST_KEYS", "Known", "Keys", "digest_of", "key_event"]

IDEMPOTENCY: Final = HOUSEKEEPING + "idempotency"

KEPT: Final = DAY
"""How long a key is known (microseconds)."""

MOST_KEYS: Final = 100_000
"""So many keys are known at once; with more, requests with a key must wait until older ones have expired."""


@dataclass(slots=True)
class Known:
    """What became of a request. `done` of its `count` events are in the log, from `first_seq` to `last_seq`.

    After a crash in the middle of it records of others lie between these two. `received_at` is in microseconds UTC.
    """

    key: str
    digest: str
    received_at: int
    count: int
    done: int
    first_seq: int
    last_seq: int

    @property
    def complete(self) -> bool:
        """All of its events are in the log."""
        return self.done >= self.count


def digest_of(body: bytes, origin: str) -> str:
    """Return what tells one request from another that has the same key."""
    return hashlib.blake2b(origin.encode() + b"\0" + body, digest_size=16).hexdigest()


def key_event(known: Known, source: str) -> Event:
    """Return the event that is to be recorded directly before the events of a request that are not in the log yet."""
    facts = {"key": known.key, "digest": known.digest, "count": known.count, "done": known.done}
    if known.done:
        facts |= {"first_seq": known.first_seq}
    return housekeeping_event(known.received_at, source, IDEMPOTENCY.removeprefix(HOUSEKEEPING), **facts)


class Keys:
    """The requests of the last 24 hours by their keys."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._open: Known | None = None

    def get(self, key: str, now: int) -> Known | None:
        """Return what is known of a key at `now` (microseconds UTC)."""
        known = self._known.get(key)
        return None if known is None or known.received_at < now - KEPT else known

    def is_full(self, now: int) -> bool:
        """Tell whether no more keys can be known, after those that have expired are forgotten."""
        if len(self._known) < MOST_KEYS:
            return False
        self._known = {key: known for key, known in self._known.items() if known.received_at >= now - KEPT}
        return len(self._known) >= MOST_KEYS

    def add(self, known: Known) -> None:
        """Remember what became of a request; what is remembered longest comes first."""
        self._known.pop(known.key, None)
        self._known[known.key] = known
        oldest = next(iter(self._known.values()))
        if oldest.received_at < known.received_at - KEPT:
            del self._known[oldest.key]

    def learn(self, record: Record) -> None:
        """Read on in the log; records must come in order of seq, and not stop in the middle of a write."""
        if record.event_type == IDEMPOTENCY:
            self._open = self._begin(record)
        elif self._open is not None:
            known = self._open
            if record.received_at != known.received_at or record.event_type.startswith(HOUSEKEEPING):
                self._open = None
                return
            known.done += 1
            known.first_seq = known.first_seq or record.seq
            known.last_seq = record.seq
            if known.complete:
                self._open = None

    def _begin(self, record: Record) -> Known | None:
        try:
            facts = orjson.loads(record.raw)
            done, first_seq = int(facts["done"]), int(facts.get("first_seq", 0))
            count = int(facts["count"])
            known = Known(str(facts["key"]), str(facts["digest"]), record.received_at, count, done, first_seq, 0)
        except (ValueError, KeyError, TypeError):
            return None  # what a later version records is not ours to understand
        before = self._known.get(known.key)
        known.last_seq = before.last_seq if before is not None else first_seq
        self.add(known)
        return known

    def rows(self) -> list[tuple[object, ...]]:
        """Return all that is known, for a cache."""
        return [astuple(known) for known in self._known.values()]

    def load(self, rows: Iterable[tuple[str, str, int, int, int, int, int]]) -> None:
        """Take what `rows` gave."""
        for row in rows:
            self.add(Known(*row))
