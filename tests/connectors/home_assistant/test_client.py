"""What the client does beside the reading: nothing that is not answered holds it up for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from homeiq.clock import SECOND
from homeiq.connectors.home_assistant import refetch
from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.errors import SourceUnreachable
from homeiq.settings import HomeAssistantSettings
from homeiq.storage.record import Event
from pydantic import SecretStr

from servers.fake_home import FakeHome, large_home

FIRED = "2026-11-23T15:48:33.184487+00:00"


class Heard:
    """A listener that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.said: list[str] = []
        self.warnings: list[str] = []

    def take(self, event: Event) -> None:
        self.events.append(event)

    def connected(self, **facts: object) -> None:
        self.said.append(f"connected {facts}")

    def introduce(self, description: str) -> None:
        self.said.append(description)

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def types(self) -> list[str]:
        return [event.event_type for event in self.events]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def listen(home: FakeHome, act: Callable[[Heard], Awaitable[None]], *, answer_seconds: float = 30.0) -> Heard:
    """Listen to a home until `act`, which begins when everything is heard, is done."""

    async def session() -> Heard:
        async with home:
            settings = HomeAssistantSettings(url=home.url, token=SecretStr("secret"))
            heard = Heard()
            connector = HomeAssistantConnector(settings, answer_seconds=answer_seconds)
            listening = asyncio.create_task(connector.listen(heard))
            try:
                await until(lambda: heard.said or listening.done())
                if not listening.done():
                    await act(heard)
            finally:
                listening.cancel()
                (result,) = await asyncio.gather(listening, return_exceptions=True)
            if isinstance(result, Exception):
                raise result
            return heard

    return asyncio.run(session())


async def nothing(heard: Heard) -> None:
    """Do nothing."""


def test_a_snapshot_whose_states_never_come_ends_with_a_warning() -> None:
    home = large_home(10)
    home.silent = {"get_states"}

    async def act(heard: Heard) -> None:
        await until(lambda: len(heard.said) == 2)
        assert heard.said[1] == "2026.11.0, 0 entities"
        await home.fire("x", {}, FIRED)
        await until(lambda: "x" in heard.types())

    heard = listen(home, act, answer_seconds=0.3)
    assert heard.warnings == ["Home Assistant has not answered get_states; the next snapshot asks again"]
    assert "entity_registry" in heard.types()


@pytest.mark.parametrize("silent", ["auth", "get_config", "subscribe_events"])
def test_a_home_that_never_lets_us_hear_is_left(silent: str) -> None:
    home = large_home(1)
    home.silent = {silent}

    with pytest.raises(SourceUnreachable, match="Home Assistant does not answer any more"):
        listen(home, nothing, answer_seconds=0.3)


def test_patience_ends_when_everything_is_heard() -> None:
    home = large_home(1)

    async def act(heard: Heard) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until(lambda: loop.time() > began + 0.5)
        await home.fire("x", {}, FIRED)
        await until(lambda: "x" in heard.types())

    listen(home, act, answer_seconds=0.25)


def test_a_burst_of_registry_changes_is_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refetch, "INTERVAL", SECOND // 4)
    home = large_home(1)
    listed = "config/entity_registry/list"

    async def act(heard: Heard) -> None:
        await until(lambda: len(heard.said) == 2)
        before, began = home.asked[listed], asyncio.get_running_loop().time()
        for number in range(200):
            home.answers[listed] = [number]
            await home.fire("entity_registry_updated", {"action": "update", "entity_id": "a.b"}, FIRED)
        last = "[199]"
        await until(lambda: heard.events[-1].raw == last)
        intervals = (asyncio.get_running_loop().time() - began) / 0.25
        assert 1 <= home.asked[listed] - before <= 2 + intervals
        home.answers[listed] = [200]
        await home.fire("entity_registry_updated", {"action": "update", "entity_id": "a.b"}, FIRED)
        await until(lambda: heard.events[-1].raw == "[200]")

    listen(home, act)


@pytest.mark.parametrize("code", ["unknown_command", "unauthorized"])
def test_a_home_without_registries_is_recorded_all_the_same(code: str) -> None:
    home = large_home(3)
    home.refused = {command: code for command in home.answers if command.startswith("config/")}

    async def act(heard: Heard) -> None:
        await until(lambda: len(heard.said) == 2)

    heard = listen(home, act)
    assert heard.types() == ["config", *["state"] * 3, "config"]
    assert len(heard.warnings) == (0 if code == "unknown_command" else 5)


def test_what_was_dropped_is_asked_for_again() -> None:
    async def session() -> None:
        async with large_home(10) as home:
            settings = HomeAssistantSettings(url=home.url, token=SecretStr("secret"))
            heard = Heard()
            connector = HomeAssistantConnector(settings, answer_seconds=0.05, snapshot_seconds=0.05)
            connector.ask_again()  # nobody is connected: a connection begins with a snapshot anyway
            listening = asyncio.create_task(connector.listen(heard))
            await until(lambda: heard.types().count("config") == 2)
            connector.ask_again()
            await until(lambda: heard.types().count("config") == 3)
            assert heard.types().count("entity_registry") == 2
            assert len(heard.said) == 2, "connected and introduced once"
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    asyncio.run(session())
