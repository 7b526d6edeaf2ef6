"""A source is listened to for ever; changes are recorded, said once, and never go further."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from homeiq.clock import ManualClock
from homeiq.connectors.base import Connector, Listener
from homeiq.errors import HomeiqError, SourceUnreachable, TokenRefused
from homeiq.recorder import supervisor as module
from homeiq.recorder.supervisor import Supervisor
from homeiq.storage.record import Event


class Taker:
    """Stands for the intake."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self, event: Event) -> None:
        self.events.append(event)


Steps = list[HomeiqError | Exception | None]


class Script(Connector):
    """Connects or fails as it is told, then waits for ever."""

    name = "script"
    title = "the Script"

    def __init__(self, steps: Steps) -> None:
        self._steps: Iterator[HomeiqError | Exception | None] = iter(steps)
        self.ended = asyncio.Event()

    async def listen(self, listener: Listener) -> None:
        for step in self._steps:
            if step is not None:
                raise step
            listener.connected(version="1")
            listener.introduce("1, 2 entities")
            listener.warn("a thing to know")
        self.ended.set()
        await asyncio.Event().wait()


def run(
    steps: list[HomeiqError | Exception | None], monkeypatch: pytest.MonkeyPatch
) -> tuple[Supervisor, Taker, list[float]]:
    """Let a supervisor listen to a script, without sleeping."""
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    async def session() -> tuple[Supervisor, Taker]:
        taker, script = Taker(), Script(steps)
        supervisor = Supervisor(script, taker, ManualClock())  # type: ignore[arg-type]
        with monkeypatch.context() as patched:
            patched.setattr(module.asyncio, "sleep", sleep)
            task = asyncio.create_task(supervisor.run())
            await script.ended.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return supervisor, taker

    supervisor, taker = asyncio.run(session())
    return supervisor, taker, delays


def test_changes_are_recorded_and_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    away = SourceUnreachable("it is away")
    supervisor, taker, delays = run([away, away, away, None, away, away, None], monkeypatch)
    assert [event.event_type for event in taker.events] == [
        "homeiq_disconnected",
        "homeiq_connected",
        "homeiq_disconnected",
        "homeiq_connected",
        "homeiq_disconnected",  # the recorder stops
    ]
    assert [record.getMessage() for record in caplog.records] == [
        "not connected to the Script: it is away",
        "connected to the Script 1, 2 entities",
        "a thing to know",
        "not connected to the Script: it is away",
        "connected to the Script 1, 2 entities",
    ]
    assert not supervisor.state.connected
    assert supervisor.state.warnings == ["a thing to know"], "of the last connection alone, though it was said before"
    assert len(delays) == 5
    assert all(delay <= 60 for delay in delays)


def test_a_refused_token_is_tried_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, delays = run([TokenRefused("no")] * 5, monkeypatch)
    assert min(delays) >= 30


def test_an_error_of_our_own_ends_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    _, taker, _ = run([ValueError("a bug"), None], monkeypatch)
    assert "homeiq_connected" in [event.event_type for event in taker.events]
    assert "an error in homeiq itself" in caplog.text
