"""What becomes of full tails, in short-lived children at low priority: they load pyarrow, the recorder does not.

A child seals tails into segments. Another one, `homeiq compact --background`, merges small segments once there are some
more of them, and once a day lets expire what the settings say. Both do their work beside the files that are appended to.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from ..clock import Clock
from ..errors import LogNotWritable
from ..settings import RecordingSettings
from ..storage.log import EventLog, tails_in
from ..storage.manifest import parse_segment
from .intake import Intake

__all__ = ["Sealer", "Upkeep"]

_log = logging.getLogger(__name__)

_ENOUGH = 8
"""New segments that have gathered since the last time."""

_UPKEEP_SECONDS = 86_400.0
_FIRST_SECONDS = 600.0
"""So long after the start it is looked after for the first time, however often the recorder is restarted."""


class Sealer:
    """Decides when to seal, and has it done."""

    def __init__(self, log: EventLog, intake: Intake, settings: RecordingSettings, clock: Clock) -> None:
        self._log = log
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._sealed_at = clock.monotonic()
        self._problem = ""

    async def seal_if_due(self) -> None:
        """Seal the tails behind the present one when they hold a segment's worth, or when they have become old."""
        old = self._clock.monotonic() - self._sealed_at > self._settings.seal_hours * 3600
        if old:
            await self.rotate()
        tails = tails_in(self._log.folder)
        waiting = tails[-1][0] - tails[0][0]
        if waiting >= self._settings.seal_records or (old and waiting):
            await self._seal()
        if old:
            self._sealed_at = self._clock.monotonic()

    async def rotate(self) -> None:
        """Begin a new tail, so that all that is durable now can be sealed; a disk that can't is tried again later."""
        try:
            await self._intake.in_writer(self._log.rotate)
        except LogNotWritable as error:
            _log.warning("%s", error)

    async def _seal(self) -> None:
        command = [sys.executable, "-m", "homeiq.storage.maintenance", "seal", str(self._log.data_dir)]
        problem = await _problem_of(command)
        if problem and problem != self._problem:
            _log.error("a tail could not be sealed, it stays as it is: %s", problem)
        self._problem = problem


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
        problem = await _problem_of(self._command)
        if problem and problem != self._problem:
            _log.error("segments could not be merged, or records not expire; the log stays as it is: %s", problem)
        self._problem = problem
        self._small, self._done_at = self._count(), self._clock.monotonic()

    def _is_crowded(self) -> bool:
        return self._count() >= self._small + _ENOUGH

    def _count(self) -> int:
        return sum(
            name.generation == 0 for path in self._log.folder.glob("date=*/*.parquet") if (name := parse_segment(path))
        )


async def _problem_of(command: Sequence[str]) -> str:
    """Run a child; return the last line of what it said was wrong, an empty text if nothing was."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await child.communicate()
    except asyncio.CancelledError:
        child.terminate()
        await child.wait()
        raise
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return (lines[-1] if lines else f"exit code {child.returncode}") if child.returncode else ""
