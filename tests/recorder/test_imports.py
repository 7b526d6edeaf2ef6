"""What a command hands in on the control socket is durable when it is answered, or said not to be taken."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import ManualClock, SystemClock
from homeiq.errors import UsageError
from homeiq.recorder.imports import Imports, columns_of
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.settings import RecordingSettings
from homeiq.storage.log import EventLog
from homeiq.storage.reader import read_everything
from homeiq.storage.record import Event

EVENT = Event(5, 0, "home_assistant", "import", "state", "light.a", None, '{"a": "é"}')


def test_durable_in_their_order_when_answered(tmp_path: Path) -> None:
    async def hand_in() -> dict[str, Any]:
        with EventLog(tmp_path) as log:
            intake = Intake(log, RecordingSettings(), SystemClock(), Latest())
            writing = asyncio.create_task(intake.run())
            events = [columns_of(EVENT), columns_of(Event(4, 0, "s", "live", "t", None, "x", ""))]
            answer = await Imports(intake, ManualClock(77)).answers()["append"]({"events": events})
            found = [record for records in read_everything(tmp_path) for record in records]
            assert [(one.seq, one.time, one.received_at, one.raw) for one in found] == [
                *((1, 5, 77, '{"a": "é"}'), (2, 4, 77, ""))
            ]
            intake.close()
            await writing
            busy = await Imports(intake, ManualClock()).answers()["append"]({"events": events})
            assert busy == {"busy": "the recorder is stopping", "retry_after": 5}
        return dict(answer)

    assert asyncio.run(hand_in()) == {"first": 1, "last": 2}


@pytest.mark.parametrize(
    "events", [[], [[1]], ["x"], [[1, "s", "odd", "t", None, None, ""]], [["1", "s", "live", "t", None, None, ""]]]
)
def test_anything_else_is_refused(events: list[Any], tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        imports = Imports(Intake(log, RecordingSettings(), SystemClock(), Latest()), SystemClock())
        with pytest.raises(UsageError):
            asyncio.run(imports.answers()["append"]({"events": events}))


def test_what_is_larger_than_the_buffer_is_refused(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        intake = Intake(log, RecordingSettings(buffer_bytes=100_000), SystemClock(), Latest())
        imports = Imports(intake, SystemClock())
        large = columns_of(replace(EVENT, raw="x" * 200_000))
        with pytest.raises(UsageError, match=r"larger than recording\.buffer_bytes"):
            asyncio.run(imports.answers()["append"]({"events": [large]}))
