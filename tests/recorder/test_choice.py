"""What of a home is recorded is itself in the log, and what a recorder lost it does not take for recorded."""

import asyncio
import errno
import json
from pathlib import Path

import pytest
from homeiq.choice import Exclude
from homeiq.connectors.base import Connector, Listener
from homeiq.recorder.daemon import Recorder
from homeiq.settings import RecordingSettings
from homeiq.storage.files import Files
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event, Record

CAMERAS = Exclude(domains=["camera"], event_types=["state_changed"])


class Says(Connector):
    """Says a few states, as a snapshot does, and waits for ever."""

    name = "home_assistant"
    title = "Home Assistant"

    def __init__(self, *entities: str) -> None:
        self._entities = entities

    async def listen(self, listener: Listener) -> None:
        listener.connected(version="1")
        for entity in self._entities:
            listener.take(Event(7, 7, self.name, "snapshot", "state", entity, "on", "{}"))
        await asyncio.Event().wait()


def run(data_dir: Path, exclude: Exclude | None = None) -> Recorder:
    """Let a recorder record what is said, and stop it in good order."""

    async def session() -> Recorder:
        settings = RecordingSettings(group_seconds=0.01, exclude=exclude or Exclude())
        recorder = Recorder(data_dir, settings, [Says("camera.a", "light.a")])
        running = asyncio.create_task(recorder.run())
        async with asyncio.timeout(20):
            while not recorder.supervisors[0].state.events:
                await asyncio.sleep(0.01)
        recorder.stop()
        await running
        return recorder

    return asyncio.run(session())


def records(data_dir: Path) -> list[Record]:
    return [record for some in LogReader(data_dir).read() for record in some]


def test_the_log_says_what_was_left_out_and_since_when(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path)
    assert not caplog.records or "event_types" not in caplog.text
    assert run(tmp_path, CAMERAS).status()["left_out"] == 1
    assert "recording.exclude.event_types cannot leave out state_changed" in caplog.text
    run(tmp_path, CAMERAS)
    (tmp_path / "recorder.sqlite").unlink()
    run(tmp_path, CAMERAS)
    assert run(tmp_path).status()["left_out"] == 0
    found = records(tmp_path)
    said = [(record.source, json.loads(record.raw)) for record in found if record.event_type == "homeiq_choice"]
    excluded = {"domains": ["camera"], "event_types": ["state_changed"]}
    assert said == [
        ("recorder", {"include": {}, "exclude": excluded}),
        ("recorder", {"include": {}, "exclude": {}}),
    ]


def test_what_was_lost_at_the_end_is_new_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, Exclude(domains=["camera"]))
    with monkeypatch.context() as patched:

        def full(files: Files, descriptor: int, content: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(Files, "write", full)
        assert run(tmp_path).intake.lost > 0
    run(tmp_path)
    states = [record.entity_id for record in records(tmp_path) if record.event_type == "state"]
    assert states == ["light.a", "camera.a"]
