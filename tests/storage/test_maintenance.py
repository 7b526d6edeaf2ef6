import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from homeiq.errors import LogCorrupt, LogNotWritable
from homeiq.storage import maintenance, segment
from homeiq.storage.files import LockHeld, locked
from homeiq.storage.log import EventLog, tails_in
from homeiq.storage.maintenance import compact, main, position, seal
from homeiq.storage.manifest import SegmentName, Slice, parse_segment
from homeiq.storage.reader import LogReader, list_files, read_slice
from homeiq.storage.verify import verify
from homeiq.storage.view import LogView
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FailingFiles, FastFiles, Halt, SteppedFiles, contents, event, events, fill


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def segments(data_dir: Path) -> list[SegmentName]:
    return sorted(name for path in data_dir.glob("log/date=*/*.parquet") if (name := parse_segment(path)))


def raws(data_dir: Path) -> list[str]:
    return [record.raw for record in contents(data_dir)]


def sealed_log(data_dir: Path, seals: int) -> int:
    """Record and seal so often, and leave two tails that are not sealed yet; return the last seq."""
    for _ in range(seals):
        fill(data_dir, 2)
        EventLog(data_dir, files=FastFiles()).close()
        seal(data_dir, FastFiles())
    return fill(data_dir, 2)


def seen_from_everywhere(data_dir: Path, last: int) -> None:
    """Each kind of reader sees each record exactly once."""
    assert raws(data_dir) == [one.raw for one in events(1, last)]
    assert LogReader(data_dir).end() == last
    view = LogView(data_dir)
    numbers = pa.concat_tables(list(view.scan(["seq"])))["seq"].to_pylist()
    assert sorted(numbers) == list(range(1, last + 1))
    assert view.last_seq == last


@pytest.mark.parametrize(("what", "seals"), [(seal, 0), (compact, 3)])
def test_it_may_be_killed_before_any_operation(folder: Path, what: Callable[..., object], seals: int) -> None:
    for until in range(1, 200):
        data_dir = folder / str(until)
        last = sealed_log(data_dir, seals)

        def watch(number: int, name: str, until: int = until, data_dir: Path = data_dir, last: int = last) -> None:
            if number == until:
                seen_from_everywhere(data_dir, last)
                raise Halt

        try:
            what(data_dir, SteppedFiles(watch))
        except Halt:
            seen_from_everywhere(data_dir, last)
            with EventLog(data_dir, files=FastFiles()) as log:
                assert log.append(events(last + 1, 2)) == (last + 1, last + 2)
                assert log.findings == []
            compact(data_dir, FastFiles())
            seen_from_everywhere(data_dir, last + 2)
            names = segments(data_dir)
            assert all(one.last < other.first for one, other in pairwise(names)), "nothing is left over"
            assert all(segment.is_valid(name) for name in names)
        else:
            assert until > 6
            seen_from_everywhere(data_dir, last)
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("what", [seal, compact])
def test_a_disk_that_fails_loses_nothing(folder: Path, what: Callable[..., object]) -> None:
    for number in range(1, 200):
        data_dir = folder / str(number)
        last = sealed_log(data_dir, 2)
        try:
            what(data_dir, FailingFiles({number}))
        except OSError:
            seen_from_everywhere(data_dir, last)
            what(data_dir, FastFiles())
            seen_from_everywhere(data_dir, last)
            assert list(data_dir.glob("log/date=*/*.tmp")) == []
        else:
            return
    pytest.fail("it never ended")


def test_a_written_segment_that_reads_otherwise_never_speaks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = fill(folder, 3)
    real = segment.write

    def wrong(tables: Iterator[pa.Table], *named: object) -> bytearray:
        def changed(table: pa.Table) -> pa.Table:
            raw = pa.array(["wrong"] * table.num_rows)
            return table.set_column(table.column_names.index("raw"), segment.SCHEMA.field("raw"), raw)

        return real(map(changed, tables), *named)

    for write in (wrong, lambda *arguments: real(*arguments)[:-9]):
        monkeypatch.setattr(segment, "write", write)
        with pytest.raises(LogCorrupt):
            seal(folder, FastFiles())
        assert segments(folder) == []
        seen_from_everywhere(folder, last)
    monkeypatch.undo()
    assert len([path for path in (folder / "quarantine").iterdir() if path.suffix != ".note"]) == 2
    seal(folder, FastFiles())
    seen_from_everywhere(folder, last)


