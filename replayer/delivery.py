"""Each line ends as accepted, rejected or kept; "written" means that the target said so.

nobody answers                 kept: knocked at about once a second, and tried again as soon as there is an answer
5xx, 429, 503                  kept: tried again with full jitter, Retry-After honoured
401, 403, 404                  kept: said once, tried slowly; a one-shot command gives up
413                            halved
400, 422                       bisected down to the lines refused, which are set aside with seq and reason
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..clock import Clock, full_jitter
from ..errors import BatchTooLarge, Kind, LinesRefused, Stopped, TargetBusy, TargetError, TargetUnreachable
from .ledger import DeadLetter, Ledger
from .point import Point, line
from .targets.base import Ghost, Target, WindowWriter

__all__ = ["Ahead", "Delivery"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_CAP_SECONDS = 4.0
"""What is newest is to be seen within five seconds of a target's return."""
_KNOCK_SECONDS = 1.0
"""So long at most between two knocks at one who does not answer: a knock costs next to nothing."""
_SILENT_SECONDS = 30.0
_OPERATOR_SECONDS = 30.0
_PATIENCE_SECONDS = 15.0


class Delivery:
    """Brings points to one target. With `forever` it tries until it is stopped, else for 15 s."""

    def __init__(
        self,
        target: Target,
        ledger: Ledger | None,
        clock: Clock,
        *,
        forever: bool,
        stop: threading.Event | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self.refused = 0
        self.written = 0
        self.problem = ""
        self.normalizer = ""
        self.fingerprint = ""
        self._target = target
        self._ledger = ledger
        self._clock = clock
        self._forever = forever
        self._stop = stop or threading.Event()
        self._waiting = waiting or (lambda _: None)
        self._away = False
        self._counting = threading.Lock()

    def of(self, normalizer: str, fingerprint: str) -> None:
        """Say of which normalizer the points are that come next: it is kept with those that are refused."""
        self.normalizer, self.fingerprint = normalizer, fingerprint

    def connect(self, position: int) -> None:
        """Wait until the target can be written to; raises TargetError (unless `forever`), Stopped."""
        self._persist(lambda: self._target.connect(position))

    def write(self, points: Sequence[Point], to: WindowWriter) -> None:
        """Write points to one of the target's writers; when it returns, each is accepted or set aside.

        Raises TargetError (unless `forever`), Stopped.
        """
        for batch in self._target.batches(points):
            self.write_batch(batch, to)

    def write_batch(self, points: Sequence[Point], to: WindowWriter) -> None:
        """Write one of a target's batches; as `write`."""
        try:
            self._persist(lambda: to.write(points))
            with self._counting:
                self.written += len(points)
        except (BatchTooLarge, LinesRefused) as error:
            if len(points) == 1:
                self._set_aside(points[0], str(error))
            else:
                middle = len(points) // 2
                self.write_batch(points[:middle], to)
                self.write_batch(points[middle:], to)

    def ask(self, question: Callable[[], T]) -> T:
        """Return the target's answer; a question that breaks off is asked again. Raises TargetError, Stopped."""
        answers: list[T] = []
        self._persist(lambda: answers.append(question()))
        return answers[0]

    def delete(self, ghosts: Sequence[Ghost]) -> None:
        """Remove points; when it returns, they are gone. Raises TargetError (unless `forever`), Stopped."""
        self._persist(lambda: self._target.delete(ghosts))

    @property
    def away(self) -> bool:
        """The target was away since it was last asked for by `was_away`."""
        return self._away

    def was_away(self) -> bool:
        """Tell whether the target was away since this was last asked: it may have come back as another."""
        away, self._away = self._away, False
        return away

    def _persist(self, action: Callable[[], None]) -> None:
        """Do it, again and again while time or a person may mend it."""
        began = self._clock.monotonic()
        attempt = 0
        while True:
            try:
                action()
            except (BatchTooLarge, LinesRefused):
                self._say("")
                raise
            except TargetError as error:
                waited = self._clock.monotonic() - began
                if not self._forever and (error.kind is Kind.OPERATOR or waited > _PATIENCE_SECONDS):
                    raise
                self._away = self._away or error.kind is Kind.RETRY
                self._say(str(error))
                self._wait(_delay(error, attempt))
                silent = isinstance(error, TargetUnreachable) and not self._gives_sign(began)
                attempt = 0 if silent else attempt + 1
            else:
                self._say("")
                return

    def _gives_sign(self, began: float) -> bool:
        """Knock until the target answers, or it is time to try all the same: what lies before it may swallow a knock."""
        until = self._clock.monotonic() + _SILENT_SECONDS
        if not self._forever:
            until = min(until, began + _PATIENCE_SECONDS)
        while not self._target.answers():
            if self._clock.monotonic() >= until:
                return False
            self._wait(_KNOCK_SECONDS * (0.5 + full_jitter(0, base=0.5)))
        return True

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped("stopped before the target took everything", hint=self.problem)

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            if problem:
                _log.warning("%s; the log keeps everything until then", problem)
            else:
                _log.info("%s takes points again", self._target.title)
            self._waiting(problem)
        self.problem = problem

    def _set_aside(self, point: Point, reason: str) -> None:
        with self._counting:  # batches may be under way at the same time
            self.refused += 1
            first = self.refused == 1
        if first:
            _log.warning("%s refuses a point, which is set aside: %s", self._target.title, reason)
        if self._ledger is not None:
            letter = DeadLetter(self.normalizer, point.seq, point.time // 1000, line(point), reason, self.fingerprint)
            self._ledger.set_aside([letter])


class Ahead:
    """Delivers batches while the next is being made: the work of this process and of the target overlap.

    As many batches are under way as the target takes at once, so many more are `waiting` at most, and one more is made. No
    two of them may hold the same point, so their order decides nothing. After `settle`, or the end of the context, all of
    them are delivered.
    """

    def __init__(self, delivery: Delivery, target: Target, writer: WindowWriter, waiting: int = 1) -> None:
        """Points go to `writer`, which is one of the target's."""
        self._delivery = delivery
        self._target = target
        self._writer = writer
        self._most = target.at_once + waiting
        self._threads = ThreadPoolExecutor(target.at_once, "delivery")
        self._under_way: deque[Future[None]] = deque()

    def write(self, points: Sequence[Point]) -> None:
        """Deliver points soon; raises what the delivery of those before raised."""
        for batch in self._target.batches(points):
            self._settle(self._most - 1)
            self._under_way.append(self._threads.submit(self._delivery.write_batch, batch, self._writer))

    def settle(self) -> None:
        """Wait until everything is delivered; raises what that raised."""
        self._settle(0)

    def _settle(self, most: int) -> None:
        while len(self._under_way) > most:
            self._under_way.popleft().result()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)


def _delay(error: TargetError, attempt: int) -> float:
    if isinstance(error, TargetBusy) and error.retry_after:
        return error.retry_after + full_jitter(0)
    if error.kind is Kind.OPERATOR:
        return _OPERATOR_SECONDS * (0.5 + full_jitter(0, base=0.5))
    return full_jitter(attempt, base=0.5, cap=_CAP_SECONDS)
