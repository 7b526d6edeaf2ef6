"""The room that is kept for a full disk."""

import errno
import os
from pathlib import Path

import pytest
from homeiq.errors import LogNotWritable
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.reserve import Reserve

from .disks import FastFiles, contents, events
from .small_disk import on_a_small_disk


class SmallFiles(FastFiles):
    """A disk on which a write fails for as long as the reserve is there, or `full` is set."""

    def __init__(self, data_dir: Path, code: int = errno.ENOSPC) -> None:
        self.full = False
        self._reserve = data_dir / "reserve"
        self._code = code
        self._tight = False

    def tighten(self) -> None:
        self._tight = True

    def write(self, descriptor: int, content: bytes) -> None:
        if self.full or (self._tight and self._reserve.exists()):
            os.write(descriptor, content[: len(content) // 2])
            raise OSError(self._code, os.strerror(self._code))
        super().write(descriptor, content)


def test_it_is_really_allocated(tmp_path: Path) -> None:
    with EventLog(tmp_path, reserve_bytes=1 << 20) as log:
        found = (tmp_path / "reserve").stat()
        assert (found.st_size, found.st_blocks * 512 >= 1 << 20) == (1 << 20, True)
        assert not log.reserve.missing


def test_none_is_made_where_none_is_wanted(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.append(events(1, 3))
    assert not (tmp_path / "reserve").exists()


def test_on_a_full_disk_it_is_freed_and_the_same_group_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = SmallFiles(tmp_path)
    with EventLog(tmp_path, files=files, reserve_bytes=1 << 16) as log:
        log.append(events(1, 3))
        files.tighten()
        monkeypatch.setattr(Reserve, "_room", lambda self: 0)
        assert log.append(events(4, 3)) == (4, 6)
        assert log.reserve.missing
        files.full = True
        with pytest.raises(LogNotWritable, match="the log cannot be written: disk full"):
            log.append(events(7, 3))
        files.full = False
        monkeypatch.setattr(Reserve, "_room", lambda self: 1 << 17)
        assert log.append(events(7, 3)) == (7, 9)
        assert not log.reserve.missing
        assert (tmp_path / "reserve").stat().st_size == 1 << 16
    assert [record.raw for record in contents(tmp_path)] == [event.raw for event in events(1, 9)]
    with EventLog(tmp_path, files=FastFiles()) as log:
        assert log.findings == [], "what was written of a group in vain takes no room, and is no damage"


def test_a_disk_that_fails_for_another_reason_keeps_it(tmp_path: Path) -> None:
    files = SmallFiles(tmp_path, errno.EIO)
    with EventLog(tmp_path, files=files, reserve_bytes=1 << 16) as log:
        files.tighten()
        with pytest.raises(LogNotWritable, match="Input/output error"):
            log.append(events(1, 3))
    assert (tmp_path / "reserve").exists()


def test_where_no_room_can_be_kept_recording_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(self: Files, path: Path, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(Files, "allocate", unsupported)
    with EventLog(tmp_path, reserve_bytes=1 << 16) as log:
        assert log.append(events(1, 1)) == (1, 1)
        assert not log.reserve.missing


SCRIPT = """
import os, sys
from pathlib import Path
from homeiq.errors import LogNotWritable
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal
from homeiq.storage.reader import read_everything
from homeiq.storage.record import Event

def event(number):
    return Event(number, number, "test", "live", "test", None, None, f"{number}" + os.urandom(500).hex())

data_dir = Path(sys.argv[1])
ballast = data_dir / "ballast"
told = []

def append(log):
    group = [event(number) for number in range(20)]
    first, last = log.append(group)
    told.extend(event.raw for event in group)

def append_until_full(log):
    while True:
        try:
            append(log)
        except LogNotWritable as error:
            assert "the log cannot be written: disk full" in str(error), error
            return

with EventLog(data_dir, rotate_records=200, reserve_bytes=1 << 20) as log:
    append(log)
    room = os.statvfs(data_dir)
    ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - (1 << 20)))
    append_until_full(log)
    assert log.reserve.missing and len(told) > 1500
    try:
        seal(data_dir)
        raise SystemExit("sealed without room")
    except OSError as error:
        assert error.errno == 28, error
    for _ in range(3):
        append_until_full(log)
with EventLog(data_dir, rotate_records=200, reserve_bytes=1 << 20) as log:  # it starts on a full disk
    assert log.next_seq == len(told) + 1, log.findings
    append_until_full(log)
    ballast.unlink()
    append(log)
    assert not log.reserve.missing
    seal(data_dir)
    append(log)
found = [record.raw for records in read_everything(data_dir) for record in records]
assert found == told, (len(found), len(told))
print("whole")
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    assert on_a_small_disk(tmp_path, SCRIPT, 6) == "whole\n"