def test_sealing_leaves_the_newest_tail_alone_and_no_other(folder: Path) -> None:
    last = fill(folder, 4)
    newest = tails_in(folder / "log")[-1]
    before = newest[1].read_bytes()
    (made,) = seal(folder, FastFiles())
    assert (made.first, made.last, made.generation) == (1, last - 5, 0)
    assert tails_in(folder / "log") == [newest]
    assert newest[1].read_bytes() == before
    assert seal(folder, FastFiles()) == []


def test_sealing_while_a_group_fails_takes_what_was_acknowledged(folder: Path) -> None:
    files = FailingFiles(set())
    with EventLog(folder, rotate_records=100, files=files) as log:
        log.append(events(1, 3))
        for place in (1, 2):  # The write, of which half is there, then the sync, of a whole group.
            files.failing = {len(files.done) + place}
            with pytest.raises(LogNotWritable, match="disk full"):
                log.append([event(900, "x" * 500), event(901)])
            assert contents(folder)[2].raw == event(3).raw
            seal(folder, FastFiles())
            assert log.append(events(log.next_seq, 2)) == (log.next_seq - 2, log.next_seq - 1)
        seal(folder, FastFiles())
        assert log.append(events(8, 1)) == (8, 8)
    seen_from_everywhere(folder, 8)


def test_a_damaged_tail_is_not_sealed_but_mended_at_the_next_start(folder: Path) -> None:
    last = fill(folder, 3)
    first_tail = tails_in(folder / "log")[0][1]
    content = bytearray(first_tail.read_bytes())
    content[-10] ^= 1
    first_tail.write_bytes(content)
    for read in (lambda: seal(folder, FastFiles()), lambda: contents(folder), lambda: LogView(folder)):
        with pytest.raises(LogCorrupt, match="restart the recorder, which mends it"):
            read()
    EventLog(folder, files=FastFiles()).close()
    seal(folder, FastFiles())
    records = contents(folder)
    assert len(records) == last
    assert [record.seq for record in records if record.event_type == "homeiq_blank"] == [5]


def test_an_invalid_segment_neither_hides_nor_removes_a_tail(folder: Path) -> None:
    last = fill(folder, 3)
    tails = tails_in(folder / "log")

    def halt(number: int, name: str) -> None:
        if name == "remove":
            raise Halt

    with pytest.raises(Halt):
        seal(folder, SteppedFiles(halt))
    (name,) = segments(folder)
    content = bytearray(name.path.read_bytes())
    content[20] ^= 255
    name.path.write_bytes(content)
    assert tails_in(folder / "log") == tails
    seen_from_everywhere(folder, last)
    seal(folder, FastFiles())
    seen_from_everywhere(folder, last)


