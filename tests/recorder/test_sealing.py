"""Sealing leaves a cache behind that knows what was sealed: no start ever reads a segment."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import ManualClock, SystemClock
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.recorder.sealing import Sealer
from homeiq.settings import RecordingSettings
from homeiq.storage import tail
from homeiq.storage.log import EventLog, tails_in
from homeiq.storage.record import Event

SEALED_EACH = 40

_opened: list[str] = []
_watched: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watched and str(arguments[0]).startswith(f"{_watched[0]}/"):
        _opened.append(Path(str(arguments[0])).name)


sys.addaudithook(_audit)


def state(number: int) -> Event:
    return Event(number, number, "home_assistant", "live", "state_changed", f"sensor.s{number % 7}", "1", f"{number}")


def registry() -> Event:
    return Event(1, 1, "home_assistant", "snapshot", "entity_registry", None, None, "[1]")


def record(data_dir: Path, sealings: int) -> None:
    """Record, sealing so often, and stop without a word: as if killed."""

    async def session() -> None:
        settings = RecordingSettings(seal_records=SEALED_EACH)
        with EventLog(data_dir, rotate_records=SEALED_EACH) as log:
            sealer = Sealer(log, Intake(log, settings, SystemClock(), Latest()), settings, ManualClock())
            log.append([registry()])
            for _ in range(sealings):
                log.append([state(number) for number in range(log.next_seq, log.next_seq + SEALED_EACH)])
                log.rotate()
                await sealer.seal_if_due()
                assert len(tails_in(log.folder)) == 1
            log.append([state(number) for number in range(log.next_seq, log.next_seq + 5)])

    asyncio.run(session())


def opened(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], int, Latest]:
    """Open a log; return the kinds of the files that were read, how many lines, and what is known."""
    lines = 0
    decode = tail.decode

    def counted(line: bytes) -> Any:
        nonlocal lines
        lines += 1
        return decode(line)

    def no_child(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a child reads the whole log")

    with monkeypatch.context() as patch:
        patch.setattr(tail, "decode", counted)
        patch.setattr(subprocess, "run", no_child)
        _opened.clear()
        _watched[:] = [str(data_dir)]
        try:
            with EventLog(data_dir) as log:
                latest = Latest.load(data_dir, log.next_seq)
        finally:
            _watched.clear()
    return sorted("segment" if name.endswith(".parquet") else name.split("-")[0] for name in _opened), lines, latest


def test_what_is_read_at_a_start_after_a_kill_does_not_grow_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for sealings in (1, 3):
        record(tmp_path / str(sealings), sealings)
        assert list((tmp_path / str(sealings) / "log").glob("date=*/*.parquet"))
        names, lines, latest = opened(tmp_path / str(sealings), monkeypatch)
        assert names.count("segment") <= 1, "the last one's footer: which version it has"
        assert 5 <= lines <= 10, "the tail's own, once for each of two readers"
        found[sealings] = (names, lines)
        last = 1 + sealings * SEALED_EACH + 5
        assert max(latest.entities.values()) == last
        assert len(latest.entities) == 7
        assert not latest.is_new(registry())
    assert found[1] == found[3]


def test_a_full_disk_has_what_waits_sealed_early(tmp_path: Path) -> None:
    async def session() -> None:
        settings = RecordingSettings()
        clock = ManualClock()
        with EventLog(tmp_path) as log:
            sealer = Sealer(log, Intake(log, settings, SystemClock(), Latest()), settings, clock)
            log.append([state(number) for number in range(1_100)])
            await sealer.seal_if_due()
            assert not list(log.folder.glob("date=*/*.parquet"))
            log.reserve.missing = True
            await sealer.seal_if_due()
            assert len(list(log.folder.glob("date=*/*.parquet"))) == 1
            log.append([state(number) for number in range(1_100)])
            await sealer.seal_if_due()
            assert len(list(log.folder.glob("date=*/*.parquet"))) == 1, "not again at once"
            clock.advance(61)
            await sealer.seal_if_due()
            assert len(list(log.folder.glob("date=*/*.parquet"))) == 2

    asyncio.run(session())


def test_a_stop_in_the_middle_of_sealing_is_no_error(tmp_path: Path) -> None:
    async def session() -> None:
        settings = RecordingSettings(seal_records=SEALED_EACH)
        with EventLog(tmp_path, rotate_records=SEALED_EACH) as log:
            sealer = Sealer(log, Intake(log, settings, SystemClock(), Latest()), settings, ManualClock())
            log.append([state(number) for number in range(SEALED_EACH)])
            log.rotate()
            sealing = asyncio.create_task(sealer.seal_if_due())
            await asyncio.sleep(0)  # it has begun
            sealing.cancel()
            await sealing
            assert [first for first, _ in tails_in(log.folder)] == [1, SEALED_EACH + 1], "what waits, waits"

    asyncio.run(session())
