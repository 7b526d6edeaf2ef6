"""What the checks look at. Each fact is found out once, by the check that asks first; the others wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ..clock import Clock, SystemClock
from ..errors import HomeiqError
from ..recorder.control import facts_of
from ..settings import Settings
from ..storage.log import log_folder
from .projection import Projection, projection_of

if TYPE_CHECKING:
    from .log_facts import LogFacts

__all__ = ["QUIET", "Case", "Limits", "Once"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds: one request, one check; and how long to watch a follower that is behind.

    `full`: everything is read that can be. `quiet`: for whoever asks each minute; nothing is written to a target, its
    points are not counted, and Home Assistant is not asked: what recorder and ledger say of both is enough.
    """

    request: float = 5.0
    check: float = 30.0
    watch: float = 3.0
    full: bool = False
    quiet: bool = False


QUIET: Final = Limits(quiet=True)
"""What suits a process that makes a diagnosis each minute, beside others."""


class Once(Generic[T]):
    """A value that is made when it is first asked for; an error that making it raised is raised each time."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []
        self._error: HomeiqError | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._made:
                try:
                    self._made.append(self._make())
                except HomeiqError as error:
                    self._error = error
                    raise
            return self._made[0]

    def known(self) -> T | None:
        """Return the value if it was made; nothing is waited for."""
        return self._made[0] if self._made else None


class Case:
    """One home at one moment: its settings, and what is known of recorder, log and ledger."""

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        clock: Clock | None = None,
        limits: Limits | None = None,
        *,
        data_dir_given: bool = False,
    ) -> None:
        """`data_dir_given`: the data folder was named on the command line."""
        self.settings = settings
        self.config = config
        self.data_dir_given = data_dir_given
        self.clock = clock or SystemClock()
        self.limits = limits or Limits()
        self.now = self.clock.now()
        self._lock = threading.Lock()
        self._others: dict[str, Once[Any]] = {}
        self.recorder: Once[dict[str, Any] | None] = Once(
            partial(facts_of, settings.data_dir, timeout=self.limits.request)
        )
        """The running recorder's live facts, None where none runs; `problem` where it does not answer."""
        self.log: Once[LogFacts | None] = Once(self._log)
        """What the newest part of the log says, None where there is no log. Raises LogError."""
        self.projections: dict[str, Once[Projection]] = {
            name: Once(partial(projection_of, settings, name)) for name in settings.all_targets()
        }
        """By the name of a target, what the ledger says of it. Raises HomeiqError."""

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` made when it was asked for under this key first."""
        with self._lock:
            one: Once[Any] = self._others.setdefault(key, Once(make))
        return cast(T, one())

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.settings.data_dir

    def _log(self) -> LogFacts | None:
        if not log_folder(self.data_dir).is_dir():
            return None
        from .log_facts import look_at

        return look_at(self.data_dir, self.now)