@given(groups=st.lists(st.integers(1, 9), min_size=1, max_size=8), cut=st.sets(st.integers(0, 7)))
@settings(max_examples=20, deadline=None)
def test_any_mixture_of_seals_and_compactions_keeps_the_log(groups: list[int], cut: set[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        for place, size in enumerate(groups):
            with EventLog(data_dir, rotate_records=4, files=FastFiles()) as log:
                log.append(events(log.next_seq, size))
                log.rotate()
            (compact if place in cut else seal)(data_dir, FastFiles())
        seen_from_everywhere(data_dir, sum(groups))


def test_merging_is_bounded_and_then_rests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "MERGED_RECORDS", 25)
    monkeypatch.setattr(maintenance, "JOINED_RECORDS", 25)
    for _ in range(6):
        fill(folder, 2)
        EventLog(folder, files=FastFiles()).close()
        seal(folder, FastFiles())
    compact(folder, FastFiles())
    assert [(name.first, name.last, name.generation) for name in segments(folder)] == [
        (1, 20, 1),
        (21, 40, 1),
        (41, 60, 1),
    ]
    assert compact(folder, FastFiles()) == ([], [])
    seen_from_everywhere(folder, 60)


def seals(data_dir: Path, number: int) -> int:
    """Record and seal ten records so often; return the last seq."""
    for _ in range(number):
        fill(data_dir, 2)
        EventLog(data_dir, files=FastFiles()).close()
        seal(data_dir, FastFiles())
    return segments(data_dir)[-1].last


def names(data_dir: Path) -> list[tuple[int, int, int]]:
    return [(name.first, name.last, name.generation) for name in segments(data_dir)]


def test_what_was_merged_is_joined_as_blocks_that_are_read_one_by_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MERGED_RECORDS", 25)
    monkeypatch.setattr(maintenance, "JOINED_RECORDS", 85)
    monkeypatch.setattr(segment, "ROW_GROUP", 6)
    last = seals(folder, 13)
    _, made = compact(folder, FastFiles())
    assert names(folder) == [(1, 80, 2), (81, 120, 2), (121, 130, 0)]
    assert [(name.first, name.last) for name in made] == [(1, 80), (81, 120)]
    assert compact(folder, FastFiles()) == ([], [])
    seen_from_everywhere(folder, last)
    joined = segments(folder)[0]
    assert [len(groups) for groups in segment.blocks(joined, 1, 80)] == [3, 3, 3, 3]
    assert [len(groups) for groups in segment.blocks(joined, 21, 40)] == [3]
    assert [table.num_rows for table in read_slice(Slice(joined, 15, 70), 15, 70)] == [6, 20, 20, 10]
    for block in segment.blocks(joined, 1, 80):
        rows = pa.concat_tables(list(segment.read_rows(joined, 1, 80, row_groups=block))).to_pylist()
        keys = [(row["time"].year, row["time"].month, row["entity_id"], row["time"]) for row in rows]
        assert keys == sorted(keys)
    assert verify(folder).findings == []


def test_in_the_background_what_grows_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record is written three times: sealed, merged, joined."""
    monkeypatch.setattr(maintenance, "MERGED_RECORDS", 20)
    monkeypatch.setattr(maintenance, "JOINED_RECORDS", 100)
    written = 0
    for _ in range(40):
        last = seals(folder, 1)
        before = set(segments(folder))
        compact(folder, FastFiles(), least=8)
        written += sum(name.last - name.first + 1 for name in set(segments(folder)) - before)
    seen_from_everywhere(folder, last)
    assert len(segments(folder)) < 12
    assert written <= 2 * last


def test_merged_rows_are_in_order_of_month_entity_time(folder: Path) -> None:
    sealed_log(folder, 2)
    EventLog(folder, files=FastFiles()).close()
    _, (name,) = compact(folder, FastFiles())
    rows = pa.concat_tables(list(segment.read_rows(name, name.first, name.last))).to_pylist()
    keys = [(row["time"].year, row["time"].month, row["entity_id"], row["time"]) for row in rows]
    assert keys == sorted(keys)


def test_the_superseded_stay_for_an_hour(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = sealed_log(folder, 2)
    listed = list_files(folder)
    compact(folder, FastFiles())
    (folder / "log" / "date=2026-01-01").mkdir()
    begun = folder / "log" / "date=2026-01-01" / "segment.parquet.12.tmp"
    begun.touch()
    old = list(folder.glob("log/date=*/*.old"))
    assert len(old) == len(listed.slices) + 1, "with the segment that compaction had sealed first"
    assert all(segment.open_segment(part.segment.path).metadata.num_rows for part in listed.slices)
    for later, kept in ((maintenance.OLD_KEPT_SECONDS - 100, True), (maintenance.OLD_KEPT_SECONDS + 100, False)):
        now = time.time() + later
        monkeypatch.setattr(time, "time", lambda now=now: now)
        compact(folder, FastFiles())
        assert {path.exists() for path in [*old, begun]} == {kept}
        monkeypatch.undo()
    seen_from_everywhere(folder, last)


def test_the_position_is_that_of_the_last_valid_segment(folder: Path) -> None:
    assert position(folder) == 1
    sealed_log(folder, 2)
    names = segments(folder)
    assert position(folder) == names[-1].last + 1
    os.truncate(names[-1].path, 100)
    assert position(folder) == names[-2].last + 1


def test_the_child_says_what_it_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder, 3)
    assert main(["seal", str(folder)]) == 0
    (name,) = segments(folder)
    assert capsys.readouterr().out == f"{name.path}\n"
    assert main(["position", str(folder)]) == 0
    assert capsys.readouterr().out == "11\n"
    assert main(["seal"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_maintenance_is_done_by_one_at_a_time(folder: Path) -> None:
    fill(folder, 3)
    held: list[str] = []

    def watch(number: int, name: str) -> None:
        with pytest.raises(LockHeld, match="compacting, process"), locked(folder / "log" / "MAINTENANCE", "another"):
            pass
        held.append(name)

    compact(folder, SteppedFiles(watch))
    assert held
