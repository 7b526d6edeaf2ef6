"""Small segments are merged once there are some more of them, and once a day records expire, as the settings say.

A child at the lowest priority does it (`homeiq compact --background`): it loads pyarrow, the recorder does not. It works
beside the files that are appended to.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..clock import Clock
from ..storage.log import EventLog, segments_in
from .sealing import run_child

__all__ = ["Upkeep"]

_log = logging.getLogger(__name__)

_ENOUGH = 8
"""New segments that have gathered since the last time."""

_UPKEEP_SECONDS = 86_400.0
_FIRST_SECONDS = 600.0
"""So long after the start it is looked after for the first time, however often the recorder is restarted."""


class Upkeep:
    """Decides when small segments are merged and old records expire, and has it done."""

    def __init__(self, log: EventLog, command: Sequence[str], clock: Clock) -> None:
        """`command` does it, and ends."""
        self._log = log
        self._command = command
        self._clock = clock
        self._small = 0
        self._done_at = clock.monotonic() - _UPKEEP_SECONDS + _FIRST_SECONDS
        self._problem = ""

    async def do_if_due(self) -> None:
        """Do it once enough small segments have gathered, and once a day."""
        if not self._command or not (self._is_crowded() or self._clock.monotonic() - self._done_at > _UPKEEP_SECONDS):
            return
        problem = await run_child(self._command)
        if problem and problem != self._problem:
            _log.error("segments could not be merged, or records not expire; the log stays as it is: %s", problem)
        self._problem = problem
        self._small, self._done_at = self._count(), self._clock.monotonic()

    def _is_crowded(self) -> bool:
        return self._count() >= self._small + _ENOUGH

    def _count(self) -> int:
        return sum(name.generation == 0 for name in segments_in(self._log.folder))
