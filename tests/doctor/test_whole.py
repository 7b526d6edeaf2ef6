"""The log whole or not, and the room on its disk."""

import os
from collections import namedtuple
from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.doctor import whole
from homeiq.doctor.case import Case, Limits
from homeiq.doctor.diagnosis import diagnose
from homeiq.doctor.finding import Finding
from homeiq.settings import Settings
from homeiq.storage.maintenance import compact

from end_to_end.logs import START, days, write_log

NOW = START + 3_600_000_000


def look(data_dir: Path, *, full: bool = False) -> dict[str, Finding]:
    case = Case(Settings(data_dir=data_dir), None, ManualClock(NOW), Limits(full=full))
    return {finding.code: finding for finding in whole.check(case).findings}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A log of a sealed segment and a tail."""
    write_log(tmp_path, days(1, 300))
    write_log(tmp_path, days(1, 30))
    compact(tmp_path)
    return tmp_path


def test_what_comes_while_it_looks_is_not_missing(data_dir: Path) -> None:
    """The mark says more by then than what was seen of the log a moment ago."""
    case = Case(Settings(data_dir=data_dir), None, ManualClock(NOW), Limits())
    assert case.log() is not None
    write_log(data_dir, days(1, 20))
    assert {finding.code for finding in whole.check(case).findings} == {"log-whole"}


def segment_of(data_dir: Path) -> Path:
    (path,) = (data_dir / "log").glob("date=*/*.parquet")
    return path


def test_a_whole_log(data_dir: Path) -> None:
    assert set(look(data_dir)) == {"log-whole"}
    assert "all 336 records were read" in look(data_dir, full=True)["log-whole"].sentence


def test_a_bit_that_has_flipped(data_dir: Path) -> None:
    path = segment_of(data_dir)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert look(data_dir)["log-damaged"].severity == "wrong"
    assert look(data_dir, full=True)["log-damaged"].severity == "wrong"


def test_a_segment_that_is_gone_and_one_that_is_cut_off(data_dir: Path) -> None:
    path = segment_of(data_dir)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    assert look(data_dir)["log-damaged"].severity == "wrong"
    path.unlink()
    assert look(data_dir, full=True)["log-damaged"].severity == "wrong"


def test_a_tail_that_lost_its_end(data_dir: Path) -> None:
    """It was durable, as the mark says."""
    (tail,) = [path for path in (data_dir / "log").glob("tail-*") if path.stat().st_size]
    tail.write_bytes(b"".join(tail.read_bytes().splitlines(keepends=True)[:-5]))
    assert (
        look(data_dir)["log-damaged"].sentence == "the records 332 to 336 are missing: what was durable is in no file"
    )


def test_a_log_that_grows_meanwhile(data_dir: Path) -> None:
    case = Case(Settings(data_dir=data_dir), None, ManualClock(NOW))
    case.log()
    write_log(data_dir, days(1, 30))
    assert [finding.code for finding in whole.check(case).findings] == ["log-whole"]


def test_files_that_were_moved_aside_and_foreign_ones(data_dir: Path) -> None:
    (data_dir / "quarantine").mkdir(exist_ok=True)
    (data_dir / "quarantine" / "tail-1.torn").write_bytes(b"x")
    (data_dir / "log" / "holiday.jpg").write_bytes(b"x")
    found = look(data_dir, full=True)
    assert found["log-quarantine"].severity == "attention"
    assert "holiday.jpg" in found["log-foreign-file"].sentence


def test_a_log_of_a_newer_homeiq(data_dir: Path) -> None:
    (tail,) = [path for path in (data_dir / "log").glob("tail-*") if path.stat().st_size]
    tail.write_bytes(tail.read_bytes().replace(b'{"v":1,', b'{"v":9,"more":1,'))
    found = diagnose(Settings(data_dir=data_dir), None, clock=ManualClock(NOW))
    (finding,) = [one for one in found.findings if one.code == "log-unreadable"]
    assert "newer homeiq" in finding.sentence
    assert found.answer.startswith("No: ")


System = namedtuple("System", "f_bavail f_frsize")


@pytest.mark.parametrize(
    ("free", "code", "severity"),
    [
        (10_000, "disk-full", "wrong"),
        (60_000_000, "disk-full-soon", "wrong"),
        (900_000_000, "disk-full-soon", "attention"),
    ],
)
def test_a_disk_that_is_full_or_will_be(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: str, severity: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: System(free, 1))
    monkeypatch.setattr(whole, "bytes_per_record", lambda *sizes: 6_250.0)  # 330 events an hour
    assert look(data_dir)[code].severity == severity


def test_a_log_that_belongs_to_somebody_else(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode, **_: False)  # tests may run as root
    assert look(data_dir)["log-not-writable"].severity == "wrong"


def test_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    for _ in range(3):
        write_log(tmp_path, days(1, 20))
        compact(tmp_path, least=9)
    result = whole.check(Case(Settings(data_dir=tmp_path), None, ManualClock(NOW)))
    assert len(list((tmp_path / "log").glob("date=*/*.parquet"))) == 2
    assert result.unseen == ("the content of 1 older segment (homeiq verify reads it)",)
