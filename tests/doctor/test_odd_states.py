"""A diagnosis comes out of any state of a data folder, and says of none that the error is homeiq's own."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.doctor.diagnosis import diagnose
from homeiq.settings import Settings
from homeiq.storage.maintenance import compact

from end_to_end.logs import START, days, write_log


def _nothing(data_dir: Path) -> None:
    pass


def _file_for_a_folder(data_dir: Path) -> None:
    os.rename(data_dir, data_dir.with_name("moved"))
    data_dir.write_text("not a folder")


def _file_for_the_log(data_dir: Path) -> None:
    os.rename(data_dir / "log", data_dir / "moved")
    (data_dir / "log").write_text("not a folder")


def _empty_log(data_dir: Path) -> None:
    for path in sorted((data_dir / "log").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def _corrupt_ledger(data_dir: Path) -> None:
    (data_dir / "ledger.sqlite").write_bytes(b"no database" * 1_000)


def _old_ledger(data_dir: Path) -> None:
    with sqlite3.connect(data_dir / "ledger.sqlite") as database:
        database.execute("CREATE TABLE other (x)")
    database.close()


def _corrupt_memory(data_dir: Path) -> None:
    (data_dir / "recorder.sqlite").write_bytes(b"no database" * 1_000)


def _foreign_memory(data_dir: Path) -> None:
    with sqlite3.connect(data_dir / "recorder.sqlite") as database:
        database.execute("CREATE TABLE listening (what TEXT)")
        database.execute("CREATE TABLE reach (seq INTEGER)")
        database.execute("INSERT INTO listening VALUES ('[]')")
    database.close()


def _socket_of_nobody(data_dir: Path) -> None:
    (data_dir / "control.sock").write_text("not a socket")


def _no_segment_is_readable(data_dir: Path) -> None:
    for path in (data_dir / "log").glob("date=*/*.parquet"):
        path.write_bytes(b"PAR1" + b"x" * 5_000)


def _torn_tail(data_dir: Path) -> None:
    for path in (data_dir / "log").glob("tail-*"):
        path.write_bytes(path.read_bytes()[:-20] + b"\xff" * 7)


def _strange_names(data_dir: Path) -> None:
    (data_dir / "log" / "date=x").mkdir()
    (data_dir / "log" / "date=x" / f"{1:020}-{0:020}.0.parquet").write_bytes(b"")
    (data_dir / "log" / "tail-x.ndjson").write_bytes(b"{}")
    (data_dir / "log" / "DURABLE").write_bytes(b"\0" * 200)


STATES = [
    *(_nothing, _file_for_a_folder, _file_for_the_log, _empty_log, _corrupt_ledger, _old_ledger, _corrupt_memory),
    *(_foreign_memory, _socket_of_nobody, _no_segment_is_readable, _torn_tail, _strange_names),
]


@pytest.mark.parametrize("spoil", STATES, ids=lambda state: state.__name__.strip("_"))
def test_a_spoilt_folder(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    data_dir = tmp_path / "data"
    for _ in range(2):
        write_log(data_dir, days(1, 40))
    compact(data_dir)
    spoil(data_dir)
    found = diagnose(Settings(data_dir=data_dir), None, clock=ManualClock(START + 10**9))
    assert found.answer.startswith("No: ")
    assert [finding for finding in found.findings if "homeiq itself" in finding.sentence] == []
    assert [finding for finding in found.findings if finding.code == "check-timeout"] == []
    found.as_json()
