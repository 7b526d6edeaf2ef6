"""An entity is renamed, in a real Home Assistant: while we listen, and while we do not."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.recorder.daemon import Recorder
from homeiq.replayer.replay import replay
from homeiq.settings import HomeAssistantSettings, RecordingSettings, Settings
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Record
from homeiq.storage.sql import query
from pydantic import SecretStr
from websockets.sync.client import connect

from servers.home_assistant import HomeAssistantServer

ENTITIES = ("number.volume", "number.small_range")  # of the demo integration; no other test uses them


def command(server: HomeAssistantServer, kind: str, **fields: Any) -> Any:
    """Say something to the WebSocket API, and return what it answers."""
    with connect(server.websocket_url, proxy=None) as socket:
        socket.recv()
        socket.send(json.dumps({"type": "auth", "access_token": server.token}))
        assert json.loads(socket.recv())["type"] == "auth_ok"
        socket.send(json.dumps({"id": 1, "type": kind, **fields}))
        answer = json.loads(socket.recv())
        assert answer["success"], answer
        return answer["result"]


def rename(server: HomeAssistantServer, old: str, new: str) -> None:
    command(server, "config/entity_registry/update", entity_id=old, new_entity_id=new)


def records(data_dir: Path) -> list[Record]:
    return [record for some in LogReader(data_dir).read() for record in some]


def record(server: HomeAssistantServer, data_dir: Path, act: Callable[[], object], expected: str | None) -> None:
    """Record from a snapshot on, act, and wait for a state of `expected` that comes after that."""

    async def session() -> None:
        settings = HomeAssistantSettings(url=server.url, token=SecretStr(server.token))
        recorder = Recorder(data_dir, RecordingSettings(group_seconds=0.05), [HomeAssistantConnector(settings)])
        running = asyncio.create_task(recorder.run())
        try:
            await until(lambda: "entities" in recorder.supervisors[0].state.description)
            before = recorder.intake.taken
            await asyncio.to_thread(act)
            if expected is not None:
                await until(lambda: recorder.intake.durable_seq > before and arrived(before))
        finally:
            recorder.stop()
            await running

    def arrived(before: int) -> bool:
        late = [one for one in records(data_dir) if one.seq > before]
        there = any(one.event_type == "state_changed" and one.entity_id == expected and one.state for one in late)
        return there and any(one.event_type == "entity_registry" for one in late)

    async def until(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.05)

    asyncio.run(session())


@pytest.fixture
def restored(home_assistant: HomeAssistantServer) -> Any:
    """Give the entities their names back."""
    yield
    for entity in ENTITIES:
        if f"{entity}_renamed" in {state["entity_id"] for state in home_assistant.states()}:
            rename(home_assistant, f"{entity}_renamed", entity)


@pytest.mark.usefixtures("restored")
def test_a_renamed_entity_is_followed(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    server = home_assistant
    live, away = ENTITIES
    area = command(server, "config/area_registry/create", name="Rename")["area_id"]
    command(server, "config/entity_registry/update", entity_id=live, area_id=area)
    command(server, "config/entity_registry/update", entity_id=away, area_id=area)
    new_live, new_away = f"{live}_renamed", f"{away}_renamed"

    record(server, tmp_path, lambda: rename(server, live, new_live), new_live)
    first = records(tmp_path)
    rename(server, away, new_away)
    record(server, tmp_path, lambda: None, None)
    second = records(tmp_path)[len(first) :]
    record(server, tmp_path, lambda: None, None)
    third = records(tmp_path)[len(first) + len(second) :]

    # Live: the event, the registry with the event's time, the old entity's removal, the new one's state.
    (updated,) = [one for one in first if one.event_type == "entity_registry_updated"]
    registries = [one for one in first if one.event_type == "entity_registry"]
    assert json.loads(updated.raw)["data"]["old_entity_id"] == live
    assert registries[-1].time == updated.time
    assert new_live in registries[-1].raw
    assert [one.state for one in first if one.event_type == "state_changed" and one.entity_id == live] == [None]
    (moved,) = [one for one in first if one.event_type == "state_changed" and one.entity_id == new_live]
    assert moved.time >= updated.time
    # A snapshot later: nothing of it again. What was renamed while nobody listened comes with the snapshot, once; that
    # the old one is gone is not invented.
    states = [one.entity_id for one in second if one.event_type == "state"]
    assert states.count(new_away) == 1
    assert not {live, new_live, away} & set(states)
    assert len([one for one in second if one.event_type == "entity_registry"]) == 1
    changed = {one.event_type for one in third if one.event_type in ("state", "entity_registry")}
    assert new_away not in {one.entity_id for one in third}
    assert "entity_registry" not in changed

    # Projected: from the event on, the new name with all that the registry says of it. What happened while nobody listened
    # has the time of the state, and the registry that tells of it that of the snapshot: until then the name is unknown.
    replay(Settings(data_dir=tmp_path))
    table = query(tmp_path, "SELECT entity_id, area_id, integration, fields FROM points ORDER BY time")
    assert table is not None

    def points_of(entity: str) -> list[tuple[str, str, bool]]:
        rows = [row for row in table.to_pylist() if row["entity_id"] == entity]
        return [(row["area_id"], row["integration"], json.loads(row["fields"])["removed"]) for row in rows]

    assert points_of(live) == [(area, "demo", False), ("none", "none", True)]
    assert points_of(new_live) == [(area, "demo", False)]
    assert points_of(away) == [(area, "demo", False)]
    assert points_of(new_away) == [("none", "none", False)]
