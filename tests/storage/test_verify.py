import os
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from homeiq.cli import cli
from homeiq.storage import segment
from homeiq.storage.log import EventLog, log_id, tails_in
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.manifest import SegmentName, parse_segment, segment_name
from homeiq.storage.record import Record, decode, encode
from homeiq.storage.tail import lines_of
from homeiq.storage.verify import verify
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FastFiles, contents, event, events, fill

Found = list[tuple[str, int, int]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a log of the segments 1-10, 11-20, 21-30 and the tails 31-35, 36-40."""
    data_dir = tmp_path_factory.mktemp("log")
    for _ in range(3):
        fill(data_dir, 2)
        EventLog(data_dir, files=FastFiles()).close()
        seal(data_dir, FastFiles())
    fill(data_dir, 2)
    return data_dir


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def segments(data_dir: Path) -> list[SegmentName]:
    return sorted(name for path in data_dir.glob("log/date=*/*.parquet") if (name := parse_segment(path)))


def found(data_dir: Path) -> Found:
    return [(one.kind, one.first, one.last) for one in verify(data_dir).findings]


def test_a_whole_log_is_whole(log: Path) -> None:
    progress: list[int] = []
    proof = verify(log, lambda so_far: progress.append(so_far.records))
    assert (proof.first_seq, proof.last_seq, proof.records, proof.findings) == (1, 40, 40, [])
    assert (proof.segments, proof.tails, proof.blanks) == (3, 2, 0)
    assert progress == sorted(progress)
    assert progress[-1] == 40


def test_a_segment_cut_or_zeroed_at_its_end_is_named_and_the_rest_counts(log: Path) -> None:
    name = segments(log)[1]
    whole = name.path.read_bytes()
    cut = [whole[:length] for length in [*range(len(whole) - 40, len(whole)), 0, 4, len(whole) // 2]]
    zeroed = [
        whole[:length] + bytes(len(whole) - length) for length in (len(whole) - 1, len(whole) - 8, len(whole) // 2, 0)
    ]
    for content in cut + zeroed:
        name.path.write_bytes(content)
        proof = verify(log)
        assert [(one.kind, one.first, one.last, one.file) for one in proof.findings] == [
            ("damaged", 11, 20, name.path.name)
        ]
        assert proof.records == 30


@given(place=st.integers(0, 10**9), change=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_of_a_segment_is_found(made: Path, place: int, change: int) -> None:
    path = segments(made)[2].path
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[place % len(whole)] ^= change
    try:
        path.write_bytes(changed)
        assert found(made) == [("damaged", 21, 30)]
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_missing_segment_is_named(log: Path, place: int) -> None:
    segments(log)[place].path.unlink()
    proof = verify(log)
    assert [(one.kind, one.first, one.last) for one in proof.findings] == [("missing", place * 10 + 1, place * 10 + 10)]
    assert proof.records == 30


def test_a_missing_tail_is_named(log: Path) -> None:
    for first, _, lost in ((36, 40, (36, 40)), (31, 35, (31, 40))):
        next(path for begins, path in tails_in(log / "log") if begins == first).unlink()
        assert found(log) == [("missing", *lost)], "the mark says that they were durable"


def test_a_segment_with_a_wrong_name_is_foreign_and_its_records_are_missing(log: Path) -> None:
    path = segments(log)[1].path
    path.rename(path.with_name("segment.parquet"))
    assert sorted(found(log)) == [("foreign", 0, 0), ("missing", 11, 20)]
    path.with_name("segment.parquet").rename(path.with_name(segment_name(11, 21, 0)))
    assert found(log) == [("damaged", 11, 20)]


def test_foreign_files_are_said_and_stay(log: Path) -> None:
    for place in (log / "log" / "notes.txt", segments(log)[0].path.with_name("copy of a segment.parquet")):
        place.write_text("mine")
    assert found(log) == [("foreign", 0, 0)] * 2
    assert (log / "log" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["empty", "zeros", "renamed"])
def test_a_stray_wide_segment_does_not_win(log: Path, content: str) -> None:
    one = segments(log)[0].path
    stray = one.with_name(segment_name(1, 30, 9))
    stray.write_bytes({"empty": b"", "zeros": bytes(5_000), "renamed": one.read_bytes()}[content])
    assert [record.raw for record in contents(log)] == [one.raw for one in events(1, 40)]
    assert found(log) == [("foreign", 0, 0)]
    compact(log, FastFiles())
    assert stray.exists()
    assert [record.raw for record in contents(log)] == [one.raw for one in events(1, 40)]


@pytest.mark.parametrize(("first", "last", "generation"), [(1, 30, 9), (1, 15, 1), (5, 25, 0)])
def test_a_valid_stray_takes_nothing_away(log: Path, first: int, last: int, generation: int) -> None:
    """As one of a copy of the log that went on by itself: nothing tells which of two is right, so both stay."""
    rows = [
        Record(seq, *(getattr(event(seq + 500), name) for name in Record.__slots__[1:]))
        for seq in range(first, last + 1)
    ]
    content = segment.write([segment.table_of(rows)], first, last, log_id(log, FastFiles()))
    segments(log)[0].path.with_name(segment_name(first, last, generation)).write_bytes(content)
    assert "conflict" in {kind for kind, _, _ in found(log)}
    for _ in range(3):
        compact(log, FastFiles())
    held = {raw for name in segments(log) for table in segment.row_groups(name) for raw in table["raw"].to_pylist()}
    assert held >= {event(seq).raw for seq in range(1, 31)}
    assert "conflict" in {kind for kind, _, _ in found(log)}, "until somebody has looked"


def test_a_segment_of_another_log_is_not_merged(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It would be one of this log then, and nobody could tell any more."""
    name = segments(log)[1]
    (rows,) = segment.row_groups(name)
    content = segment.write([rows], name.first, name.last, "another")
    name.path.write_bytes(content)
    assert found(log) == [("foreign", 11, 20)]
    compact(log, FastFiles())
    assert f"{name.path.name} was written for another log: it stays as it is" in caplog.text
    assert name.path.read_bytes() == content
    assert found(log) == [("foreign", 11, 20)]


def test_a_superseded_segment_with_another_text_is_a_conflict(log: Path) -> None:
    one = segments(log)[0]
    rows = [Record(seq, *(getattr(event(seq + 500), name) for name in Record.__slots__[1:])) for seq in range(1, 11)]
    one.path.with_name(segment_name(1, 10, 1)).write_bytes(segment.write([segment.table_of(rows)], 1, 10, ""))
    assert found(log) == [("conflict", 1, 1)]


def test_a_segment_of_another_log_does_not_win(log: Path) -> None:
    one = segments(log)[0]
    rows = [Record(seq, *(getattr(event(seq + 500), name) for name in Record.__slots__[1:])) for seq in range(1, 31)]
    stray = one.path.with_name(segment_name(1, 30, 9))
    stray.write_bytes(segment.write([segment.table_of(rows)], 1, 30, "another"))
    assert [record.raw for record in contents(log)] == [one.raw for one in events(1, 40)]
    assert found(log) == [("foreign", 0, 0)]
    compact(log, FastFiles())
    assert stray.exists()
    assert [record.raw for record in contents(log)] == [one.raw for one in events(1, 40)]


def test_a_copy_without_its_id_is_read_and_named(log: Path) -> None:
    (log / "log" / "ID").unlink()
    assert log_id(log)
    assert [record.raw for record in contents(log)] == [one.raw for one in events(1, 40)]
    assert {kind for kind, *_ in found(log)} == {"foreign"}


def lines_changed(change: Callable[[list[bytes]], list[bytes]], place: int) -> Callable[[Path], None]:
    def damage(data_dir: Path) -> None:
        path = tails_in(data_dir / "log")[place][1]
        path.write_bytes(b"".join(change(list(lines_of(path.read_bytes())))))

    return damage


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lines_changed(lambda lines: [*lines[:2], b"x" + lines[2][1:], *lines[3:]], 0), [("damaged", 33, 33)]),
        (lines_changed(lambda lines: [*lines[:2], b"x" + lines[2][1:], *lines[3:]], 1), [("damaged", 38, 38)]),
        (lines_changed(lambda lines: lines[:3], 0), [("damaged", 34, 35)]),
        (lines_changed(lambda lines: [], 0), [("damaged", 31, 35)]),
        (lines_changed(lambda lines: lines[:3], 1), [("missing", 39, 40)]),
        (lines_changed(lambda lines: [*lines[:4], bytes(300)], 1), [("missing", 40, 40)]),
        (lines_changed(lambda lines: [*lines, b"torn"], 1), []),
    ],
)
def test_damage_of_a_tail_is_named(log: Path, damage: Callable[[Path], None], expected: Found) -> None:
    damage(log)
    assert found(log) == expected


