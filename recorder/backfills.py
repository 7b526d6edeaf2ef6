"""All histories of a recorder: gaps are closed as they end, and one range at a time is fetched for a person who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import SourceUnreachable, UsageError
from .backfill import Backfill, Range
from .control import Answer

__all__ = ["Backfills"]


class Backfills:
    """The recorder's part in `homeiq backfill`, and what goes on without being asked for."""

    def __init__(self, backfills: Sequence[Backfill], data_dir: Path) -> None:
        self._data_dir = data_dir
        self._backfills = backfills
        self._asked: asyncio.Task[bool] | None = None
        self._progress: Mapping[str, Any] = {}

    async def run(self) -> None:
        """Close gaps until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for backfill in self._backfills:
                    group.create_task(backfill.run())
        finally:
            await self._end_asked()

    def answers(self) -> dict[str, Answer]:
        """Return what is answered to which request on the control socket."""
        return {"backfill": self._begin, "backfill_progress": self._tell, "backfill_stop": self._stop}

    async def _begin(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        since, until = request.get("since"), request.get("until")
        if not isinstance(since, int) or not isinstance(until, int) or since >= until:
            raise UsageError("since and until must be microseconds UTC, in this order")
        if not self._backfills:
            raise UsageError("there is nothing to ask for its history", hint="set home_assistant.url and .token")
        backfill = self._backfills[0]
        if not backfill.connected:
            raise SourceUnreachable(f"{backfill.source} is not connected", hint="try again when it is")
        if self._asked is not None and not self._asked.done():
            raise UsageError("another backfill was asked for, and goes on", hint="wait until it is done")
        self._asked = asyncio.create_task(backfill.fetch_for(Range(since, until, since, until), self._data_dir))
        return {}

    async def _tell(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._asked is None:
            return {}
        progress = self._backfills[0].progress
        facts = {} if progress is None else asdict(progress)
        return {**facts, "running": not self._asked.done()}

    async def _stop(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._end_asked()
        return await self._tell(request)

    async def _end_asked(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.gather(self._asked, return_exceptions=True)
