"""One window, replayed: intent, points, confirmation. The only way in which a whole window is written."""

from __future__ import annotations

from collections.abc import Iterator

from ..clock import DAY
from ..storage.view import LogView
from .delivery import Ahead, Delivery
from .home import Home
from .ledger import Ledger
from .normalizers.base import Normalizer
from .projection import window_points
from .targets.base import Target
from .windows import Counts

__all__ = ["WindowReplay"]


class WindowReplay:
    """Brings what a window's records make to a target whose lock the caller holds."""

    def __init__(
        self, target: Target, ledger: Ledger, delivery: Delivery, normalizer: Normalizer, fingerprint: str
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._delivery = delivery
        self._normalizer = normalizer
        self._fingerprint = fingerprint

    def steps(self, view: LogView, home: Home, start: int, counts: Counts) -> Iterator[Ahead]:
        """Replay the window that begins at `start` from the records in `view`; yields after each batch of points.

        What is yielded must be settled before anything else is written to the target.

        1. the intent is durable in the ledger   2. the points are written, and the target has said so   3. done
        """
        name, upto = self._normalizer.name, view.last_seq
        self._ledger.enter(start, name, "writing", self._fingerprint, upto)
        with (
            self._target.window(start, upto, name) as writer,
            Ahead(lambda points: self._delivery.write(points, writer)) as ahead,
        ):
            for points in window_points(view, self._normalizer, home, start, start + DAY, counts):
                self._target.prepare(points)
                ahead.write(points)
                yield ahead
        self._ledger.enter(start, name, "done", self._fingerprint, upto)
