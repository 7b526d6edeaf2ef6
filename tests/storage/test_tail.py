import errno
from pathlib import Path

import pytest
from homeiq.errors import LogNotWritable
from homeiq.storage.log import EventLog
from homeiq.storage.manifest import tail_name
from homeiq.storage.record import encode, encode_group
from homeiq.storage.tail import Tail, TailCursor, lines_of, read_tail, recover
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FailingFiles, FastFiles, Halt, SteppedFiles, contents, event, events

LINES = [encode(seq, event(seq)) for seq in range(1, 11)]
WHOLE = b"".join(LINES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tails")


def laid_out(folder: Path, content: bytes, later: bytes | None = None) -> Path:
    """Make a new data folder with a tail of these bytes, and maybe the next tail, whose first record is number 11."""
    data_dir = folder / str(len(list(folder.iterdir())))
    (data_dir / "log").mkdir(parents=True)
    (data_dir / "log" / tail_name(1)).write_bytes(content)
    if later is not None:
        (data_dir / "log" / tail_name(11)).write_bytes(later)
    return data_dir


def quarantined(data_dir: Path) -> bytes:
    """Return all bytes that were set aside, in order of their places; each has a note."""
    found = {path.name: path.read_bytes() for path in (data_dir / "quarantine").glob("*")}
    names = sorted(name for name in found if not name.endswith(".note"))
    assert all(found[f"{name}.note"].strip() for name in names)
    return b"".join(found[name] for name in sorted(names, key=lambda name: int(name.rsplit(".")[-1].split("-")[0])))


def test_a_tail_cut_at_any_byte_goes_on_from_its_last_whole_record(folder: Path) -> None:
    for cut in range(len(WHOLE) - len(LINES[-1]), len(WHOLE)):
        data_dir = laid_out(folder, WHOLE[:cut])
        with EventLog(data_dir, files=FastFiles()) as log:
            assert log.append(events(10, 2)) == (10, 11)
        assert [record.raw for record in contents(data_dir)] == [event(number).raw for number in range(1, 12)]
        torn = WHOLE[len(WHOLE) - len(LINES[-1]) : cut]
        assert quarantined(data_dir) == torn
        assert bool(log.findings) == bool(torn)


@given(
    flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1, max_size=4),
    later=st.sampled_from([None, b"", encode(11, event(11))]),
)
@settings(max_examples=150, deadline=None)
def test_damage_anywhere_costs_only_what_it_hit(
    folder: Path, flips: list[tuple[int, int]], later: bytes | None
) -> None:
    damaged = bytearray(WHOLE)
    for place, change in flips:
        damaged[place] ^= change
    data_dir = laid_out(folder, bytes(damaged), later)
    with EventLog(data_dir, files=FastFiles()) as log:
        first, _ = log.append(events(log.next_seq, 3))
    records = contents(data_dir)
    assert records[-1].seq == first + 2
    if later is not None:
        assert first == 11 + bool(later), "what the next tail's name says to be there keeps its place"
    good = [line for line in lines_of(bytes(damaged)) if line in LINES]
    kept = [record for record in records if record.event_type != "homeiq_blank"]
    assert [encode(record.seq, record) for record in kept if record.seq < min(first, 11)] == good
    assert len(b"".join(good)) + len(quarantined(data_dir)) == len(damaged), "every other byte is set aside"
    again = EventLog(data_dir, files=FastFiles())
    again.close()
    assert again.findings == [], "what was mended stays mended"


@given(cut=st.integers(0, len(WHOLE)), zeros=st.integers(1, 5_000))
@settings(max_examples=30, deadline=None)
def test_an_end_of_zeros_is_set_aside(folder: Path, cut: int, zeros: int) -> None:
    data_dir = laid_out(folder, WHOLE[:cut] + bytes(zeros))
    with EventLog(data_dir, files=FastFiles()) as log:
        log.append(events(log.next_seq, 1))
    records = contents(data_dir)
    assert [record.raw for record in records] == [event(number).raw for number in range(1, len(records) + 1)]
    assert len(records) == WHOLE[:cut].count(b"\n") + 1


def test_a_bad_line_among_good_ones_becomes_a_blank_row(folder: Path) -> None:
    data_dir = laid_out(folder, b"".join([*LINES[:4], b"not a record\n", *LINES[5:]]))
    with EventLog(data_dir, files=FastFiles()) as log:
        assert log.next_seq == 11
    records = contents(data_dir)
    assert [record.seq for record in records if record.event_type == "homeiq_blank"] == [5]
    assert records[4].received_at == records[3].received_at
    assert quarantined(data_dir) == b"not a record\n"
    assert "13 bytes" in log.findings[0]


