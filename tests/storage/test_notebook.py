"""`homeiq.open`: what a notebook sees of a log."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import homeiq
import pytest
from homeiq.clock import from_iso
from homeiq.errors import LogError, UsageError
from homeiq.storage.log import EventLog
from homeiq.storage.record import COLUMNS, Event

from .disks import FastFiles

NOON = from_iso("2026-11-23T12:00:00+00:00")


def event(place: int, entity: str = "sensor.a'b") -> Event:
    return Event(NOON + place, NOON, "home_assistant", "live", "state_changed", entity, str(place), "{}")


def test_a_notebook_sees_what_is_recorded_meanwhile(tmp_path: Path) -> None:
    with EventLog(tmp_path, files=FastFiles()) as writer:
        writer.append([event(0), event(1), event(2, "light.b")])
        with homeiq.open(str(tmp_path)) as log:
            assert log.events().column_names == list(COLUMNS)
            assert log.events(entity_id="light.b", event_type="state_changed", source="home_assistant").num_rows == 1
            assert log.states(entity_id="sensor.a'b", since="2026-11-23", until="2026-11-24")["value"].to_pylist() == [
                0,
                1,
            ]
            later = datetime(2026, 11, 23, 12, 0, 0, 1, UTC)
            assert log.states(since=later)["state"].to_pylist() == ["1", "2"]
            assert log.states(until=later.replace(tzinfo=None))["state"].to_pylist() == ["0"]
            writer.append([event(3)])
            assert log.events().num_rows == 4
            writer.append([event(4)])
            log.refresh()
            assert log.connection.sql("SELECT count(*) FROM state_history").fetchall() == [(5,)]
            with pytest.raises(UsageError, match="nothing"):
                log.sql("SELECT nothing FROM events")


def test_where_there_is_no_log_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no log"):
        homeiq.open(tmp_path)


def test_the_import_alone_loads_nothing_heavy() -> None:
    script = (
        "import sys, homeiq; print([name for name in ('duckdb', 'pyarrow', 'homeiq.storage') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
