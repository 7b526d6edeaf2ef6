"""The simulated home behind a socket: spoken to by `websockets`, as homeiq speaks to a real one."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.connectors.simulated import Options, SimulatedHome, SimulatedHomeAssistant, run_simulator
from homeiq.errors import UsageError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

START = from_iso("2026-10-22T22:00:00")
TOKEN = "secret"

_open: list[ClientConnection] = []

Scene = Callable[[SimulatedHomeAssistant], Awaitable[None]]


def play(scene: Scene, *, speed: float = 0.0, max_rate: float | None = None, options: Options | None = None) -> None:
    """Serve a home while `scene` runs."""

    async def run() -> None:
        home = SimulatedHome(5, START)
        server = SimulatedHomeAssistant(home, token=TOKEN, speed=speed, max_rate=max_rate, options=options)
        await server.start()
        try:
            await asyncio.wait_for(scene(server), 60)
        finally:
            while _open:
                _open.pop().transport.abort()
            await server.stop()

    asyncio.run(run())


async def enter(server: SimulatedHomeAssistant, **options: Any) -> ClientConnection:
    """Connect, and be let in. `play` hangs up when the scene has ended."""
    socket = await connect(server.url.replace("http", "ws") + "/api/websocket", max_size=None, **options)
    assert orjson.loads(await socket.recv())["type"] == "auth_required"
    await socket.send('{"type":"auth","access_token":"secret"}')
    assert orjson.loads(await socket.recv())["type"] == "auth_ok"
    _open.append(socket)
    return socket


async def ask(socket: ClientConnection, number: int, kind: str, **fields: Any) -> Any:
    """Ask, and return what comes next."""
    await socket.send(orjson.dumps({"id": number, "type": kind, **fields}).decode())
    return orjson.loads(await socket.recv())


async def event(socket: ClientConnection) -> dict[str, Any]:
    """Return the next event."""
    frame = orjson.loads(await socket.recv())
    assert frame["type"] == "event"
    found: dict[str, Any] = frame["event"]
    return found


def test_a_bad_token_is_told_and_hung_up_on() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        socket = await connect(server.url.replace("http", "ws") + "/api/websocket")
        await socket.recv()
        await socket.send('{"type":"auth","access_token":"wrong"}')
        assert orjson.loads(await socket.recv())["type"] == "auth_invalid"
        with pytest.raises(ConnectionClosed):
            await socket.recv()

    play(scene)


def test_nothing_is_missing_between_events_and_states() -> None:
    """Subscribe, take the states, and follow the events: what comes out is what the home is."""

    async def scene(server: SimulatedHomeAssistant) -> None:
        socket = await enter(server)
        await ask(socket, 1, "subscribe_events")
        await socket.send('{"id":2,"type":"get_states"}')
        known: dict[str, Any] = {}
        seen = 0
        while seen < 2_000:
            frame = orjson.loads(await socket.recv())
            if frame["type"] == "result":
                known = {state["entity_id"]: state for state in frame["result"]}
                continue
            seen += 1
            data = frame["event"]["data"]
            if known and frame["event"]["event_type"] == "state_changed":
                assert data["old_state"] == known.get(data["entity_id"])
                known[data["entity_id"]] = data["new_state"]
        assert known

    play(scene, speed=math.inf)


@pytest.mark.parametrize("coalesce", [False, True])
def test_a_slow_client_loses_nothing(coalesce: bool) -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        socket = await enter(server, max_queue=2)
        await ask(socket, 1, "subscribe_events")
        bursting = asyncio.create_task(server.burst(20_000))
        await asyncio.sleep(0.3)
        assert not bursting.done()
        times: list[str] = []
        while len(times) < 20_000:
            frame = orjson.loads(await socket.recv())
            times += [each["event"]["time_fired"] for each in (frame if isinstance(frame, list) else [frame])]
        assert times == sorted(times)
        assert len(set(times)) == len(times)
        expected = SimulatedHome(5, START).advance_at_most(server.home.now + SECOND, 20_000)
        assert times[0] == orjson.loads(expected[0].raw)["time_fired"]
        assert times[19_999] == orjson.loads(expected[19_999].raw)["time_fired"]
        await bursting

    play(scene, options=Options(coalesce=coalesce))


def test_time_passes_by_the_speed_and_stands_still_when_paused() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        await asyncio.sleep(0.2)
        assert server.home.now > START + 300 * SECOND
        server.pause()
        await asyncio.sleep(0.03)
        stood = server.home.now
        await asyncio.sleep(0.05)
        assert server.home.now == stood
        server.resume()
        await asyncio.sleep(0.05)
        assert stood < server.home.now < stood + 3600 * SECOND

    play(scene, speed=3600.0)


def test_a_burst_and_the_highest_rate() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        done = await server.burst(400, rate=1000)
        assert 400 <= done < 450
        assert loop.time() - begin > 0.35
        socket = await enter(server)
        await ask(socket, 1, "subscribe_events")
        before, begin = server.sent_events, loop.time()
        await asyncio.sleep(0.5)
        assert 0 < server.sent_events - before < 500 * (loop.time() - begin) + 80

    play(scene, speed=math.inf, max_rate=500)


def test_hooks() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        socket = await enter(server)
        await ask(socket, 1, "subscribe_events")
        server.fire("mine", {"n": 1})
        assert (await event(socket))["data"] == {"n": 1}
        server.set_state("sensor.mine", "21,5 °C", {"note": "a\nb"})
        assert (await event(socket))["data"]["new_state"]["attributes"] == {"note": "a\nb"}
        server.remove("sensor.mine")
        assert (await event(socket))["data"]["new_state"] is None
        server.call_service("switch", "turn_on", {"entity_id": "switch.desk"})
        assert (await event(socket))["event_type"] == "call_service"
        assert (await event(socket))["data"]["new_state"]["state"] == "on"
        server.send_raw('{"v":NaN}')
        assert await socket.recv() == '{"v":NaN}'
        assert server.clients == 1
        server.drop_connections()
        with pytest.raises(ConnectionClosed):
            await socket.recv()

    play(scene)


def test_a_called_service_comes_before_its_answer() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        socket = await enter(server)
        await ask(socket, 1, "subscribe_events")
        call = {"domain": "light", "service": "turn_on", "target": {"entity_id": "light.office"}}
        frames = [await ask(socket, 2, "call_service", **call)]
        frames += [orjson.loads(await socket.recv()) for _ in range(2)]
        assert [frame["type"] for frame in frames] == ["event", "event", "result"]
        assert frames[1]["event"]["context"] == frames[2]["result"]["context"]

    play(scene)


def test_coalescing_on_demand() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        socket = await enter(server)
        await ask(socket, 1, "supported_features", features={"coalesce_messages": 1})
        await ask(socket, 2, "subscribe_events")
        await server.burst(50)
        frames = orjson.loads(await socket.recv())
        assert isinstance(frames, list)
        assert {frame["id"] for frame in frames} == {2}

    play(scene)


def test_the_rest_api() -> None:
    async def scene(server: SimulatedHomeAssistant) -> None:
        async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as http:

            async def call(method: str, path: str, body: Any = None) -> tuple[int, Any]:
                async with http.request(method, path, data=None if body is None else orjson.dumps(body)) as response:
                    return response.status, await response.json()

            assert await call("GET", "/api/") == (200, {"message": "API running."})
            assert (await call("GET", "/api/config"))[1]["homeiq_simulated"] is True
            path = "/api/states/sensor.new"
            status, state = await call("POST", path, {"state": 5, "attributes": {"a": 1}})
            assert (status, state["state"], state["attributes"]) == (201, "5", {"a": 1})
            assert (await call("POST", path, {"state": "6"}))[0] == 200
            assert (await call("GET", path))[1]["state"] == "6"
            assert len((await call("GET", "/api/states"))[1]) == len(server.home.states())
            assert await call("POST", path, {}) == (400, {"message": "No state specified."})
            assert (await call("POST", "/api/states/nonsense", {"state": "1"}))[0] == 400
            assert await call("DELETE", path) == (200, {"message": "Entity removed."})
            assert await call("DELETE", path) == (404, {"message": "Entity not found."})
            assert (await call("GET", path))[0] == 404
            assert (await call("POST", "/api/events/mine", {"a": 1}))[1] == {"message": "Event mine fired."}
            status, changed = await call("POST", "/api/services/switch/turn_on", {"entity_id": "switch.desk"})
            assert [state["state"] for state in changed] == ["on"]
            assert (await call("GET", "/api/calendars"))[1][0]["entity_id"] == "calendar.family"
            period = "?start=2026-10-22T00:00:00Z&end=2026-10-23T00:00:00Z"
            assert len((await call("GET", f"/api/calendars/calendar.family{period}"))[1]) == 1
        async with aiohttp.ClientSession(server.url) as http, http.get("/api/states") as response:
            assert response.status == 401

    play(scene)


def test_run_simulator_announces_where_it_listens() -> None:
    async def scene() -> None:
        said: asyncio.Queue[str] = asyncio.Queue()
        running = asyncio.create_task(run_simulator(announce=said.put_nowait, port=0, start=START))
        url = await said.get()
        with pytest.raises(UsageError, match="cannot be used"):
            await run_simulator(announce=said.put_nowait, port=int(url.rpartition(":")[2]), start=START)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scene())
