import errno
import os
from pathlib import Path

import pytest
from homeiq.errors import LogNotWritable
from homeiq.storage import mark
from homeiq.storage.log import EventLog, tails_in
from homeiq.storage.maintenance import seal
from homeiq.storage.manifest import tail_name
from homeiq.storage.mark import MARK, Mark, mark_of, readable_before
from homeiq.storage.reader import LogReader, list_files
from homeiq.storage.record import encode_group
from homeiq.storage.verify import verify
from homeiq.storage.view import LogView

from .disks import FastFiles, contents, events, fill


class FullFiles(FastFiles):
    """A disk without room: nothing can be written but what has its place already."""

    def write(self, descriptor: int, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def numbers(data_dir: Path) -> list[int]:
    return [record.seq for records in LogReader(data_dir).read() for record in records]


def quarantined(data_dir: Path) -> list[bytes]:
    return [path.read_bytes() for path in (data_dir / "quarantine").glob("*") if not path.name.endswith(".note")]


def test_readers_see_a_group_only_once_it_is_durable(tmp_path: Path) -> None:
    seen: list[tuple[list[int], int, int]] = []

    class Watched(FastFiles):
        def sync(self, descriptor: int) -> None:
            if os.readlink(f"/proc/self/fd/{descriptor}").endswith(".ndjson"):
                held = [record.seq for records in reader.read() for record in records]
                seen.append((held, LogReader(tmp_path).end(), LogView(tmp_path).last_seq))

    reader = LogReader(tmp_path)
    with EventLog(tmp_path, files=Watched()) as log:
        log.append(events(1, 3))
        assert numbers(tmp_path) == [1, 2, 3]
        log.append(events(4, 2))
        log.rotate()
        log.append(events(6, 1))
    assert seen == [([], 0, 0), ([1, 2, 3], 3, 3), ([4, 5], 5, 5)]
    assert [record.seq for records in reader.read() for record in records] == [6]


def test_a_mark_that_cannot_be_moved_hides_and_never_loses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(FastFiles):
        stuck = False

        def overwrite(self, path: Path, content: bytes) -> None:
            if self.stuck:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().overwrite(path, content)

        def replace(self, source: Path, destination: Path) -> None:
            if self.stuck:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().replace(source, destination)

    files = Stuck()
    with EventLog(tmp_path, files=files) as log:
        log.append(events(1, 2))
        files.stuck = True
        assert log.append(events(3, 2)) == (3, 4)
        assert log.append(events(5, 1)) == (5, 5)
        assert numbers(tmp_path) == [1, 2]
        files.stuck = False
        log.append(events(6, 1))
        assert numbers(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert [one.message for one in caplog.records] == [
        f"{tmp_path}/log/{MARK} cannot be written (Input/output error): readers do not see the newest records"
    ]


def test_after_another_start_of_the_machine_all_that_is_on_the_disk_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 1)
    ((_, path),) = tails_in(tmp_path / "log")
    with path.open("ab") as file:
        file.write(encode_group(6, events(6, 2)))
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]
    monkeypatch.setattr(mark, "boot_id", lambda: "another")
    assert numbers(tmp_path) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("line", [b"", b"x" * 88, Mark(1, 2, "").line()[:-1], b"\0" * 88])
def test_a_mark_that_cannot_be_read_hides_nothing_and_is_made_anew(tmp_path: Path, line: bytes) -> None:
    fill(tmp_path, 1)
    (tmp_path / "log" / MARK).write_bytes(line)
    assert mark_of(tmp_path / "log") is None
    assert len(contents(tmp_path)) == 5
    fill(tmp_path, 1)
    assert mark_of(tmp_path / "log") == Mark(6, 10, mark.boot_id())


def test_a_mark_speaks_of_one_tail(tmp_path: Path) -> None:
    one = Mark(11, 14, mark.boot_id())
    assert Mark.of(one.line()) == one
    (tmp_path / MARK).write_bytes(one.line())
    limits = {first: readable_before(tmp_path / tail_name(first)) for first in (1, 11, 15)}
    assert limits == {1: 11, 11: 15, 15: 15}, "of an older tail up to the next; of a newer one nothing yet"


@pytest.mark.parametrize("gone", ["cut", "empty", "removed"])
def test_numbers_that_readers_have_seen_are_never_given_again(tmp_path: Path, gone: str) -> None:
    last = fill(tmp_path, 1, size=8)
    ((_, path),) = tails_in(tmp_path / "log")
    lines = path.read_bytes().splitlines(keepends=True)
    if gone == "removed":
        path.unlink()
    else:
        path.write_bytes(b"" if gone == "empty" else b"".join(lines[:5]) + lines[5][:9])
    with EventLog(tmp_path, files=FastFiles()) as log:
        given = last + 1 + (gone != "removed")  # The record behind them says that they are lost.
        assert log.append(events(9, 1)) == (given, given)
    kept = {"cut": 5, "empty": 0, "removed": 0}[gone]
    assert f"records {kept + 1}-8" in log.findings[0]
    assert quarantined(tmp_path) == ([lines[5][:9]] if gone == "cut" else [])
    if gone == "removed":
        assert list_files(tmp_path).tails[0].first == 9
    else:
        blanks = [record.seq for record in contents(tmp_path) if record.event_type == "homeiq_blank"]
        assert blanks == list(range(kept + 1, 9))
        assert contents(tmp_path)[8].event_type == "homeiq_lost"
        assert contents(tmp_path)[8].raw == f'{{"first":{kept + 1},"last":8}}'
        assert verify(tmp_path).findings == []


def test_a_torn_end_on_a_full_disk_stays_and_is_moved_aside_later(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    ((_, path),) = tails_in(tmp_path / "log")
    with path.open("ab") as file:
        file.write(b"torn")
    with EventLog(tmp_path, files=FullFiles()) as log:
        assert log.next_seq == 6
        assert "stays in it until the next start (No space left" in log.findings[0]
        with pytest.raises(LogNotWritable):
            log.append(events(6, 1))
    assert path.read_bytes().endswith(b"torn")
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append(events(6, 1))
    assert quarantined(tmp_path) == [b"torn"]
    assert len(contents(tmp_path)) == 6


def test_a_torn_end_that_stays_is_not_lost_by_sealing(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    ((_, path),) = tails_in(tmp_path / "log")
    with path.open("ab") as file:
        file.write(b"torn")
    EventLog(tmp_path, files=FullFiles()).close()
    seal(tmp_path, FastFiles())
    assert not path.exists()
    assert quarantined(tmp_path) == [b"torn"]
    assert len(contents(tmp_path)) == 5


def test_a_tail_of_torn_bytes_alone_is_renamed_on_a_full_disk(tmp_path: Path) -> None:
    EventLog(tmp_path, files=FastFiles()).close()
    ((_, path),) = tails_in(tmp_path / "log")
    path.write_bytes(b"torn")
    with EventLog(tmp_path, files=FullFiles()) as log:
        assert log.next_seq == 1
    assert quarantined(tmp_path) == [b"torn"]
    assert path.read_bytes() == b""
