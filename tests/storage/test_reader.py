import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homeiq.errors import LogCorrupt
from homeiq.storage import reader as reading
from homeiq.storage import tail as tails
from homeiq.storage.log import EventLog, tails_in
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.manifest import segment_name
from homeiq.storage.reader import LogReader, list_files, read_everything
from homeiq.storage.record import Record
from homeiq.storage.sql import query
from homeiq.storage.view import LogView
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FastFiles, contents, event, events, fill, operate

BUSY = """
import sys
from pathlib import Path
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.record import Event
class FastFiles(Files):
    def sync(self, descriptor): pass
    def sync_folder(self, folder): pass
data_dir, last = Path(sys.argv[1]), int(sys.argv[2])
with EventLog(data_dir, rotate_records=40, files=FastFiles()) as log:
    print("open", flush=True)
    while log.next_seq <= last:
        first = log.next_seq
        log.append([Event(seq, seq, "s", "live", "t", None, None, str(seq)) for seq in range(first, first + 7)])
        if first % 5 == 0: seal(data_dir, FastFiles())
        if first % 9 == 0: compact(data_dir, FastFiles())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_readers_beside_a_busy_writer_see_each_record_once(folder: Path) -> None:
    last = 7 * 429
    with subprocess.Popen([sys.executable, "-c", BUSY, folder, str(last)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        readers = [LogReader(folder), LogReader(folder, 1), LogReader(folder, 1_000)]
        looks = 0
        while child.poll() is None or readers[0].next_seq <= last:
            for place, reader in enumerate(readers):
                expected = reader.next_seq
                for records in reader.read(None if place else reader.next_seq + 99):
                    assert [record.seq for record in records] == list(range(expected, expected + len(records)))
                    assert all(record.raw == str(record.seq) for record in records)
                    expected += len(records)
                assert reader.next_seq == expected
                assert reader.missing == []
            view = LogView(folder)
            assert sum(table.num_rows for table in _scan(view)) == view.last_seq
            table = query(
                folder, "SELECT count(*) AS n, coalesce(max(seq), 0) AS top, count(DISTINCT seq) AS d FROM events"
            )
            assert table is not None
            (row,) = table.to_pylist()
            assert row["n"] == row["top"] == row["d"]
            beginning = LogReader(folder)
            whole = sum(len(records) for records in beginning.read())
            assert whole == beginning.next_seq - 1 >= row["n"], "reading does not end before the end that was there"
            looks += 1
    assert child.returncode == 0
    assert looks > 3
    assert [record.raw for record in contents(folder)] == [str(seq) for seq in range(1, readers[0].next_seq)]


def _scan(view: LogView) -> list:  # type: ignore[type-arg]
    while True:
        try:
            return list(view.scan(["seq"]))
        except FileNotFoundError:
            pytest.fail("what was superseded stays readable for an hour")


OPERATIONS = st.lists(
    st.sampled_from(["append", "append", "rotate", "seal", "compact", "restart", "read"]), max_size=25
)


@given(operations=OPERATIONS, starts=st.lists(st.integers(1, 20), min_size=1, max_size=3), upto=st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_a_reader_follows_whatever_happens_between_two_reads(
    operations: list[str], starts: list[int], upto: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        log = EventLog(data_dir, rotate_records=5, files=FastFiles())
        readers = [LogReader(data_dir, start) for start in starts]
        seen: list[list[Record]] = [[] for _ in starts]
        for place, operation in enumerate([*operations, "end"]):
            if operation not in ("read", "end"):
                log = operate(log, operation, place)
                continue
            for reader, found in zip(readers, seen, strict=True):
                for records in reader.read(upto if operation == "read" else None):
                    found += records
        last = log.next_seq - 1
        log.close()
        for start, found in zip(starts, seen, strict=True):
            assert [record.seq for record in found] == list(range(start, last + 1))
            assert [record.raw for record in found] == [event(seq).raw for seq in range(start, last + 1)]
        assert LogReader(data_dir).end() == last


def test_the_position_says_what_was_handled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ROWS", 2)
    fill(folder, 1)
    reader = LogReader(folder)
    for records in reader.read():
        assert reader.next_seq == records[0].seq, "not before the list was handled"
        if reader.next_seq == 3:
            break
    assert reader.next_seq == 3
    assert [record.seq for records in reader.read() for record in records] == [3, 4, 5]


def test_waiting_reads_nothing_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    real = tails.decode
    monkeypatch.setattr(tails, "decode", lambda line: decoded.append(line) or real(line))
    with EventLog(folder, files=FastFiles()) as log:
        reader = LogReader(folder)
        for _ in range(20):
            log.append(events(log.next_seq, 1))
            list(reader.read())
            list(reader.read())
            list(reader.read())
    # Once when it came; and at most once more until the reader knows that there was nothing behind it.
    assert len(decoded) <= 20 + 20 * 21 / 2
    decoded.clear()
    for _ in range(100):
        list(reader.read())
    assert decoded == []


def test_what_is_sealed_between_listing_and_opening_is_found_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = fill(folder, 4)
    EventLog(folder, files=FastFiles()).close()
    real = reading.list_files
    pending = [seal]

    def listed(data_dir: Path) -> reading.LogFiles:
        files = real(data_dir)
        if pending:
            pending.pop()(data_dir, FastFiles())
        return files

    monkeypatch.setattr(reading, "list_files", listed)
    assert [record.seq for records in read_everything(folder) for record in records] == list(range(1, last + 1))


def test_a_listing_that_falls_into_a_merge_misses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        fill(folder, 2)
        EventLog(folder, files=FastFiles()).close()
        seal(folder, FastFiles())
    real = Path.glob
    pending = [compact]

    def glob(path: Path, pattern: str) -> Iterator[Path]:
        """The scan of the first folder came too early for the merged file, that of the second too late for the others."""
        if pattern == "date=*/*.parquet" and pending:
            pending.pop()(folder, FastFiles())
            return iter(())
        return real(path, pattern)

    monkeypatch.setattr(Path, "glob", glob)
    files = list_files(folder)
    assert (files.first_seq, files.missing) == (1, [])
    assert len(contents(folder)) == 30


def test_expired_segments_move_the_beginning(folder: Path) -> None:
    for _ in range(2):
        fill(folder, 2)
        EventLog(folder, files=FastFiles()).close()
        seal(folder, FastFiles())
    first = list_files(folder).slices[0]
    first.segment.path.unlink()
    reader = LogReader(folder)
    assert [record.seq for records in reader.read() for record in records] == list(range(11, 21))
    assert reader.missing == []


def test_a_lost_segment_is_named_and_read_around(folder: Path) -> None:
    for _ in range(3):
        fill(folder, 2)
        EventLog(folder, files=FastFiles()).close()
        seal(folder, FastFiles())
    list_files(folder).slices[1].segment.path.unlink()
    reader = LogReader(folder)
    assert [record.seq for records in reader.read() for record in records] == [*range(1, 11), *range(21, 31)]
    assert reader.missing == [(11, 20)]
    for read in (lambda: list(read_everything(folder)), lambda: LogView(folder)):
        with pytest.raises(LogCorrupt, match=r"records 11( to |-)20 are missing"):
            read()


def test_overlapping_files_are_validated_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeiq.storage import segment

    last = fill(folder, 2)
    EventLog(folder, files=FastFiles()).close()
    seal(folder, FastFiles())
    path = list_files(folder).slices[0].segment.path
    for generation in (1, 2):
        path.with_name(segment_name(1, last, generation)).write_bytes(path.read_bytes())
    asked = []
    real = segment.is_valid
    monkeypatch.setattr(segment, "is_valid", lambda name: asked.append(name) or real(name))
    for _ in range(5):
        assert [part.segment.generation for part in list_files(folder).slices] == [2]
    assert len(asked) == 3


def test_a_log_that_is_not_there_is_empty(folder: Path) -> None:
    assert list(LogReader(folder / "none").read()) == []
    assert LogReader(folder / "none").end() == 0
    assert list_files(folder / "none").first_seq == 1
    EventLog(folder, files=FastFiles()).close()
    assert LogReader(folder).end() == 0
    assert tails_in(folder / "log")[0][0] == 1
