"""Replays that somebody asked of the running follower: which of their windows are left, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..storage.view import LogView
from .delivery import Delivery
from .ledger import Ledger, Request
from .scope import Scope
from .tracks import Track
from .windows import Counts

__all__ = ["Part", "Requested"]


class Part(NamedTuple):
    """A window (its start, microseconds UTC) of which a request wants a part only: what its scope names."""

    number: int
    start: int
    normalizer: str
    scope: Scope


@dataclass
class _Running:
    """A request under way: which windows (start, normalizer) are left of how many, on how many days."""

    request: Request
    scope: Scope
    left: set[tuple[int, str]]
    total: int
    days: int


class Requested:
    """The requests of one target. Whole windows are marked stale, parts of windows are handed out one after the other."""

    def __init__(self, ledger: Ledger, delivery: Delivery) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._running: dict[int, _Running] = {}

    def take(self, tracks: Sequence[Track], view: Callable[[], LogView]) -> None:
        """Take on what somebody asked for; `view` gives the log as far as it is accounted for."""
        for request in self._ledger.requests("waiting", "running"):
            if request.id not in self._running:
                self._take(request, tracks, view())

    def _take(self, request: Request, tracks: Sequence[Track], view: LogView) -> None:
        scope = Scope.from_json(request.scope)
        wanted = {
            (span.window, track.name)
            for track in tracks
            for span in scope.spans(view, track.normalizer, self._ledger, track.fingerprint)
        }
        self._running[request.id] = _Running(request, scope, wanted, len(wanted), len({day for day, _ in wanted}))
        if not scope.filtered:
            self._ledger.mark_stale([(start, name, "asked for") for start, name in wanted])
            of = {track.name: track for track in tracks}
            for start, name in wanted:
                of[name].set_stale(start, view.last_seq)
        self._report(request.id, Counts())

    def replayed(self, start: int, normalizer: str, counts: Counts) -> None:
        """Enter that a whole window was replayed."""
        for number, running in list(self._running.items()):
            if not running.scope.filtered and (start, normalizer) in running.left:
                running.left.discard((start, normalizer))
                self._report(number, counts)

    def next_part(self) -> Part | None:
        """Return the newest window of which a part is asked for."""
        for number, running in self._running.items():
            start, name = max(running.left)
            return Part(number, start, name, running.scope)
        return None

    def part_replayed(self, part: Part, counts: Counts) -> None:
        """Enter that what a request wants of a window was replayed."""
        self._running[part.number].left.discard((part.start, part.normalizer))
        self._report(part.number, counts)

    def _report(self, number: int, counts: Counts) -> None:
        """Tell who asked how far it is."""
        running = self._running[number]
        state = "running" if running.left else "done"
        known = self._ledger.request(number) or running.request
        self._ledger.report(
            number,
            state,
            windows=(running.total - len(running.left), running.total),
            days=running.days,
            events=known.events + counts.events,
            points=known.points + counts.points,
            message=self._delivery.problem,
        )
        if not running.left:
            del self._running[number]
