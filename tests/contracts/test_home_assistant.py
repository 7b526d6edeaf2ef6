"""What the connector does with a Home Assistant: the same tests against the simulated one and a real one."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import from_iso
from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.errors import SourceUnreachable, TokenRefused
from homeiq.settings import HomeAssistantSettings
from homeiq.storage.record import Event
from pydantic import SecretStr

from servers.home_assistant import HomeAssistantServer
from servers.simulated import SimulatedServer

Server = HomeAssistantServer | SimulatedServer


@pytest.fixture(params=["simulated", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "real":
        yield request.getfixturevalue("home_assistant")
    else:
        with SimulatedServer() as simulated:
            yield simulated


@pytest.fixture(params=["simulated", "real"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that a test may end."""
    if request.param == "real":
        yield request.getfixturevalue("home_assistant_factory")()
    else:
        with SimulatedServer() as simulated:
            yield simulated


@dataclass
class Heard:
    """A listener that keeps everything."""

    events: list[Event] = field(default_factory=list)
    connections: list[dict[str, object]] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        self.events.append(event)

    def connected(self, **facts: object) -> None:
        self.connections.append(facts)

    def introduce(self, description: str) -> None:
        self.descriptions.append(description)

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def of(self, event_type: str, entity_id: str | None = None) -> list[Event]:
        return [
            event for event in self.events if event.event_type == event_type and entity_id in (None, event.entity_id)
        ]


def listen(server: Server, act: Callable[[Heard], Awaitable[None]], *, token: str | None = None) -> Heard:
    """Listen, wait for the snapshot, act, and stop listening."""

    async def session() -> Heard:
        settings = HomeAssistantSettings(url=server.url, token=SecretStr(token or server.token))
        heard = Heard()
        listening = asyncio.create_task(HomeAssistantConnector(settings).listen(heard))
        try:
            await until(lambda: heard.descriptions or listening.done())
            if not listening.done():
                await act(heard)
        finally:
            if not listening.done():
                listening.cancel()
            result = (await asyncio.gather(listening, return_exceptions=True))[0]
        if isinstance(result, Exception):
            raise result
        return heard

    return asyncio.run(session())


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def nothing(heard: Heard) -> None:
    """Do nothing."""


def test_first_the_connection_then_a_snapshot(server: Server) -> None:
    states = {state["entity_id"]: state for state in server.states()}
    heard = listen(server, nothing)
    assert len(heard.connections) == 1
    version = heard.connections[0]["version"]
    assert heard.descriptions == [f"{version}, {len(heard.of('state'))} entities"]
    for name in ("area_registry", "device_registry", "entity_registry", "config"):
        assert heard.of(name), f"{name} is part of the snapshot"
        for event in heard.of(name):
            assert isinstance(json.loads(event.raw), dict if name == "config" else list)
    assert heard.events[-1].event_type == "config" or heard.of("state_changed"), "the configuration comes last"
    assert {event.entity_id for event in heard.of("state")} >= set(states)
    for event in heard.of("state"):
        state = json.loads(event.raw)
        assert (event.entity_id, event.state) == (state["entity_id"], state["state"])
        assert event.time == from_iso(state["last_updated"])
    simulated = isinstance(server, SimulatedServer)
    origins = {event.origin for event in heard.events if event.event_type != "state_changed"}
    assert origins == {"simulated"} if simulated else origins <= {"snapshot", "live"}
    assert heard.warnings == []


def test_a_state_its_change_and_its_removal(server: Server) -> None:
    async def act(heard: Heard) -> None:
        for state in ("1", "2"):
            await asyncio.to_thread(server.set_state, "sensor.contract", state, {"ünïcode": "ö\n"})
        await asyncio.to_thread(server.delete_state, "sensor.contract")
        await until(lambda: len(heard.of("state_changed", "sensor.contract")) == 3)

    first, second, removal = listen(server, act).of("state_changed", "sensor.contract")
    for event, state in ((first, "1"), (second, "2")):
        content = json.loads(event.raw)
        assert event.state == state == content["data"]["new_state"]["state"]
        assert event.time == from_iso(content["data"]["new_state"]["last_updated"]) == from_iso(content["time_fired"])
        assert content["data"]["new_state"]["attributes"] == {"ünïcode": "ö\n"}
    assert first.time < second.time < removal.time
    content = json.loads(removal.raw)
    assert (removal.state, content["data"]["new_state"]) == (None, None)
    assert removal.time == from_iso(content["time_fired"])


def test_calls_of_services_are_heard(server: Server) -> None:
    light = next(state["entity_id"] for state in server.states() if state["entity_id"].startswith("light."))

    async def act(heard: Heard) -> None:
        for brightness in (50, 100):
            await asyncio.to_thread(server.call, "light", "turn_on", {"entity_id": light, "brightness": brightness})
        await until(lambda: len(heard.of("call_service")) >= 2 and len(heard.of("state_changed", light)) >= 1)

    heard = listen(server, act)
    assert heard.of("state_changed", light)[-1].state == "on"
    assert all(json.loads(event.raw)["data"]["service"] for event in heard.of("call_service"))


def test_frames_of_any_size(server: Server) -> None:
    """The default limit of the library is 1 MiB."""
    text = "x" * 3_000_000

    async def act(heard: Heard) -> None:
        await asyncio.to_thread(server.set_state, "sensor.contract_large", "1", {"text": text})
        await until(lambda: heard.of("state_changed", "sensor.contract_large"))

    try:
        heard = listen(server, act)
        assert text in heard.of("state_changed", "sensor.contract_large")[0].raw
        assert text in listen(server, nothing).of("state", "sensor.contract_large")[0].raw
    finally:
        server.delete_state("sensor.contract_large")


def test_a_wrong_token_is_refused(server: Server) -> None:
    with pytest.raises(TokenRefused, match=r"set home_assistant\.token"):
        listen(server, nothing, token="wrong")


def test_the_end_of_the_server_ends_the_session(own_server: Server) -> None:
    async def act(heard: Heard) -> None:
        await asyncio.to_thread(own_server.kill)
        await asyncio.sleep(1)

    with pytest.raises(SourceUnreachable, match="the connection to Home Assistant ended"):
        listen(own_server, act)
