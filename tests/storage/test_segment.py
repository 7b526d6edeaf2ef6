import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from homeiq.errors import LogCorrupt, LogTooNew
from homeiq.storage import segment
from homeiq.storage.manifest import SegmentName, parse_segment, segment_name
from homeiq.storage.reader import records_of
from homeiq.storage.record import COLUMNS, ORIGINS, Record
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
TIME = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
ROW = st.tuples(TIME, TIME, TEXT, st.sampled_from(ORIGINS), TEXT, st.none() | TEXT, st.none() | TEXT, TEXT)


def records(how_many: int, first: int = 1) -> list[Record]:
    return [
        Record(
            seq, seq * 1_000_000, seq * 1_000_000, "s", "live", "state_changed", f"a.b{seq % 5}", "0" * 64, f"raw {seq}"
        )
        for seq in range(first, first + how_many)
    ]


def written(folder: Path, rows: list[Record], generation: int = 0) -> SegmentName:
    first, last = rows[0].seq, rows[-1].seq
    path = folder / segment_name(first, last, generation)
    path.write_bytes(segment.write([segment.table_of(rows)], first, last, ""))
    name = parse_segment(path)
    assert name is not None
    return name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("segments")


@pytest.fixture(scope="module")
def good(folder: Path) -> SegmentName:
    return written(folder, records(200, 1001))


@given(rows=st.lists(ROW, min_size=1, max_size=8), first=st.integers(1, 10**18))
@settings(max_examples=50, deadline=None)
def test_records_come_back_as_they_were(folder: Path, rows: list[tuple], first: int) -> None:  # type: ignore[type-arg]
    whole = [Record(seq, *row) for seq, row in enumerate(rows, first)]
    name = written(folder, whole)
    segment.check_whole(name)
    tables = list(segment.read_rows(name, name.first, name.last))
    assert [record for table in tables for record in records_of(table)] == whole
    middle = first + len(rows) // 2
    part = pa.concat_tables(list(segment.read_rows(name, middle, name.last, ["raw"])))
    assert part.column_names == ["raw"]
    assert part["raw"].to_pylist() == [record.raw for record in whole[len(rows) // 2 :]]


@given(data=st.data(), change=st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_anywhere_is_noticed(folder: Path, good: SegmentName, data: st.DataObject, change: int) -> None:
    content = bytearray(good.path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= change
    assert not segment.is_valid(laid_beside(folder, good, bytes(content)))


def test_a_file_without_the_columns_of_a_log_is_invalid(folder: Path) -> None:
    name = written(folder, records(3))
    with pq.ParquetFile(name.path) as file:
        table, said = file.read(), file.metadata.metadata
    for changed in (table.rename_columns(["sEq", *table.column_names[1:]]), table.set_column(0, "seq", table["raw"])):
        pq.write_table(changed.replace_schema_metadata(said), name.path)
        with pytest.raises(LogCorrupt, match="has not the columns of a log"):
            segment.check_footer(name)
        assert not segment.is_valid(name)


def test_what_a_damaged_file_does_not_have_is_said(folder: Path) -> None:
    name = written(folder, records(3))
    assert sum(table.num_rows for table in segment.row_group(name.path, 0, COLUMNS)) == 3
    with pytest.raises(LogCorrupt, match="has no such rows"):
        list(segment.row_group(name.path, 1, COLUMNS))
    assert segment.lost_in(name.path.read_bytes()) == []
    with pytest.raises(LogCorrupt, match="it is not a readable segment"):
        segment.lost_in(b"PAR1 and nothing else")


def laid_beside(folder: Path, like: SegmentName, content: bytes) -> SegmentName:
    beside = folder / "beside" / like.path.name
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(content)
    return SegmentName(like.first, like.last, like.generation, beside)


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=50, deadline=None)
def test_a_cut_file_is_invalid(folder: Path, good: SegmentName, share: float) -> None:
    content = good.path.read_bytes()
    assert not segment.is_valid(laid_beside(folder, good, content[: int(len(content) * share)]))
    assert not segment.is_valid(laid_beside(folder, good, content + b"\0"))


@pytest.mark.parametrize(("first", "last"), [(1, 200), (1001, 1199), (1002, 1200), (1001, 1201)])
def test_a_file_under_a_wrong_name_is_invalid(folder: Path, good: SegmentName, first: int, last: int) -> None:
    path = folder / segment_name(first, last, 0)
    shutil.copy(good.path, path)
    assert segment.is_valid(good)
    assert not segment.is_valid(SegmentName(first, last, 0, path))


def test_right_digest_and_wrong_numbers_are_invalid(folder: Path) -> None:
    rows = records(3)
    rows[1].seq = 3
    path = folder / segment_name(1, 3, 5)
    path.write_bytes(segment.write([segment.table_of(rows)], 1, 3, ""))
    with pytest.raises(LogCorrupt, match="does not hold the records"):
        segment.check_whole(SegmentName(1, 3, 5, path))


def test_foreign_parquet_is_invalid_and_no_traceback(folder: Path) -> None:
    for place, keys in enumerate([{}, {"homeiq.format": "one"}, {"homeiq.first_seq": "1", "homeiq.last_seq": "1"}]):
        path = folder / segment_name(1, 1, 100 + place)
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(keys), path)
        assert not segment.is_valid(SegmentName(1, 1, 100 + place, path))


def test_a_newer_format_says_to_update(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "FORMAT_VERSION", 2)
    name = written(folder, records(1), 77)
    monkeypatch.undo()
    with pytest.raises(LogTooNew, match=r"newer homeiq \(format 2\): update homeiq"):
        segment.check_footer(name)


def test_a_superseded_segment_is_still_read(folder: Path) -> None:
    name = written(folder, records(4, 9_001))
    name.path.rename(f"{name.path}.old")
    assert sum(table.num_rows for table in segment.read_rows(name, 9_001, 9_002)) == 2
    Path(f"{name.path}.old").unlink()
    with pytest.raises(FileNotFoundError):
        list(segment.read_rows(name, 9_001, 9_002))
    assert not segment.is_valid(name)


def test_the_columns_are_those_of_the_log(good: SegmentName) -> None:
    assert tuple(segment.SCHEMA.names) == COLUMNS
    with segment.check_footer(good) as file:
        assert tuple(file.schema_arrow.names) == COLUMNS
        assert {file.schema_arrow.field(name).type for name in ("time", "received_at")} == {
            pa.timestamp("us", tz="UTC")
        }
