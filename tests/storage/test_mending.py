import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from homeiq.clock import DAY
from homeiq.errors import BackupRefused, LogCorrupt, LogError
from homeiq.storage import mending, segment
from homeiq.storage.backup import back_up
from homeiq.storage.forgetting import forget
from homeiq.storage.gaps import facts_of
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal, write_segment
from homeiq.storage.manifest import SegmentName
from homeiq.storage.mending import Loss, Mended, losses_of, mend
from homeiq.storage.places import FolderPlace
from homeiq.storage.reader import list_files
from homeiq.storage.record import LOST
from homeiq.storage.removal import Rules, expire
from homeiq.storage.restore import restore
from homeiq.storage.verify import verify
from homeiq.storage.view import LogView
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FastFiles, contents, event, events, fill, small_segments
from .test_removal import START, everything, noting, recorded

NOW = event(0).time + DAY


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a log of the segments 1-10, 11-50 (joined, in row groups of five) and 51-60, and a tail."""
    data_dir = tmp_path_factory.mktemp("log")
    for end in range(10, 61, 10):
        fill(data_dir, 2)
        EventLog(data_dir, files=FastFiles()).close()
        seal(data_dir, FastFiles())
        if end == 60:
            _join_all_but_the_first(data_dir)
    return data_dir


def _join_all_but_the_first(data_dir: Path) -> None:
    """Compact what is there, but for the first segment."""
    first = list_files(data_dir).slices[0].segment
    kept = first.path.read_bytes()
    first.path.unlink()
    with small_segments(20, 40):
        compact(data_dir, FastFiles())
    first.path.write_bytes(kept)
    for path in data_dir.glob("log/date=*/*.old"):  # an hour later
        path.unlink()


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def segments(data_dir: Path) -> list[SegmentName]:
    return [part.segment for part in list_files(data_dir).slices]


def mended(data_dir: Path, **options: Any) -> Mended:
    losses, others = losses_of(data_dir)
    assert others == []
    return mend(data_dir, losses, noting(data_dir), NOW, files=FastFiles(), **options)


def saying(data_dir: Path, **reach: int) -> Callable[[int, bool], None]:
    """Return what lets the log say that the first sensor was forgotten."""

    def told(records: int, left: bool) -> None:
        facts = {"entity": "sensor.number_1", "since": None, "until": None, "records": records}
        noting(data_dir)("forgotten", {**facts, **reach})

    return told


def words(data_dir: Path) -> list[dict[str, Any]]:
    return [facts_of(record.raw) for record in everything(data_dir) if record.event_type == LOST]


def flip_in_column(name: SegmentName, group: int, column: str) -> None:
    """Flip bits in a page of a column of a row group."""
    with pq.ParquetFile(name.path) as file:
        chunk = file.metadata.row_group(group).column(list(segment.SCHEMA.names).index(column))
        start = min(offset for offset in (chunk.dictionary_page_offset, chunk.data_page_offset) if offset)
        place = start + chunk.total_compressed_size - 3
    content = bytearray(name.path.read_bytes())
    content[place] ^= 0xFF
    name.path.write_bytes(content)


def test_of_a_damaged_page_only_its_records_are_lost_and_the_log_says_of_what_kind_they_were(log: Path) -> None:
    before = everything(log)
    wide = segments(log)[1]
    assert (wide.first, wide.last) == (11, 50)
    flip_in_column(wide, 2, "raw")
    (loss,), _ = losses_of(log)
    assert (loss.first, loss.last, loss.file, loss.readable) == (11, 50, wide.path.name, 35)
    done = mended(log, accept=True)
    assert (done.saved, done.lost, done.fetched, done.left) == (35, 5, 0, [])
    assert verify(log).findings == []
    after = everything(log)
    gone = [record.seq for record in after if record.event_type == "homeiq_blank"]
    assert len(gone) == 5
    for old, new in zip(before, after, strict=False):
        if old.seq in gone:
            assert (new.source, new.received_at, new.entity_id) == (old.source, old.received_at, None)
        else:
            assert new == old
    (word,) = words(log)
    day = event(0).time // DAY * DAY
    assert word == {
        "first": 11,
        "last": 50,
        "records": 5,
        "rows": [["home_assistant", "state_changed", "sensor", day, day]],
    }
    (kept,) = (path for path in (log / "quarantine").iterdir() if path.suffix == ".parquet")
    assert done.quarantined == [str(kept)]
    assert mended(log, accept=True) == Mended()


def test_what_was_changed_without_losing_anything_is_saved_whole_and_needs_no_consent(log: Path) -> None:
    before = everything(log)
    name = segments(log)[1]
    content = bytearray(name.path.read_bytes())
    place = content.rindex(b"homeiq.digest") + 40
    content[place] = ord("0") if content[place] != ord("0") else ord("1")
    name.path.write_bytes(content)
    done = mended(log)
    assert (done.saved, done.lost, done.left) == (40, 0, [])
    assert everything(log) == before
    assert words(log) == []


@given(place=st.integers(0, 10**9), change=st.integers(1, 255))
@settings(max_examples=40, deadline=None)
def test_wherever_a_byte_has_changed_what_is_read_afterwards_was_recorded(made: Path, place: int, change: int) -> None:
    before = everything(made)
    data_dir = Path(shutil.copytree(made, made.parent / "changed"))
    try:
        name = segments(data_dir)[1]
        content = bytearray(name.path.read_bytes())
        content[place % len(content)] ^= change
        name.path.write_bytes(content)
        done = mended(data_dir, accept=True)
        assert done.saved + done.lost == 40
        assert verify(data_dir).findings == []
        after = everything(data_dir)
        blanks = [record.seq for record in after if record.event_type == "homeiq_blank"]
        assert len(blanks) == done.lost
        assert [one for one in after if one.seq <= 60 and one.seq not in blanks] == [
            one for one in before if one.seq <= 60 and one.seq not in blanks
        ]
    finally:
        shutil.rmtree(data_dir)


def cut(name: SegmentName) -> None:
    name.path.write_bytes(name.path.read_bytes()[:-100])


def zeroed(name: SegmentName) -> None:
    content = name.path.read_bytes()
    name.path.write_bytes(content[:-400] + bytes(400))


def emptied(name: SegmentName) -> None:
    name.path.write_bytes(b"")


def removed(name: SegmentName) -> None:
    name.path.unlink()


@pytest.mark.parametrize("damage", [cut, zeroed, emptied, removed])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_nothing_is_given_up_unless_it_is_said(log: Path, damage: Callable[[SegmentName], None], which: int) -> None:
    before = everything(log)
    name = segments(log)[which]
    size = name.last - name.first + 1
    damage(name)
    done = mended(log)
    (left,) = done.left
    assert left == f"{size} of the records {name.first} to {name.last} are lost, if no backup holds them"
    assert (done.saved, done.lost, done.quarantined) == (0, 0, [])
    done = mended(log, accept=True)
    assert (done.lost, done.lost_in, done.left) == (size, [(name.first, name.last)], [])
    assert len(done.quarantined) == (damage is not removed)
    assert verify(log).findings == []
    after = everything(log)
    elsewhere = [record for record in before if not name.first <= record.seq <= name.last]
    assert [record for record in after if record.seq <= 60 and not name.first <= record.seq <= name.last] == elsewhere
    (word,) = words(log)
    day = event(0).time // DAY * DAY
    assert word["rows"] == [["*", "*", "*", 0, day + DAY if which == 2 else day]]
    (expired,) = LogView(log).vanished.expired
    assert expired.may_be("weather", "poll")


def test_somebody_may_know_since_when_what_is_lost_is(log: Path) -> None:
    removed(segments(log)[1])
    mended(log, accept=True, since=event(0).time - 3 * DAY)
    (word,) = words(log)
    day = event(0).time // DAY * DAY
    assert word["rows"] == [["*", "*", "*", day - 3 * DAY, day]]


def test_the_footer_says_between_which_times_a_row_group_lies_that_cannot_be_read(tmp_path: Path) -> None:
    """Such as a state of a snapshot, which may be of weeks before."""
    group = events(1, 9)
    group[2].time -= 40 * DAY
    with EventLog(tmp_path, files=FastFiles()) as opened:
        opened.append(group)
        opened.rotate()
    seal(tmp_path, FastFiles())
    (name,) = segments(tmp_path)
    flip_in_column(name, 0, "raw")
    flip_in_column(name, 0, "event_type")
    mended(tmp_path, accept=True)
    (word,) = words(tmp_path)
    day = event(0).time // DAY * DAY
    assert word["rows"] == [["*", "*", "*", day - 40 * DAY, day]]


def test_a_superseded_file_that_is_there_still_is_taken_first(tmp_path: Path) -> None:
    for _ in range(2):
        fill(tmp_path, 2)
        EventLog(tmp_path, files=FastFiles()).close()
        seal(tmp_path, FastFiles())
    before = everything(tmp_path)
    compact(tmp_path, FastFiles())
    cut(segments(tmp_path)[0])
    done = mended(tmp_path)
    assert (done.fetched, done.lost, done.left) == (20, 0, [])
    assert everything(tmp_path) == before
    assert verify(tmp_path).findings == []


def test_a_superseded_file_of_another_log_is_no_copy(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    EventLog(tmp_path, files=FastFiles()).close()
    (name,) = seal(tmp_path, FastFiles())
    another = segment.write([segment.table_of(contents(tmp_path))], name.first, name.last, "another")
    name.path.with_name(name.path.name + ".old").write_bytes(another)
    cut(name)
    done = mended(tmp_path)
    assert done.fetched == 0
    assert f"{name.path.name} was written for another log at the log's superseded files" in done.left[0]


def test_where_the_log_s_own_word_of_what_has_expired_is_lost_too_all_days_before_stay(tmp_path: Path) -> None:
    recorded(tmp_path, 10)
    expire(tmp_path, Rules(ages={"call_service": 3 * DAY}), START + 9 * DAY, noting(tmp_path), FastFiles())
    EventLog(tmp_path, files=FastFiles()).close()
    seal(tmp_path, FastFiles())
    (expired,) = LogView(tmp_path).vanished.expired
    removed(segments(tmp_path)[-1])
    for path in tmp_path.glob("log/date=*/*.old"):
        path.unlink()
    mended(tmp_path, accept=True, since=START + 90 * DAY)
    assert any(one.start <= expired.start and one.end >= expired.end for one in LogView(tmp_path).vanished.expired)


def test_where_the_word_lay_in_one_file_with_what_had_expired_these_days_stay_too(tmp_path: Path) -> None:
    recorded(tmp_path, 10, segments_of=100)
    expire(tmp_path, Rules(ages={"call_service": 3 * DAY}), START + 9 * DAY, noting(tmp_path), FastFiles())
    EventLog(tmp_path, files=FastFiles()).close()
    compact(tmp_path, FastFiles())
    for path in tmp_path.glob("log/date=*/*.old"):
        path.unlink()
    (expired,) = LogView(tmp_path).vanished.expired
    (name,) = segments(tmp_path)
    flip_in_column(name, 0, "raw")
    mended(tmp_path, accept=True)
    assert any(one.may_be("home_assistant", "call_service") and one.start <= expired.start and one.end >= expired.end
               for one in LogView(tmp_path).vanished.expired)  # fmt: skip


def test_what_was_recorded_after_it_was_forgotten_comes_back_from_a_backup(tmp_path: Path) -> None:
    log, place = tmp_path / "data", FolderPlace(tmp_path / "backup", FastFiles())
    fill(log, 2)

    fill(log, 2)
    EventLog(log, files=FastFiles()).close()
    forget(log, lambda name: name == "sensor.number_1", None, None, FastFiles(), before=11, told=saying(log, before=11))
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    before = everything(log)
    assert {one.entity_id for one in before if 10 < one.seq <= 20} == {f"sensor.number_{number}" for number in range(3)}
    back_up(log, place)
    for name in segments(log):
        removed(name)
    for path in log.glob("log/date=*/*.old"):
        path.unlink()
    assert mended(log, place=place).left == []
    assert everything(log) == before


def test_what_was_forgotten_is_blank_though_the_word_of_it_comes_back_last(tmp_path: Path) -> None:
    log, place = tmp_path / "data", FolderPlace(tmp_path / "backup", FastFiles())
    fill(log, 2)
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    back_up(log, place)

    forget(log, lambda name: name == "sensor.number_1", None, None, FastFiles(), told=saying(log))
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    before = everything(log)
    blanked, words_there = segments(log)
    whole = blanked.path.read_bytes()
    cut(blanked)  # so that the backup keeps its old copy
    back_up(log, place)
    blanked.path.write_bytes(whole)
    for name in (blanked, words_there):
        removed(name)
    for path in log.glob("log/date=*/*.old"):
        path.unlink()
    assert mended(log, place=place).left == []
    assert everything(log) == before


def test_forgetting_something_else_takes_no_copy_away(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    EventLog(tmp_path, files=FastFiles()).close()
    (name,) = seal(tmp_path, FastFiles())
    before = everything(tmp_path)
    shutil.copy(name.path, name.path.with_name(name.path.name + ".old"))
    cut(name)
    with pytest.raises(LogCorrupt, match="homeiq mend"):
        forget(tmp_path, lambda entity: entity == "person.nobody", None, None, FastFiles())
    assert mended(tmp_path).fetched == 10
    assert everything(tmp_path) == before


@pytest.mark.parametrize("column", ["raw", "event_type"])
def test_a_word_of_what_was_forgotten_is_known_though_its_own_file_is_damaged(tmp_path: Path, column: str) -> None:
    log, place = tmp_path / "data", FolderPlace(tmp_path / "backup", FastFiles())
    fill(log, 2)
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    back_up(log, place)

    forget(log, lambda name: name == "sensor.number_1", None, None, FastFiles(), told=saying(log))
    fill(log, 1)
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    for path in log.glob("log/date=*/*.old"):
        path.unlink()
    before = everything(log)
    forgotten, name = segments(log)
    (rows,) = segment.row_groups(name)
    parts = [rows.slice(1), rows.slice(0, 1)]  # the word in a row group of its own, the second
    assert parts[1]["event_type"].to_pylist() == ["homeiq_forgotten"]
    removed(name)
    name = write_segment(log, lambda: iter(parts), name.first, name.last, 1, FastFiles())
    removed(forgotten)
    flip_in_column(name, 0, column)
    done = mended(log, place=place, accept=True)
    assert done.fetched == 10
    assert [one for one in everything(log) if one.seq <= 10] == [one for one in before if one.seq <= 10]


def test_a_segment_that_was_written_for_another_log_is_not_saved_into_this_one(log: Path) -> None:
    name = segments(log)[1]
    (*tables,) = segment.row_groups(name)
    content = segment.write(tables, name.first, name.last, "another")
    content[-200] ^= 1
    name.path.write_bytes(content)
    done = mended(log, accept=True)
    assert (done.saved, done.lost) == (0, 40)


def test_numbers_of_a_damaged_last_segment_are_not_given_again(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    EventLog(tmp_path, files=FastFiles()).close()
    seal(tmp_path, FastFiles())
    for path in [*tmp_path.glob("log/tail-*"), tmp_path / "log" / "DURABLE"]:
        path.unlink()
    before = contents(tmp_path)
    (name,) = segments(tmp_path)
    content = bytearray(name.path.read_bytes())
    place = content.rindex(b"homeiq.digest") + 40
    content[place] = ord("0") if content[place] != ord("0") else ord("1")
    name.path.write_bytes(content)
    with EventLog(tmp_path, files=FastFiles()) as opened:
        assert opened.next_seq == 11
    assert mended(tmp_path).saved == 10
    assert contents(tmp_path) == before


@pytest.mark.parametrize("key", [b"homeiq.format\x18\x01", b"homeiq.first_seq\x18\x02"])
def test_a_flipped_bit_in_what_the_footer_says_loses_nothing(log: Path, key: bytes) -> None:
    before = everything(log)
    name = segments(log)[1]
    content = bytearray(name.path.read_bytes())
    content[content.rindex(key) + len(key)] ^= 2
    name.path.write_bytes(content)
    done = mended(log)
    assert (done.saved, done.lost, done.left) == (40, 0, [])
    assert everything(log) == before


def test_the_data_folder_itself_is_no_backup(log: Path) -> None:
    with pytest.raises(BackupRefused, match="is the data folder itself"):
        mended(log, place=FolderPlace(log, FastFiles()))


def test_a_file_that_this_user_may_not_read_is_not_damaged(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    with pytest.raises(LogError, match=r"cannot be opened \(Permission denied\): may this user read it"):
        losses_of(log)


def test_a_backup_keeps_unsealed_records_that_were_given_up_here(tmp_path: Path) -> None:
    log, place = tmp_path / "data", FolderPlace(tmp_path / "backup", FastFiles())
    fill(log, 2)
    back_up(log, place)
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    emptied(segments(log)[0])
    mended(log, accept=True)
    for _ in range(2):
        (kept,) = back_up(log, place).kept
        assert "/00000000000000000001-00000000000000000010.0.parquet stays" in kept
    assert not [name for name in place.sizes() if "tail-00000000000000000001" in name], "a segment has them now"
    restore(place, tmp_path / "again", files=FastFiles())
    assert [part.segment.generation for part in list_files(tmp_path / "again").slices] == [1]
    with EventLog(tmp_path / "again", files=FastFiles()) as opened:
        assert opened.findings == []


def test_what_a_backup_keeps_is_without_what_was_forgotten_and_is_not_restored(log: Path, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "backup", FastFiles())
    back_up(log, place)
    name = segments(log)[1]
    there = place.folder / name.path.relative_to(log)
    flip_in_column(name, 2, "raw")
    mended(log, accept=True)
    EventLog(log, files=FastFiles()).close()

    forget(log, lambda entity: entity == "sensor.number_1", None, None, FastFiles(), told=saying(log))
    assert len(back_up(log, place).kept) == 1
    held = SegmentName(name.first, name.last, name.generation, there)
    segment.check_whole(held)
    entities = {one for table in segment.row_groups(held) for one in table["entity_id"].to_pylist()}
    assert entities == {None, "sensor.number_0", "sensor.number_2"}
    restore(place, tmp_path / "again", files=FastFiles())
    assert [part.segment.generation for part in list_files(tmp_path / "again").slices] == [
        one.generation for one in segments(log)
    ]
    assert not list((tmp_path / "again").glob(f"log/*/{name.path.name}"))
    there.write_bytes(b"no segment")
    assert "had what is lost here: delete it" in back_up(log, place).findings[0]


def test_a_backup_brings_all_back_byte_for_byte(log: Path, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "backup", FastFiles())
    back_up(log, place)
    names = segments(log)
    texts = [name.path.read_bytes() for name in names]
    before = everything(log)
    cut(names[0])
    removed(names[1])
    emptied(names[2])
    done = mended(log, place=place)
    assert (done.fetched, done.saved, done.lost, done.left) == (60, 0, 0, [])
    assert [name.path.read_bytes() for name in names] == texts
    assert everything(log)[: len(before)] == before
    assert words(log) == []


def test_records_that_a_backup_holds_unsealed_come_back_too(tmp_path: Path) -> None:
    log, place = tmp_path / "data", FolderPlace(tmp_path / "backup", FastFiles())
    fill(log, 3)
    back_up(log, place)
    fill(log, 1)
    EventLog(log, files=FastFiles()).close()
    seal(log, FastFiles())
    before = everything(log)
    (name,) = segments(log)
    emptied(name)
    done = mended(log, place=place)
    assert (done.fetched, done.left) == (15, [f"5 of the records 16 to 20 are lost: {place.shown} does not hold them"])
    done = mended(log, place=place, accept=True)
    assert (done.fetched, done.lost_in) == (0, [(16, 20)])
    assert everything(log)[:15] == before[:15]
    assert verify(log).findings == []


@pytest.mark.parametrize("sealed", [True, False])
def test_what_was_forgotten_does_not_come_back_from_a_backup(tmp_path: Path, sealed: bool) -> None:
    log, place = tmp_path / "data", FolderPlace(tmp_path / "backup", FastFiles())
    fill(log, 2)
    if sealed:
        EventLog(log, files=FastFiles()).close()
        seal(log, FastFiles())
    back_up(log, place)
    EventLog(log, files=FastFiles()).close()

    forget(log, lambda name: name == "sensor.number_1", None, None, FastFiles(), told=saying(log))
    before = everything(log)
    (name,) = segments(log)
    removed(name)
    for path in name.path.parent.glob("*.old"):
        path.unlink()
    done = mended(log, place=place)
    assert (done.fetched, done.left) == (10, [])
    assert everything(log) == before
    assert verify(log).findings == []


def test_a_backup_that_is_damaged_there_is_said_and_what_can_be_read_here_is_saved(log: Path, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "backup", FastFiles())
    back_up(log, place)
    name = segments(log)[1]
    flip_in_column(name, 2, "raw")
    there = place.folder / name.path.relative_to(log)
    there.write_bytes(b"something else")
    done = mended(log, place=place)
    assert len(done.left) == 2
    assert f"{name.path.name} is not a readable segment" in done.left[0]
    done = mended(log, place=place, accept=True)
    assert (done.saved, done.lost) == (35, 5)


def test_a_backup_keeps_what_was_given_up_here(log: Path, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "backup", FastFiles())
    back_up(log, place)
    name = segments(log)[1]
    whole = name.path.read_bytes()
    flip_in_column(name, 2, "raw")
    mended(log, accept=True)
    for _ in range(2):
        report = back_up(log, place)
        assert report.kept == [
            f"{name.path.relative_to(log)} stays at {place.shown}: it has records that are lost here"
        ]
    assert (place.folder / name.path.relative_to(log)).read_bytes() == whole
    assert [record.event_type for record in contents(place.folder)].count("homeiq_blank") == 5, "the newer one speaks"


def test_only_a_backup_of_this_log_is_taken(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    fill(other, 1)
    place = FolderPlace(tmp_path / "backup", FastFiles())
    removed(segments(log)[1])
    with pytest.raises(BackupRefused, match="holds no backup of a log"):
        mended(log, place=place)
    back_up(other, place)
    with pytest.raises(BackupRefused, match="holds the backup of another log"):
        mended(log, place=place)


def test_a_hole_that_no_log_has_is_not_filled(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "MOST_BLANKS", 30)
    removed(segments(log)[1])
    done = mended(log, accept=True)
    assert done.left == ["the records 11 to 50 are more than can be given up: is a file's number wrong?"]
    assert len(segments(log)) == 2


def test_a_damaged_file_that_speaks_for_nothing_is_set_aside_too(log: Path) -> None:
    first, wide, last = segments(log)
    stray = first.path.with_name("00000000000000000001-00000000000000000060.7.parquet")
    stray.write_bytes(b"no segment")
    removed(wide)
    done = mend(log, [Loss(11, 50)], noting(log), NOW, accept=True, files=FastFiles())
    assert [Path(path).name for path in done.quarantined] == [stray.name]
    assert verify(log).findings == []
    assert last in segments(log)
