"""A real Home Assistant, whose network is cut in every way: log and gaps explain every second, and the gaps are closed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from homeiq.recorder import supervisor as module
from homeiq.recorder.backfill import Pace
from homeiq.recorder.daemon import Recorder

from end_to_end.recorders import assert_same, both_heard_from, gaps, points, recording, rows, until
from servers.home_assistant import HomeAssistantServer
from servers.proxy import Mode, Proxy
from servers.simulated import SimulatedServer
from servers.websocket import Socket

HOME = "home_assistant"
SOON = Pace(after=0.2, look=0.01, pause=0.01, again=0.1)

MODES: list[tuple[Mode, set[str]]] = [
    ("refuse", {"source_stopped", "connection_lost"}),
    ("hang", {"connection_lost", "no_answer"}),
    ("reset", {"connection_lost"}),
    ("half_open", {"no_answer"}),
]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try to connect again soon, however often that has failed."""
    monkeypatch.setattr(module, "_CAP_SECONDS", 2.0)


def supervisor(recorder: Recorder) -> Any:
    return recorder.supervisors[0].state


@pytest.mark.timeout(240)
def test_the_network_is_cut(home_assistant_factory, tmp_path: Path) -> None:
    server: HomeAssistantServer = home_assistant_factory(commit_interval=1, extra_configuration="logbook:\n")
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    numbers = iter(range(10_000))

    async def change(*names: str) -> None:
        for name in names:
            # Home Assistant's logbook, which names what came and went in between, leaves out what has a unit.
            attributes = {"n": next(numbers)} | ({} if name.endswith("_brief") else {"unit_of_measurement": "W"})
            await asyncio.to_thread(server.set_state, f"sensor.cut_{name}", str(next(numbers)), attributes)

    async def session() -> None:
        async with (
            Proxy(server.port) as proxy,
            recording(undisturbed, server.url, server.token),
            recording(disturbed, proxy.url, server.token) as recorder,
        ):
            await change("steady", "dies")
            await until("both to be heard", lambda: "sensor.cut_dies" in recorder.entities)
            for mode, _ in MODES:
                await proxy.set(mode)
                await until(f"the loss to be noticed ({mode})", lambda: not supervisor(recorder).connected)
                await change("steady", mode, f"{mode}_brief", "dies", mode, f"{mode}_brief", "steady")
                await asyncio.to_thread(server.delete_state, f"sensor.cut_{mode}_brief")
                await asyncio.to_thread(server.call, "light", "toggle", {"entity_id": "light.bed_light"})
                if mode == "half_open":
                    await asyncio.to_thread(server.delete_state, "sensor.cut_dies")
                await proxy.set("pass")
                await until("the connection to be there again", lambda: supervisor(recorder).connected)
                await change("steady", mode)
            await until("all gaps to be closed", lambda: not recorder.waiting("home_assistant"), 120)
            await proxy.set("slow")
            await change("steady", *(["slow"] * 20), "steady")
            await asyncio.sleep(2)

    asyncio.run(session())
    found = gaps(disturbed)
    for (mode, reasons), gap in zip(MODES, found, strict=False):
        assert gap["reason"] in reasons, mode
        assert gap["closed"], mode
    begun = both_heard_from(undisturbed, disturbed)
    wanted, made = points(undisturbed, tmp_path / "u.lp", begun), points(disturbed, tmp_path / "d.lp", begun)
    assert any(fields["origin"] == "backfill" for fields in made.values())
    assert_same(made, wanted)