def test_a_tail_cut_at_any_byte_of_its_last_record_misses_that_one(log: Path) -> None:
    path = tails_in(log / "log")[-1][1]
    whole = path.read_bytes()
    for length in range(len(whole) - len(list(lines_of(whole))[-1]), len(whole)):
        os.truncate(path, length) if length < path.stat().st_size else path.write_bytes(whole[:length])
        proof = verify(log)
        assert [(one.kind, one.first, one.last) for one in proof.findings] == [("missing", 40, 40)]
        assert proof.records == 39


def test_a_column_that_is_not_what_raw_says_is_found(log: Path) -> None:
    raw = '{"event_type":"state_changed","data":{"entity_id":"a.b","new_state":{"state":"1"}}}'
    with EventLog(log, files=FastFiles()) as opened:
        opened.append([event(41, raw)])
    assert found(log) == [("disagrees", 41, 41)]


def test_a_clock_that_jumps_back_a_day_is_no_damage(tmp_path: Path) -> None:
    for place in (400, 1, 800):
        with EventLog(tmp_path, files=FastFiles()) as log:
            jumped = events(log.next_seq, 5)
            for one in jumped:
                one.time = one.received_at = one.time + (place - 400) * 86_400_000_000
            log.append(jumped)
            log.rotate()
        seal(tmp_path, FastFiles())
    assert len({name.path.parent for name in segments(tmp_path)}) == 3
    assert [record.seq for record in contents(tmp_path)] == list(range(1, 16))
    assert found(tmp_path) == []
    compact(tmp_path, FastFiles())
    assert found(tmp_path) == []
    assert len(contents(tmp_path)) == 15


