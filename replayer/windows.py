"""Windows: days of point time. Which of them a log has something for, and what lies in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY, window_of
from ..storage.reader import records_of
from ..storage.record import COLUMNS, Record
from ..storage.view import LogView
from .conditions import Conditions
from .failures import Failure, Failures, traceback_text
from .frozen import is_frozen, not_frozen
from .home import HOME_TYPES, Home
from .ledger import Ledger
from .normalizers.base import POLLED, SIGNS, Normalizer, Reads, Reason, Summarizer

__all__ = [
    "Counts",
    "Span",
    "home_of",
    "is_reached",
    "latest_in",
    "replayable",
    "scan_for",
    "wanted_entities",
    "whole_windows",
    "windows_behind",
    "windows_between",
]

PARTITION = 100_000
"""A window is read in parts of about so many records, each a range of entities: what is held in memory at once."""


_YEAR = 366 * DAY


@dataclass(slots=True)
class Counts:
    """What a replay did: records read, points made of them, and why the other records gave none of their own.

    Of the points, those that were there already are `unchanged`. `removed` were there and not wanted; `stuck` are such that
    can't be removed without loss to others. `left_out` are values that points do not have, since no field can hold them.
    """

    events: int = 0
    points: int = 0
    refused: int = 0
    unchanged: int = 0
    removed: int = 0
    stuck: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    failures: Failures = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """On how many records a normalizer failed."""
        return self.reasons.get(Reason.FAILED.value, 0)

    def fail(self, normalizer: str, time: int, seq: int) -> None:
        """Count a record with this time on which a normalizer failed: its exception is being handled."""
        self.set_aside(Reason.FAILED)
        failure = self.failures.setdefault((normalizer, window_of(time)), Failure(0, seq, ""))
        failure.count += 1
        failure.traceback = failure.traceback or traceback_text()

    def take(self) -> Counts:
        """Return what was counted since the last time."""
        taken = replace(self)
        self.__init__()  # type: ignore[misc]
        return taken

    def take_failures(self) -> Failures:
        """Return the failures since the last time."""
        taken, self.failures = self.failures, {}
        return taken

    def set_aside(self, reason: Reason, count: int = 1) -> None:
        """Count records that give no point of their own."""
        if count:
            self.reasons[reason.value] = self.reasons.get(reason.value, 0) + count

    def leave_out(self, before: Mapping[str, int], now: Mapping[str, int]) -> None:
        """Count what a normalizer has left out since `before`, by what it says `now`."""
        for reason, count in now.items():
            if count > before.get(reason, 0):
                self.left_out[reason] = self.left_out.get(reason, 0) + count - before.get(reason, 0)

    def add(self, other: Counts) -> None:
        """Add what another replay did."""
        self.events += other.events
        self.points += other.points
        self.refused += other.refused
        self.unchanged += other.unchanged
        self.removed += other.removed
        self.stuck += other.stuck
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        self.leave_out({}, other.left_out)
        self.failures |= other.failures


def home_of(view: LogView, normalizers: Sequence[Normalizer] = (), latest: Callable[[], LogView] | None = None) -> Home:
    """Return all that a log says of the home, and by these normalizers of what surrounded it.

    What surrounded it is read when it is asked for, from what `latest` returns then, by default from the same view.
    """
    home = Home()
    for table in view.scan(event_types=HOME_TYPES):
        home.learn_all(records_of(table))

    def read(normalizer: Normalizer, start: int, end: int) -> Iterator[Record]:
        for table in scan_for(latest() if latest else view, normalizer, start=start, end=end):
            yield from records_of(table)

    home.conditions = Conditions({one.name: one for one in normalizers if one.is_condition}, read, home.at)
    return home


def scan_for(
    view: LogView,
    normalizer: Normalizer,
    columns: Sequence[str] = COLUMNS,
    *,
    start: int | None = None,
    end: int | None = None,
    entities: tuple[str | None, str | None] | None = None,
    also: pc.Expression | None = None,
    without: Callable[[int, int], bool] = lambda low, high: False,
) -> Iterator[pa.Table]:
    """Yield tables of the records that a normalizer reads, with time in [start, end); see LogView.scan.

    `also` is one more condition on seq, time, source, event_type and entity_id.
    """
    reads = normalizer.reads
    condition = _condition(reads)
    yield from view.scan(
        columns,
        start=start,
        end=end,
        event_types=reads.event_types,
        entities=entities,
        domains=() if reads.entities else reads.domains,
        wanted=condition if also is None else condition & also,
        without=without,
    )


def _condition(reads: Reads) -> pc.Expression:
    """Return what Reads.wants says, for Arrow."""
    condition = pc.field("event_type").isin(_texts(reads.event_types))
    if reads.sources:
        condition &= pc.field("source").isin(_texts(reads.sources))
    if reads.entities or reads.domains:
        entity = pc.field("entity_id")
        any_of = entity.isin(_texts(reads.entities))
        for domain in reads.domains:
            any_of |= pc.starts_with(entity, f"{domain}.")
        condition &= (pc.field("event_type") == POLLED) | (entity.is_valid() & any_of)
    return condition


def _texts(texts: Sequence[str]) -> pa.Array:
    return pa.array(texts, pa.string())


class Span(NamedTuple):
    """The wanted times [start, end) of a window (microseconds UTC), and how many records of a normalizer lie in them."""

    window: int
    start: int
    end: int
    events: int


def windows_between(view: LogView, normalizer: Normalizer, since: int | None, until: int | None) -> list[Span]:
    """Return the windows in which points of a normalizer with times in [since, until) may lie, oldest first.

    Times are microseconds UTC; None is no bound.
    """
    at_its_time = isinstance(normalizer, Summarizer) or normalizer.repeat_every
    ahead, back = (0, 0) if at_its_time else (normalizer.ahead, normalizer.back)
    start, end = (None if since is None else since - ahead), (None if until is None else until + back)
    found: dict[int, int] = {}
    for table in scan_for(view, normalizer, ["time"], start=start, end=end):
        for entry in pc.value_counts(pc.floor_temporal(table["time"], unit="day").cast(pa.int64())).to_pylist():
            found[entry["values"]] = found.get(entry["values"], 0) + entry["counts"]
    spans = [
        Span(
            window,
            window if since is None else max(window, since),
            window + DAY if until is None else min(window + DAY, until),
            found.get(window, 0),
        )
        for window in sorted(_reached(found, ahead, back) | _days_of_signs(view, normalizer, since, until))
    ]
    return [span for span in spans if span.start < span.end]


def latest_in(view: LogView, normalizer: Normalizer, window: int) -> int | None:
    """Return the greatest time of a normalizer's records in a window; None if there are none."""
    tables = scan_for(view, normalizer, ["time"], start=window, end=window + DAY)
    return max((pc.max(table["time"].cast(pa.int64())).as_py() for table in tables if table.num_rows), default=None)


