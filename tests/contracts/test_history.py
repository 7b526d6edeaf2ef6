"""What a history answers: the same tests against the simulated Home Assistant and a real one."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from homeiq.clock import SECOND, SystemClock
from homeiq.connectors.historian import Historian
from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.connectors.home_assistant.history import COMMAND
from homeiq.errors import CommandRefused, SourceUnreachable, TokenRefused
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


def connector_of(server: Server, token: str | None = None) -> HomeAssistantConnector:
    return HomeAssistantConnector(HomeAssistantSettings(url=server.url, token=SecretStr(token or server.token)))


def asking(server: Server, act: Callable[[HomeAssistantConnector], Awaitable[Any]], token: str | None = None) -> Any:
    """Connect only to ask."""

    async def session() -> Any:
        connector = connector_of(server, token)
        async with connector.asking() as historian:
            assert isinstance(historian, Historian)
            return await act(connector)

    return asyncio.run(session())


def history(server: Server, names: list[str], start: int, end: int, wanted: int) -> list[Event]:
    """Return the rows, once there are as many as wanted: a real one commits each five seconds."""

    async def act(connector: HomeAssistantConnector) -> list[Event]:
        async with asyncio.timeout(30):
            while True:
                found = list(await connector.history(names, start, end))
                if len(found) >= wanted:
                    return found
                await asyncio.sleep(0.2)

    return asking(server, act)  # type: ignore[no-any-return]


def test_each_state_and_its_removal(server: Server) -> None:
    name = f"sensor.history_{time.monotonic_ns()}"
    start = SystemClock().now() - SECOND
    for state, n in (("1", 1), ("1", 2), ("ö\n", 2)):
        server.set_state(name, state, {"n": n, "ünïcode": "ö\n"})
    server.delete_state(name)
    end = SystemClock().now() + SECOND
    rows = history(server, [name, "sensor.never_there"], start, end, 4)
    assert [(row.entity_id, row.state) for row in rows] == [(name, "1"), (name, "1"), (name, "ö\n"), (name, None)]
    assert {row.event_type for row in rows} == {"state"}
    assert {row.origin for row in rows} == {"simulated" if isinstance(server, SimulatedServer) else "backfill"}
    for row in rows:
        content = json.loads(row.raw)
        assert content["s"] == row.state
        assert round(content["lu"] * 1e6) == row.time
        assert start < row.time < end
    assert [json.loads(row.raw)["a"].get("n") for row in rows] == [1, 2, 2, None]
    first, last = rows[0].time, rows[-1].time
    assert [row.time for row in history(server, [name], first, last, 3)] == [row.time for row in rows[:3]]
    assert [row.time for row in history(server, [name], first + 1, last + 1, 3)] == [row.time for row in rows[1:]]


def test_no_row_is_made_up(server: Server) -> None:
    known = server.states()[0]["entity_id"]

    async def act(connector: HomeAssistantConnector) -> list[Event]:
        future = SystemClock().now() - SECOND // 2
        return list(await connector.history([known], future, future + SECOND // 4))

    assert asking(server, act) == []


def test_how_far_it_reaches_back(server: Server) -> None:
    name = f"sensor.reached_{time.monotonic_ns()}"
    server.set_state(name, "1")
    long_ago = SystemClock().now() - 86_400 * SECOND * 3_650

    async def act(connector: HomeAssistantConnector) -> bool:
        async with asyncio.timeout(30):
            while not await connector.reaches([name], SystemClock().now()):
                await asyncio.sleep(0.2)  # a real one commits each five seconds
        return await connector.reaches([name], long_ago)

    assert asking(server, act) is False


def test_entities_are_named(server: Server) -> None:
    names = {state["entity_id"] for state in server.states()}

    async def act(connector: HomeAssistantConnector) -> set[str]:
        now = SystemClock().now()
        assert await connector.mentioned(now - SECOND, now) <= names, "none where there is no logbook"
        return await connector.entities()

    assert asking(server, act) >= names


def test_what_it_does_not_know_is_refused(server: Server) -> None:
    async def act(connector: HomeAssistantConnector) -> None:
        await connector.ask("no/such_command")

    with pytest.raises(CommandRefused, match="unknown_command"):
        asking(server, act)

    async def wrong(connector: HomeAssistantConnector) -> None:
        await connector.ask(COMMAND, start_time="yesterday", entity_ids=["sun.sun"])

    with pytest.raises(CommandRefused, match="invalid_start_time"):
        asking(server, wrong)


def test_a_wrong_token_and_no_connection(server: Server) -> None:
    async def nothing(connector: HomeAssistantConnector) -> None:
        raise AssertionError("it was not let in")

    with pytest.raises(TokenRefused):
        asking(server, nothing, token="wrong")

    async def unconnected() -> None:
        with pytest.raises(SourceUnreachable, match="not connected"):
            await connector_of(server).history(["sun.sun"], 0, 1)

    asyncio.run(unconnected())