def test_it_works_while_the_log_is_appended_to_and_sealed(log: Path) -> None:
    with EventLog(log, files=FastFiles()) as opened:

        def meanwhile(so_far: object) -> None:
            if opened.next_seq < 60:
                opened.append(events(opened.next_seq, 2))
                opened.rotate()
                seal(log, FastFiles())

        proof = verify(log, meanwhile)
    assert proof.findings == []
    assert proof.records == proof.last_seq > 50


def test_the_command_says_what_it_found(log: Path) -> None:
    run = CliRunner().invoke(cli, ["--data-dir", str(log), "verify"])
    assert run.exit_code == 0
    assert run.stdout.startswith("the log is whole: 40 records read, 1 to 40, in 3 segments and 2 tails")
    segments(log)[0].path.unlink()
    run = CliRunner().invoke(cli, ["--data-dir", str(log), "verify"])
    assert run.exit_code == 1
    assert run.stdout.splitlines()[0] == "missing: the records 1-10 are missing: no file holds them"
    run = CliRunner().invoke(cli, ["--data-dir", str(log), "verify", "--json"])
    assert run.exit_code == 1
    facts = orjson.loads(run.stdout)
    assert facts["records"] == 30
    assert [(one["kind"], one["first"], one["last"]) for one in facts["findings"]] == [("missing", 1, 10)]


def test_a_line_with_a_right_checksum_and_a_wrong_number_is_damage(log: Path) -> None:
    path = tails_in(log / "log")[-1][1]
    lines = list(lines_of(path.read_bytes()))
    lines[1] = encode(900, decode(lines[1]))
    path.write_bytes(b"".join(lines))
    assert ("damaged", 37, 899) not in found(log)
    assert ("damaged", 37, 37) in found(log)