@pytest.mark.timeout(240)
def test_home_assistant_is_restarted_its_token_changed_and_an_entity_renamed(
    home_assistant_factory, tmp_path: Path
) -> None:
    server: HomeAssistantServer = home_assistant_factory(commit_interval=1, extra_configuration="logbook:\n")
    with Socket(server) as socket:
        token = socket.new_token("of the recorder")
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"

    async def change(entity_id: str, *states: str) -> None:
        for state in states:
            await asyncio.to_thread(server.set_state, entity_id, state, {"friendly_name": "ö"})

    def ask(command: str, **arguments: Any) -> Any:
        with Socket(server) as socket:
            return socket.ask(command, **arguments)

    def revoke() -> None:
        with Socket(server) as socket:
            socket.revoke("of the recorder")

    async def first(recorder: Recorder, proxy: Proxy) -> None:
        await asyncio.to_thread(server.stop)
        await proxy.set("refuse")  # the disturbed one comes back later than the other
        await until("the stop to be noticed", lambda: "connect call failed" in supervisor(recorder).reason)
        await asyncio.to_thread(server.start)
        await change("sensor.started", "1", "2")
        await proxy.set("slow")
        await until("the connection to be there again", lambda: supervisor(recorder).connected)
        await asyncio.to_thread(server.restart)  # in the middle of the snapshot, which takes seconds now
        await proxy.set("pass")
        await until("the whole snapshot", lambda: supervisor(recorder).connected and not recorder.waiting(HOME), 90)
        await proxy.set("refuse")
        await change("sensor.renaming", "before")
        rename = {"entity_id": "light.kitchen_lights", "new_entity_id": "light.renamed"}
        await asyncio.to_thread(ask, "config/entity_registry/update", **rename)
        await asyncio.to_thread(server.call, "light", "toggle", {"entity_id": "light.renamed"})
        await proxy.set("pass")
        await until("the gap to be closed", lambda: supervisor(recorder).connected and not recorder.waiting(HOME))
        await asyncio.to_thread(revoke)
        await until("the token to be refused", lambda: "refuses the token" in supervisor(recorder).reason)
        await change("sensor.refused", "1", "2")

    async def session() -> None:
        async with Proxy(server.port) as proxy, recording(undisturbed, server.url, server.token) as other:
            async with recording(disturbed, proxy.url, token) as recorder:
                await first(recorder, proxy)
            async with recording(disturbed, proxy.url, server.token) as recorder:
                for each in (recorder, other):
                    await until("the last gap to be closed", lambda each=each: not each.waiting(HOME), 90)

    asyncio.run(session())
    reasons = [gap["reason"] for gap in gaps(disturbed)]
    assert reasons[0] == "source_stopped"
    assert "token_refused" in reasons
    assert all(gap["closed"] for gap in gaps(disturbed) if gap["end"] is not None)
    entities = {state["entity_id"] for state in server.states()}
    assert {row["entity_id"] for row in rows(disturbed, "SELECT DISTINCT entity_id FROM states")} >= entities
    begun = both_heard_from(undisturbed, disturbed)
    wanted, made = points(undisturbed, tmp_path / "u.lp", begun), points(disturbed, tmp_path / "d.lp", begun)
    renamed = [
        {(key[2], fields["state"]) for key, fields in every.items() if dict(key[1])["entity_id"] == "light.renamed"}
        for every in (wanted, made)
    ]
    assert renamed[0] == renamed[1] != set(), "no state of before under the new name"
    # Home Assistant's history can't give these: the registry of that second, what was before its recorder began, and
    # the removal under a name that is renamed in the past too.
    for every in (wanted, made):
        for key in [key for key in every if dict(key[1])["entity_id"] == "light.renamed"]:
            del every[key]
    # While it starts, each of the two may see a state in a snapshot that the other came too late for.
    for some, others in ((wanted, made), (made, wanted)):
        for key in [key for key in some if key not in others]:
            fields, tags = some.pop(key), dict(key[1])
            removal = fields["removed"] and tags["entity_id"] == "light.kitchen_lights"
            assert fields["origin"] == "snapshot" or (removal and some is wanted), key
    assert_same(made, wanted)


def test_a_simulated_home_has_a_history_too(tmp_path: Path) -> None:
    with SimulatedServer() as home:

        async def session() -> None:
            async with (
                Proxy(int(home.url.rpartition(":")[2])) as proxy,
                recording(tmp_path / "undisturbed", home.url, home.token),
                recording(tmp_path / "disturbed", proxy.url, home.token, pace=SOON) as recorder,
            ):
                await proxy.set("refuse")
                await until("the loss to be noticed", lambda: not supervisor(recorder).connected)
                for state in ("1", "2", "3"):
                    await asyncio.to_thread(home.set_state, "sensor.simulated", state, {"n": state})
                await asyncio.to_thread(home.delete_state, "sensor.simulated")
                await asyncio.to_thread(home.set_state, "sensor.simulated", "4")
                await proxy.set("pass")
                await until(
                    "the gap to be closed", lambda: supervisor(recorder).connected and not recorder.waiting(HOME)
                )
                await asyncio.sleep(0.1)

        asyncio.run(session())
        disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
        assert [gap["closed"] for gap in gaps(disturbed)] == [True, False]
        begun = both_heard_from(undisturbed, disturbed)
        wanted, made = points(undisturbed, tmp_path / "u.lp", begun), points(disturbed, tmp_path / "d.lp", begun)
        assert {fields["origin"] for fields in made.values()} == {"simulated"}
        sensor = [
            {
                key[2]: (fields.get("state"), fields["removed"])
                for key, fields in every.items()
                if "simulated" in str(key)
            }
            for every in (wanted, made)
        ]
        assert sensor[0] == sensor[1]
        assert [state for state, _ in sensor[0].values()] == ["1", "2", "3", None, "4"]
