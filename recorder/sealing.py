"""Full tails become segments in a short-lived child process at low priority: it loads pyarrow, the recorder does not."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from ..clock import Clock
from ..errors import LogNotWritable
from ..settings import RecordingSettings
from ..storage.log import EventLog, tails_in
from .intake import Intake

__all__ = ["Sealer", "run_child"]

_log = logging.getLogger(__name__)

_PRESSED_SECONDS = 60.0
_PRESSED_RECORDS = 1_000
"""On a full disk so few records are sealed already, so often: a segment takes far less room than a tail."""


class Sealer:
    """Decides when to seal, and has it done."""

    def __init__(self, log: EventLog, intake: Intake, settings: RecordingSettings, clock: Clock) -> None:
        self._log = log
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._sealed_at = clock.monotonic()
        self._pressed_at = self._sealed_at - _PRESSED_SECONDS
        self._problem = ""

    async def seal_if_due(self) -> None:
        """Do as _seal_if_due. The recorder's stop ends it in the middle, which is no error: the next run seals."""
        try:
            await self._seal_if_due()
        except asyncio.CancelledError:
            # The scheduler would call it an error, with a traceback.
            _log.debug("the recorder stops, and so does sealing")

    async def _seal_if_due(self) -> None:
        """Seal the tails behind the present one when they hold a segment's worth, have become old, or the disk is full."""
        old = self._clock.monotonic() - self._sealed_at > self._settings.seal_hours * 3600
        pressed = self._is_pressed()
        if old or pressed:
            await self.rotate()
        tails = tails_in(self._log.folder)
        waiting = tails[-1][0] - tails[0][0]
        if waiting >= self._settings.seal_records or ((old or pressed) and waiting):
            await self._seal()
        if old:
            self._sealed_at = self._clock.monotonic()

    async def rotate(self) -> None:
        """Begin a new tail, so that all that is durable now can be sealed; a disk that can't is tried again later."""
        try:
            await self._intake.in_writer(self._log.rotate)
        except LogNotWritable as error:
            _log.warning("%s", error)

    def _is_pressed(self) -> bool:
        """Tell whether the disk is full and sealing may make room on it."""
        now = self._clock.monotonic()
        if not self._log.reserve.missing or now - self._pressed_at < _PRESSED_SECONDS:
            return False
        tails = tails_in(self._log.folder)
        if not tails or self._log.next_seq - tails[0][0] < _PRESSED_RECORDS:
            return False
        self._pressed_at = now
        return True

    async def _seal(self) -> None:
        """Save what is in the tails into the recorder's cache, so that the next start finds it; then seal them."""
        data_dir = str(self._log.data_dir)
        problem = await run_child([sys.executable, "-m", "homeiq.recorder.latest", data_dir, "advance"])
        if problem:
            _log.warning("what was recorded last is not kept for the next start: %s", problem)
        problem = await run_child([sys.executable, "-m", "homeiq.storage.maintenance", "seal", data_dir])
        if problem and problem != self._problem:
            _log.error("a tail could not be sealed, it stays as it is: %s", problem)
        self._problem = problem


async def run_child(command: Sequence[str]) -> str:
    """Run a process to its end; return what it says of its failure, nothing if it did not fail."""
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
    if not child.returncode:
        return ""
    said = errors.decode("utf-8", "replace").strip().splitlines()
    return said[-1] if said else f"exit code {child.returncode}"
