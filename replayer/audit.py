"""What a replay would change (plan), and whether the target equals f(log) (audit): the comparison, without any writing.

A plan compares with the whole log. An audit compares with the log up to the ledger's position; while a follower writes,
what differs is looked at once more with the whole log, so that what is just being written is no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..clock import Clock, SystemClock, window_of
from ..errors import TargetRefused
from ..settings import Settings
from ..storage.log import log_id
from ..storage.reader import LogReader
from ..storage.view import LogView
from .compare import Comparison, canonical
from .delivery import Delivery
from .frozen import frozen_windows
from .home import Home
from .ledger import Ledger
from .marking import MEASUREMENT, oldest_kept
from .normalizers.base import Normalizer
from .normalizers.registry import fingerprint, normalizers_of, problems_of, with_retired
from .point import Point
from .projection import window_points
from .replay import open_target, target_is_followed
from .scope import PointFilter, Scope
from .targets.base import Stored, Target
from .window_replay import slices_of
from .windows import Counts, home_of

__all__ = ["Difference", "Tally", "Findings", "audit", "plan"]

_EXAMPLES = 3

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """One point that is not as it should be: its fields in the target and as they are wanted, None where there is none.

    `kind` is new, changed or removed: what a replay would do. The time is in nanoseconds UTC.
    """

    kind: str
    measurement: str
    tags: Mapping[str, str]
    time: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(slots=True)
class Tally:
    """Points of a measurement and day (its start, microseconds UTC), by what a replay would do with them."""

    measurement: str
    day: int
    new: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def differs(self) -> bool:
        """Something would be done."""
        return bool(self.new or self.changed or self.removed)


@dataclass
class Findings:
    """What a comparison found. `foreign` points are others', and never touched.

    `frozen` windows can't be computed any more: see frozen.py. `refused` of the missing points lie in the ledger as dead
    letters, `beyond_retention` are older than the target keeps.
    """

    target: str
    windows: int = 0
    windows_done: int = 0
    tallies: dict[tuple[str, int], Tally] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)
    foreign: int = 0
    frozen: int = 0
    refused: int = 0
    beyond_retention: int = 0
    not_yet_projected: int = 0
    followed: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """The target is not what it should be."""
        late = self.not_yet_projected and not self.followed
        return bool(self.problems) or bool(late) or any(tally.differs for tally in self.tallies.values())

    def tally(self, measurement: str, time: int) -> Tally:
        """Return the tally of a point's measurement and day; the time is in nanoseconds UTC."""
        day = window_of(time // 1000)
        return self.tallies.setdefault((measurement, day), Tally(measurement, day))

    def add(self, difference: Difference) -> None:
        """Count a difference; the first ones are examples."""
        tally = self.tally(difference.measurement, difference.time)
        setattr(tally, difference.kind, getattr(tally, difference.kind) + 1)
        if sum(one.kind == difference.kind for one in self.examples) < _EXAMPLES:
            self.examples.append(difference)


Watch = Callable[[Findings], None]


def plan(
    settings: Settings, scope: Scope, *, to: str = "", clock: Clock | None = None, watch: Watch = lambda found: None
) -> Findings:
    """Return what a replay of this scope would change. Writes nothing. Raises TargetError, LogError."""
    with _Reader(settings, to, clock or SystemClock()) as reader:
        view = LogView(settings.data_dir)
        for _ in reader.compare(scope, lambda start, name: view, settled=None):
            watch(reader.findings)
        return reader.findings


def audit(
    settings: Settings, scope: Scope, *, to: str = "", clock: Clock | None = None, watch: Watch = lambda found: None
) -> Findings:
    """Prove that the target equals f(log up to the ledger's position), or say where not. Raises TargetError, LogError."""
    with _Reader(settings, to, clock or SystemClock()) as reader:
        findings, ledger = reader.findings, reader.ledger
        reader.check_marker()
        position = ledger.position
        findings.followed = target_is_followed(settings.data_dir, reader.target)
        findings.not_yet_projected = max(0, LogReader(settings.data_dir).end() - position)
        ahead = {(window.start, window.normalizer): window.log_end for window in ledger.windows("done")}
        views: dict[int, LogView] = {}

        def view_of(start: int, name: str) -> LogView:
            upto = max(position, ahead.get((start, name), 0))
            if upto not in views:
                views.clear()
                views[upto] = LogView(settings.data_dir, upto)
            return views[upto]

        for _ in reader.compare(scope, view_of, settled=lambda: LogView(settings.data_dir)):
            watch(findings)
        return findings


class _Reader:
    """Compares windows of one target with a log."""

    def __init__(self, settings: Settings, to: str, clock: Clock) -> None:
        self.target: Target = open_target(settings, to)
        self.ledger = Ledger(settings.data_dir, self.target.name)
        self.findings = Findings(self.target.title)
        self._settings = settings
        self._clock = clock
        found = normalizers_of(settings)
        self.findings.problems += problems_of(found)
        self._normalizers = with_retired(found, self.ledger)
        self._delivery = Delivery(self.target, None, clock, forever=False)

    def __enter__(self) -> _Reader:
        try:
            self._delivery.connect(self.ledger.position)
            if not self.target.reads:
                raise TargetRefused(f"{self.target.title} cannot be read back", hint="give the token the right to read")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.target.close()
        self.ledger.close()

    def check_marker(self) -> None:
        """Find out whether the target is the one that was written to."""
        if self.target.keeps_windows or not any(window.fingerprint for window in self.ledger.windows()):
            return
        found = self._delivery.ask(lambda: self.target.latest(MEASUREMENT))
        if found is None:
            self.findings.problems.append("the target has no marker: it was emptied, or is another one")
        elif found.fields.get("log_id") != log_id(self._settings.data_dir):
            self.findings.problems.append("the target has the marker of another log")

    def compare(
        self, scope: Scope, view_of: Callable[[int, str], LogView], settled: Callable[[], LogView] | None
    ) -> Iterator[None]:
        """Compare every window of the scope; yields after each part."""
        whole = view_of(0, "")
        todo = [
            (normalizer, span)
            for normalizer in self._normalizers
            for span in scope.spans(whole, normalizer, self.ledger, fingerprint(normalizer))
        ]
        todo.sort(key=lambda one: one[1].window)
        self.findings.windows = len(todo)
        self.findings.frozen = sum(
            scope.overlaps(window) and scope.concerns(normalizer)
            for normalizer in self._normalizers
            for window in frozen_windows(whole, normalizer, self.ledger)
        )
        of, home = whole, home_of(whole, self._normalizers)
        for normalizer, span in todo:
            view = view_of(span.window, normalizer.name)
            if view is not of:  # a window that was replayed further than the position knows more of the home
                of, home = view, home_of(view, self._normalizers)
            only = PointFilter(scope, view, normalizer, span.window) if scope.filtered else None
            part = _Part(view, home, normalizer, only)
            oldest = oldest_kept(self.target, self._clock)
            for start, end in slices_of(view, normalizer, span.window):
                differences = self._slice(part, max(start, oldest or start), end)
                if differences and settled is not None:
                    differences = _unsettled(differences, settled(), normalizer, self._normalizers, (start, end))
                for difference in differences:
                    self.findings.add(difference)
                yield
            self.findings.windows_done += 1
            yield

    def _slice(self, part: _Part, start: int, end: int) -> list[Difference]:
        """Return what differs in a slice of time; what is as it should be is tallied."""
        if start >= end:
            return []
        normalizer = part.normalizer
        measurements = sorted({*normalizer.measurements, *self.ledger.measurements(normalizer.name)})
        removes = part.only.removes if part.only else _anything
        comparison = self._delivery.ask(lambda: Comparison(self.target.read(measurements, start, end), removes))
        letters = {
            (letter.seq, letter.time) for letter in self.ledger.dead_letters() if letter.normalizer == normalizer.name
        }
        found: list[Difference] = []
        for points in window_points(part.view, normalizer, part.home, start, end, Counts()):
            wanted = part.only.keep(points) if part.only else points
            judged = comparison.judge(wanted)
            touched = {point.key for point in [*judged.new, *judged.changed, *judged.replaced]}
            for point in wanted:
                if point.key not in touched:
                    self.findings.tally(point.series.measurement, point.time).unchanged += 1
            for point in judged.new:
                if (point.seq, point.time // 1000) in letters:
                    self.findings.refused += 1
                else:
                    found.append(_difference("new", point, None))
            for point in [*judged.changed, *judged.replaced]:
                found.append(_difference("changed", point, judged.before[point.key]))
        if self.ledger.spares(window_of(start)):
            comparison.spare_the_rest()
        self.findings.foreign += comparison.foreign
        for stored in comparison.leftovers():
            found.append(Difference("removed", stored.measurement, stored.tags, stored.time, stored.fields, None))
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    """What the windows of a normalizer are computed from."""

    view: LogView
    home: Home
    normalizer: Normalizer
    only: PointFilter | None


def _anything(stored: Stored) -> bool:
    return True


def _difference(kind: str, point: Point, before: bytes | None) -> Difference:
    fields = None if before is None else orjson.loads(before)
    return Difference(kind, point.series.measurement, point.series.tags, point.time, fields, point.fields)


def _unsettled(
    differences: Sequence[Difference],
    view: LogView,
    normalizer: Normalizer,
    known: Sequence[Normalizer],
    span: tuple[int, int],
) -> list[Difference]:
    """Return the differences that are none of what a follower is just writing: the log has grown meanwhile."""
    now: dict[tuple[str, str, int], Mapping[str, Any]] = {}
    for points in window_points(view, normalizer, home_of(view, known), *span, Counts()):
        for point in points:
            now[_name(point.series.measurement, point.series.tags, point.time)] = point.fields
    left = []
    for one in differences:
        wanted = now.get(_name(one.measurement, one.tags, one.time))
        if one.before is None or wanted is None or canonical(wanted) != canonical(one.before):
            left.append(one)
    return left


def _name(measurement: str, tags: Mapping[str, str], time: int) -> tuple[str, str, int]:
    return measurement, orjson.dumps(dict(tags), option=orjson.OPT_SORT_KEYS).decode(), time