def is_reached(view: LogView, normalizer: Normalizer, window: int, upto: int) -> bool:
    """Tell whether records up to a seq may have points in a window: of a normalizer whose points lie at their times."""
    tables = scan_for(view, normalizer, ["seq"], start=window, end=window + DAY, also=pc.field("seq") <= upto)
    return any(table.num_rows for table in tables) or bool(
        _days_of_signs(view, normalizer, window, window + DAY, (0, upto))
    )


def whole_windows(view: LogView, normalizer: Normalizer, since: int | None, until: int | None) -> list[Span]:
    """Return the windows that overlap [since, until), whole: a window is the unit of a replay."""
    first = None if since is None else since - since % DAY
    last = None if until is None else until + -until % DAY
    return windows_between(view, normalizer, first, last)


def wanted_entities(
    view: LogView, normalizer: Normalizer, start: int, end: int, counts: Counts
) -> list[tuple[str | None, str | None]]:
    """Return ranges of entities, in order, that hold about PARTITION records of these times each.

    Records without an entity are set aside.
    """
    of_entity: dict[str, int] = {}
    for table in scan_for(view, normalizer, ["entity_id"], start=start, end=end):
        for entry in pc.value_counts(table["entity_id"]).to_pylist():
            if entry["values"] is None:
                counts.events += entry["counts"]
                counts.set_aside(Reason.INCOMPLETE, entry["counts"])
            else:
                of_entity[entry["values"]] = of_entity.get(entry["values"], 0) + entry["counts"]
    ranges: list[tuple[str | None, str | None]] = []
    first: str | None = None
    size = 0
    names = sorted(of_entity, key=lambda name: name.encode())
    for place, name in enumerate(names):
        first = first if size else name
        size += of_entity[name]
        if size >= PARTITION or place == len(names) - 1:
            ranges.append((first, name))
            size = 0
    return ranges


def replayable(
    view: LogView, normalizer: Normalizer, ledger: Ledger, since: int | None, until: int | None
) -> list[Span]:
    """Return whole windows to be replayed for [since, until): those with records, and those that were ever written.

    Frozen ones are left out.
    """
    spans = {span.window: span for span in whole_windows(view, normalizer, since, until)}
    for known in ledger.windows(normalizer=normalizer.name):
        start, end = known.start, known.start + DAY
        if known.fingerprint and (since is None or end > since) and (until is None or start < until):
            spans.setdefault(start, Span(start, start, end, 0))
    return [spans[start] for start in sorted(spans) if not is_frozen(view, normalizer, start)]


def windows_behind(view: LogView, normalizer: Normalizer, position: int, upto: int) -> list[int]:
    """Return the windows in which the records behind `position`, up to `upto`, may have points."""
    days: set[int] = set()

    def are_known(low: int, high: int) -> bool:  # so of a week's ten million records few are read
        return high - low < _YEAR and all(day in days for day in range(window_of(low), high + 1, DAY))

    for table in scan_for(view, normalizer, ["seq", "time"], without=are_known):
        new = table.filter((pc.field("seq") > position) & (pc.field("seq") <= upto))
        days.update(pc.unique(pc.floor_temporal(new["time"], unit="day").cast(pa.int64())).to_pylist())
    reached = _reached(days, normalizer.ahead, normalizer.back)
    signs = _days_of_signs(view, normalizer, None, None, (position, upto))
    return sorted(not_frozen(view, normalizer, reached | signs))


def _days_of_signs(
    view: LogView,
    normalizer: Normalizer,
    since: int | None,
    until: int | None,
    seqs: tuple[int, int] | None = None,
) -> set[int]:
    """Return the days with times in [since, until) on which states may be repeated: see repeating.py.

    `seqs`: because of records behind the first, up to the second.
    """
    if not normalizer.repeat_every:
        return set()
    start, end = (None if since is None else window_of(since)), (None if until is None else until + -until % DAY)
    new = None if seqs is None else (pc.field("seq") > seqs[0]) & (pc.field("seq") <= seqs[1])
    days: set[int] = set()
    for table in view.scan(["time"], start=start, end=end, event_types=SIGNS.event_types, wanted=new):
        days.update(pc.unique(pc.floor_temporal(table["time"], unit="day").cast(pa.int64())).to_pylist())
    return days


def _reached(days: Iterable[int], ahead: int, back: int) -> set[int]:
    """Return the windows in which points of records of these days may lie."""
    return {
        window for day in days for window in range(window_of(day - back), window_of(day + DAY - 1 + ahead) + 1, DAY)
    }
