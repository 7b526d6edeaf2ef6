"""Utilities in a recorder as a user starts it: polled, recorded, said; and no failure of one goes any further."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import from_iso

from servers.homeiq import Homeiq, wait_for
from servers.ports import free_port
from servers.service import Asked, Reply, Service, serving
from servers.simulated import SimulatedServer

KEY = "a-key-that-nobody-may-see"
SECTIONS = ("weather", "air_quality", "electricity_pricing", "carbon_intensity", "smart_meter", "calendar")


def answers(asked: Asked) -> Reply:
    if asked.path == "/v1/forecast":
        return Reply({"current": {"temperature_2m": 7.5}, "asked": asked.query})
    if asked.path == "/aq/observation/current/ziplatlong/":
        return Reply(f"no such key: {KEY}", 401)
    if asked.path == "/v1/marketdata":
        return Reply("<html>", 503, {"Retry-After": "3600"})
    return Reply(hang=True)


@pytest.fixture
def service() -> Iterator[Service]:
    """A service in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Service] = []

    async def serve() -> None:
        async with serving(answers) as running:
            found.append(running)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def states(homeiq: Homeiq) -> dict[str, dict[str, Any]]:
    status = homeiq.ask("status") or {"sources": []}
    return {state["name"]: state for state in status["sources"]}


def test_utilities_are_recorded_and_hurt_nobody(service: Service, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "homeiq.yaml").write_text(
        f"""
        weather: {{provider: open_meteo, url: {service.url}}}
        air_quality: {{provider: airnow, url: {service.url}, api_key_file: {tmp_path / "key"}, latitude: 1, longitude: 2}}
        electricity_pricing: {{provider: awattar, url: {service.url}}}
        carbon_intensity: {{provider: watttime, username: me, region: CAISO_NORTH}}
        smart_meter: {{provider: shelly, hosts: [127.0.0.1:{free_port()}], password: {KEY}, interval_seconds: 10}}
        calendar: {{provider: home_assistant}}
        """
    )
    with (
        SimulatedServer() as home,
        Homeiq(tmp_path, HOME_ASSISTANT_URL=home.url, HOME_ASSISTANT_TOKEN=home.token) as homeiq,
    ):
        process = homeiq.start("record")
        polled = {"weather", "air_quality", "electricity_pricing", "calendar"}
        wait_for("all polls", lambda: all(states(homeiq).get(name, {}).get("events") for name in polled), 60)
        wait_for("the meter that is away", lambda: states(homeiq)["smart_meter"]["failures"], 60)
        now = states(homeiq)
        assert list(now) == ["home_assistant", *sorted(SECTIONS)]
        assert {name for name in now if now[name]["connected"]} == {"home_assistant", "weather", "calendar"}
        assert "check air_quality.api_key" in now["air_quality"]["reason"]
        assert "HTTP 503" in now["electricity_pricing"]["reason"]
        price = now["electricity_pricing"]
        assert from_iso(price["next_poll"]) - from_iso(price["last_poll"]) >= 3_600_000_000
        assert "set carbon_intensity.password in homeiq.yaml" in now["carbon_intensity"]["reason"]
        assert not now["carbon_intensity"]["configured"]
        assert "cannot be reached (connection refused)" in now["smart_meter"]["reason"]
        assert KEY not in json.dumps(now)
        assert process.poll() is None
        said = homeiq.said()
        for sentence in ("set carbon_intensity.password", "weather (open_meteo) answers", "check air_quality.api_key"):
            assert said.count(sentence) == 1, said
        assert homeiq.stop(process) == 0
        rows = homeiq.sql(
            "SELECT source, event_type, entity_id, origin, raw FROM events"
            " WHERE source NOT IN ('recorder', 'home_assistant') ORDER BY seq"
        )
        recorded = {row["source"]: json.loads(row["raw"]) for row in rows if row["event_type"] == "polled"}
        assert set(recorded) == polled
        config = home.ask("GET", "/api/config").json()
        asked = json.loads(recorded["weather"]["body"])["asked"]
        assert float(asked["latitude"]) == pytest.approx(config["latitude"], abs=0.005)
        assert recorded["air_quality"]["body"] == "no such key: (removed)"
        assert recorded["electricity_pricing"]["headers"]["retry-after"] == "3600"
        assert {row["entity_id"] for row in rows if row["source"] == "calendar" and row["event_type"] == "polled"} == {
            "calendar.family"
        }
        ends = {
            row["source"]: json.loads(row["raw"])["gap_reason"] for row in rows if "disconnected" in row["event_type"]
        }
        assert ends == {
            "weather": "recorder_stopped",
            "calendar": "recorder_stopped",
            "air_quality": "token_refused",
            "electricity_pricing": "source_error",
            "smart_meter": "connection_refused",
        }
        assert "carbon_intensity" not in {row["source"] for row in rows}, "who was never asked was never missed"
        log = b"".join(path.read_bytes() for path in homeiq.data_dir.rglob("*") if path.is_file())
        assert KEY.encode() not in log + homeiq.said().encode()
        assert home.token.encode() not in log


def test_without_a_section_nobody_is_asked(tmp_path: Path) -> None:
    with Homeiq(tmp_path) as homeiq:
        process = homeiq.start("record")
        wait_for("the recorder", lambda: homeiq.ask("status"))
        assert states(homeiq) == {}
        assert homeiq.stop(process) == 0
        assert homeiq.sql("SELECT DISTINCT source FROM events") == [{"source": "recorder"}]
