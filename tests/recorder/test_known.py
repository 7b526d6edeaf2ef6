"""What the log holds already is asked of a child, so that the recorder itself need not load pyarrow."""

import asyncio
from pathlib import Path

import pytest
from homeiq.recorder import known as module
from homeiq.recorder.known import Known
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal
from homeiq.storage.record import Event


def state(time: int, entity_id: str | None = "sensor.a", event_type: str = "state") -> Event:
    return Event(time, time, "home_assistant", "live", event_type, entity_id, "1", "{}")


def test_sealed_and_not_sealed(tmp_path: Path) -> None:
    async def session() -> None:
        with EventLog(tmp_path) as log:
            log.append([state(10), state(20, "sensor.b", "state_changed"), state(30, event_type="x"), state(40, None)])
            log.rotate()
            seal(tmp_path)
            log.append([state(50)])
            async with Known(tmp_path) as known:
                await known.look_up(0, 50)
                assert [known.whose(time) for time in (10, 20, 30, 40, 50)] == [
                    "sensor.a",
                    "sensor.b",
                    None,
                    None,
                    None,
                ]
                log.append([state(60)])
                await known.look_up(20, 100)
                assert [known.whose(time) for time in (10, 20, 50, 60)] == [None, "sensor.b", "sensor.a", "sensor.a"]

    asyncio.run(session())


def test_a_child_that_can_not_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def session() -> None:
        async with Known(tmp_path / "nothing") as known:
            await known.look_up(0, 50)
            await known.look_up(50, 60)
            assert known.whose(10) is None

    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    asyncio.run(session())
    assert "could not be asked" in caplog.text