def test_records_that_a_later_tail_says_to_be_there_keep_their_places(folder: Path) -> None:
    data_dir = laid_out(folder, b"".join(LINES[:6]) + LINES[6][:20], LINES[0][:0])
    with EventLog(data_dir, files=FastFiles()) as log:
        assert log.append([event(11)]) == (11, 11)
    assert [record.seq for record in contents(data_dir) if record.event_type == "homeiq_blank"] == [7, 8, 9, 10]
    assert quarantined(data_dir) == LINES[6][:20]


def test_a_foreign_tail_far_away_does_not_fill_the_disk(folder: Path) -> None:
    data_dir = laid_out(folder, WHOLE)
    (data_dir / "log" / tail_name(10**15)).write_bytes(b"")
    with EventLog(data_dir, files=FastFiles()) as log:
        assert log.append([event(1)]) == (10**15, 10**15)
    assert "is not of this log" in " ".join(log.findings)


def test_records_of_a_group_that_failed_do_not_count_beside_the_next_tail(folder: Path) -> None:
    stale = encode_group(11, events(50, 3))
    data_dir = laid_out(folder, WHOLE + stale, encode_group(11, events(11, 2)))
    assert [record.raw for record in contents(data_dir)] == [event(number).raw for number in range(1, 13)]
    with EventLog(data_dir, files=FastFiles()):
        pass
    assert [record.raw for record in contents(data_dir)] == [event(number).raw for number in range(1, 13)]
    assert quarantined(data_dir) == stale


@pytest.mark.parametrize("content", [WHOLE[:-5], WHOLE[:300] + b"\0" + WHOLE[301:]])
def test_recovery_may_be_killed_at_any_operation(folder: Path, content: bytes) -> None:
    for until in range(1, 50):
        data_dir = laid_out(folder, content)

        def halt(number: int, name: str, until: int = until) -> None:
            if number == until:
                raise Halt

        path = data_dir / "log" / tail_name(1)
        try:
            recover(data_dir, path, None, SteppedFiles(halt))
        except Halt:
            recover(data_dir, path, None, FastFiles())
        else:
            return
        records = read_tail(path)
        assert [record.seq for record in records] == list(range(1, content.count(b"\n") + 1))
        assert len(path.read_bytes()) > 0
        assert quarantined(data_dir) == b"".join(line for line in lines_of(content) if line not in LINES)
    pytest.fail("recovery never ended")


def test_a_sync_that_fails_closes_the_tail_for_good(tmp_path: Path) -> None:
    files = FailingFiles({4}, errno.EIO)
    tail = Tail(tmp_path, 1, files)
    with pytest.raises(LogNotWritable, match="Input/output error"):
        tail.append(events(1, 2))
    assert tail.failed
    done = list(files.done)
    with pytest.raises(LogNotWritable, match="is not appended to"):
        tail.append(events(1, 2))
    assert files.done == done
    assert tail.next_seq == 1


def test_a_write_that_is_interrupted_closes_the_tail_for_good(tmp_path: Path) -> None:
    def interrupt(number: int, name: str) -> None:
        if name == "write":
            raise KeyboardInterrupt

    tail = Tail(tmp_path, 1, SteppedFiles(interrupt))
    with pytest.raises(KeyboardInterrupt):
        tail.append(events(1, 2))
    assert tail.failed


def test_a_group_is_one_write_and_one_sync(tmp_path: Path) -> None:
    files = SteppedFiles()
    tail = Tail(tmp_path, 1, files)
    files.done.clear()
    assert tail.append(events(1, 1_000)) == (1, 1_000)
    assert [name for name, _ in files.done] == ["write", "sync"]
    assert tail.bytes == tail.path.stat().st_size
    tail.close()
    tail.close()


@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=8).map(sorted), before=st.none() | st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_cursor_sees_each_record_once_however_the_bytes_arrive(
    folder: Path, cuts: list[int], before: int | None
) -> None:
    data_dir = laid_out(folder, b"")
    path = data_dir / "log" / tail_name(1)
    cursor = TailCursor(path)
    seen = []
    for cut in [*cuts, len(WHOLE)]:
        path.write_bytes(WHOLE[:cut])
        seen += cursor.read(before)
        assert len(seen) == min(WHOLE[:cut].count(b"\n"), (before or 99) - 1)
        cursor.read(before)
        assert not cursor.changed
    assert b"".join(encode(record.seq, record) for record in seen) == b"".join(LINES[: (before or 99) - 1])


@given(content=st.binary(max_size=40).map(lambda content: content.replace(b"a", b"\n")))
def test_lines_lose_no_byte(content: bytes) -> None:
    lines = list(lines_of(content))
    assert b"".join(lines) == content
    assert all(b"\n" not in line[:-1] for line in lines)
    assert all(line.endswith(b"\n") for line in lines[:-1])
