"""A backfill that is asked for on the recorder's socket: what is refused, and why."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from homeiq.errors import SourceUnreachable, UsageError
from homeiq.recorder.backfills import Backfills


class Fetching:
    """A backfill that goes on until it is cancelled."""

    source = "home_assistant"
    connected = True
    progress: Any = None

    async def fetch_for(self, wanted: object, data_dir: Path) -> bool:
        await asyncio.Event().wait()
        return True


def ask(backfills: Backfills, **request: object) -> Any:
    return backfills.answers()["backfill"](request)


def test_wrong_times_are_refused(tmp_path: Path) -> None:
    for request in ({}, {"since": "1", "until": 2}, {"since": 2, "until": 2}):
        with pytest.raises(UsageError, match="must be microseconds UTC, in this order"):
            asyncio.run(ask(Backfills([Fetching()], tmp_path), **request))  # type: ignore[list-item]


def test_nobody_to_ask(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing to ask for its history: set home_assistant\.url"):
        asyncio.run(ask(Backfills([], tmp_path), since=1, until=2))
    away: Any = SimpleNamespace(source="home_assistant", connected=False)
    with pytest.raises(SourceUnreachable, match="home_assistant is not connected: try again when it is"):
        asyncio.run(ask(Backfills([away], tmp_path), since=1, until=2))


def test_one_at_a_time(tmp_path: Path) -> None:
    async def twice() -> None:
        backfills = Backfills([Fetching()], tmp_path)  # type: ignore[list-item]
        await ask(backfills, since=1, until=2)
        try:
            with pytest.raises(UsageError, match="another backfill was asked for, and goes on: wait until it is done"):
                await ask(backfills, since=1, until=2)
        finally:
            await backfills._end_asked()

    asyncio.run(twice())
