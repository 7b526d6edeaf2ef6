"""Full tails become segments in a short-lived child process at low priority: it loads pyarrow, the recorder does not."""

from __future__ import annotations

import asyncio
import logging
import sys

from ..clock import Clock
from ..errors import LogNotWritable
from ..settings import RecordingSettings
from ..storage.log import EventLog, tails_in
from .intake import Intake

__all__ = ["Sealer"]

_log = logging.getLogger(__name__)


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
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "homeiq.storage.maintenance",
            "seal",
            str(self._log.data_dir),
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
        problem = errors.decode("utf-8", "replace").strip().splitlines()[-1:] if child.returncode else []
        if problem and problem[0] != self._problem:
            _log.error("a tail could not be sealed, it stays as it is: %s", problem[0])
        self._problem = problem[0] if problem else ""
