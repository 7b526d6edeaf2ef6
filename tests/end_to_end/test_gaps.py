"""A real Home Assistant, whose network is cut in every way: log and gaps explain every second, and the gaps are closed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from homeiq.recorder.daemon import Recorder

from end_to_end.recorders import assert_same, both_heard_from, gaps, points, recording, until
from servers.home_assistant import HomeAssistantServer
from servers.proxy import Mode, Proxy

MODES: list[tuple[Mode, set[str]]] = [
    ("refuse", {"source_stopped", "connection_lost"}),
    ("hang", {"connection_lost", "no_answer"}),
    ("reset", {"connection_lost"}),
    ("half_open", {"no_answer"}),
]


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
