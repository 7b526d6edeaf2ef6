import shutil
from pathlib import Path

import pytest
from homeiq.errors import BackupRefused, BackupUnreachable, LogCorrupt, UsageError
from homeiq.storage.backup import back_up
from homeiq.storage.log import EventLog, log_id, tails_in
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.places import FolderPlace, Place, place_of
from homeiq.storage.reader import LogReader, list_files
from homeiq.storage.record import encode
from homeiq.storage.restore import restore

from servers.versitygw import S3Server

from .crashes import Disk
from .disks import FastFiles, Halt, SteppedFiles, contents, events, fill


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return FolderPlace(tmp_path / "backup", FastFiles())
    return place_of(request.getfixturevalue("s3_url"))


def end(data_dir: Path) -> int:
    return LogReader(data_dir).end()


def sealed(data_dir: Path) -> None:
    fill(data_dir, 3)
    EventLog(data_dir, files=FastFiles()).close()
    seal(data_dir, FastFiles())


def restored(place: Place, folder: Path) -> Path:
    report = restore(place, folder, files=FastFiles())
    assert report.findings == []
    return folder


def test_each_run_copies_what_is_missing_only(data_dir: Path, place: Place, tmp_path: Path) -> None:
    for number in range(4):
        sealed(data_dir)
        last = fill(data_dir, 2)
        report = back_up(data_dir, place)
        assert (report.last_seq, report.findings) == (last, [])
        again = back_up(data_dir, place, check=True)
        assert (again.copied, again.removed, again.findings) == (0, 0, [])
        copy = restored(place, tmp_path / f"copy{number}")
        assert contents(copy) == contents(data_dir)
        assert log_id(copy) == log_id(data_dir)


def test_what_lies_there_unsealed_is_not_read_again_each_time(
    data_dir: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute's backup to a store is few requests, however many minutes ago the log was sealed."""
    for _ in range(5):
        fill(data_dir, 1)
        back_up(data_dir, place)
    pieces = [name for name in place.sizes() if "tail-" in name]
    assert len(pieces) == 5
    last = fill(data_dir, 1)
    read: list[str] = []
    original = place.read

    def reading(name: str) -> bytes:
        read.append(name)
        return original(name)

    monkeypatch.setattr(place, "read", reading)
    report = back_up(data_dir, place)
    assert (report.last_seq, report.copied) == (last, 1)
    (new,) = {name for name in place.sizes() if "tail-" in name}.difference(pieces)
    assert read == ["log/ID", max(pieces), new]
    read.clear()
    assert back_up(data_dir, place, check=True).findings == []
    assert set(read) == {"log/ID", *pieces, new}


def test_superseded_files_leave_and_the_copy_goes_on(data_dir: Path, place: Place, tmp_path: Path) -> None:
    for _ in range(3):
        sealed(data_dir)
    back_up(data_dir, place)
    fill(data_dir, 1)
    back_up(data_dir, place)
    EventLog(data_dir, files=FastFiles()).close()
    compact(data_dir, FastFiles())
    report = back_up(data_dir, place)
    assert report.removed >= 4
    assert {name for name in place.sizes() if name.endswith((".parquet", ".ndjson"))} == {
        f"log/{part.segment.path.parent.name}/{part.segment.path.name}" for part in list_files(data_dir).slices
    }
    copy = restored(place, tmp_path / "copy")
    assert contents(copy) == contents(data_dir)
    with EventLog(copy, files=FastFiles()) as log:
        assert log.append(events(log.next_seq, 2))[0] == end(data_dir) + 1
        assert log.findings == []


def test_lines_that_are_not_durable_yet_are_left_out(data_dir: Path, place: Place) -> None:
    last = fill(data_dir, 2)
    with EventLog(data_dir, files=FastFiles()) as log:
        log.append(events(last + 1, 1))
        path = tails_in(log.folder)[-1][1]
        with path.open("ab") as file:
            file.write(encode(last + 2, events(last + 2, 1)[0]))  # written, not synced yet
        assert back_up(data_dir, place).last_seq == last + 1


def test_another_log_is_refused(data_dir: Path, place: Place, tmp_path: Path) -> None:
    fill(data_dir, 1)
    back_up(data_dir, place)
    before = place.sizes()
    fill(tmp_path / "other", 1)
    with pytest.raises(BackupRefused, match="another log"):
        back_up(tmp_path / "other", place)
    assert place.sizes() == before


def test_a_place_ahead_of_the_log_or_apart_from_it_is_refused(data_dir: Path, place: Place, tmp_path: Path) -> None:
    sealed(data_dir)
    shutil.copytree(data_dir, tmp_path / "older")
    fill(data_dir, 2)
    back_up(data_dir, place)
    with pytest.raises(BackupRefused, match="reaches to record"):
        back_up(tmp_path / "older", place)
    with EventLog(tmp_path / "older", files=FastFiles()) as log:
        log.append(events(900, 20))
        with pytest.raises(BackupRefused, match="holds another record"):
            back_up(tmp_path / "older", place)


def test_damage_there_is_named_and_mended(data_dir: Path, place: Place, tmp_path: Path) -> None:
    sealed(data_dir)
    fill(data_dir, 2)
    back_up(data_dir, place)
    for name in place.sizes():
        if name == "log/ID":
            continue
        good = place.read(name)
        middle = len(good) // 2
        flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
        for bad in (good[:-5], flipped):
            place.write(name, bad)
            report = back_up(data_dir, place, check=True)
            assert len(report.findings) == 1
            assert name in report.findings[0]
            assert back_up(data_dir, place, check=True).findings == []
    assert contents(restored(place, tmp_path / "copy")) == contents(data_dir)


def test_a_damaged_segment_here_never_replaces_a_good_one_there(data_dir: Path, place: Place) -> None:
    sealed(data_dir)
    back_up(data_dir, place)
    before = {name: place.read(name) for name in place.sizes()}
    path = list_files(data_dir).slices[0].segment.path
    path.write_bytes(path.read_bytes()[:-3])
    assert "was not copied" in back_up(data_dir, place).findings[0]
    assert {name: place.read(name) for name in place.sizes()} == before


def test_what_a_damaged_winner_replaces_stays(data_dir: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        sealed(data_dir)
    back_up(data_dir, place)
    old = [name for name in place.sizes() if name.endswith(".parquet")]
    compact(data_dir, FastFiles())
    with monkeypatch.context() as patch:  # killed before anything was removed
        patch.setattr(place, "remove", lambda name: (_ for _ in ()).throw(Halt()))
        with pytest.raises(Halt):
            back_up(data_dir, place)
    (new,) = [name for name in place.sizes() if name.endswith(".parquet") and name not in old]
    content = place.read(new)
    place.write(new, b"\0" * len(content))
    assert any("stays" in finding for finding in back_up(data_dir, place).findings)
    assert set(old) <= set(place.sizes())
    back_up(data_dir, place, check=True)
    assert not set(old) & set(place.sizes())


def test_restore_names_what_is_damaged_and_brings_the_rest(data_dir: Path, place: Place, tmp_path: Path) -> None:
    for _ in range(3):
        sealed(data_dir)
    back_up(data_dir, place)
    name = sorted(name for name in place.sizes() if name.endswith(".parquet"))[1]
    place.write(name, place.read(name)[:-1])
    copy = tmp_path / "copy"
    report = restore(place, copy, files=FastFiles())
    assert name in report.findings[0]
    assert "are missing" in report.findings[1]
    assert LogReader(copy).end() == end(data_dir)
    assert list((copy / "quarantine").glob("*.parquet"))
    with pytest.raises(UsageError, match="is not empty"):
        restore(place, copy)
    with pytest.raises(LogCorrupt, match="missing"):
        contents(copy)


def test_a_backup_may_be_killed_and_goes_on(data_dir: Path, tmp_path: Path) -> None:
    """At each operation there: what lies there can be restored, or was not there before either; the next run mends it."""
    before = tmp_path / "before"
    sealed(data_dir)
    fill(data_dir, 2)
    back_up(data_dir, FolderPlace(before, FastFiles()))
    known = contents(data_dir)
    sealed(data_dir)
    compact(data_dir, FastFiles())
    fill(data_dir, 1)
    for until in range(1, 200):
        folder = tmp_path / f"backup{until}"
        shutil.copytree(before, folder)

        def watch(number: int, name: str, until: int = until) -> None:
            if number == until:
                raise Halt

        try:
            back_up(data_dir, FolderPlace(folder, SteppedFiles(watch)))
        except Halt:
            copy = contents(restored(FolderPlace(folder, FastFiles()), tmp_path / f"killed{until}"))
            assert copy[: len(known)] == known
            assert copy == contents(data_dir)[: len(copy)]
            report = back_up(data_dir, FolderPlace(folder, FastFiles()))
            assert report.findings == []
            ended = False
        else:
            ended = True
        assert contents(restored(FolderPlace(folder, FastFiles()), tmp_path / f"copy{until}")) == contents(data_dir)
        if ended:
            assert until > 10
            return
    pytest.fail("it never ended")


def test_a_backup_that_was_killed_run_again_and_then_without_power_holds_all(tmp_path: Path) -> None:
    """What the killed run had only renamed is durable before the next one takes away what it replaces."""
    for until in range(1, 200):
        root = tmp_path / str(until)
        source = root / "source"
        fill(source, 2)
        disk = Disk(root / "place")
        place = FolderPlace(root / "place", disk)
        back_up(source, place)
        sealed(source)  # so that a segment takes the place of tails, which lie in another folder
        disk.left = until
        try:
            back_up(source, place)
        except Halt:
            disk.left = None
            assert back_up(source, place).findings == []
            after = disk.restart(root / "after", lambda kinds: kinds[0])
            assert contents(restored(FolderPlace(after, FastFiles()), root / "copy")) == contents(source)
        else:
            assert until > 5
            return
        finally:
            disk.close_all()
    pytest.fail("it never ended")


def test_restore_may_be_killed_and_goes_on(data_dir: Path, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "backup", FastFiles())
    sealed(data_dir)
    fill(data_dir, 1)
    back_up(data_dir, place)
    for until in range(1, 200):
        copy = tmp_path / f"copy{until}"

        def watch(number: int, name: str, until: int = until) -> None:
            if number == until:
                raise Halt

        try:
            restore(place, copy, files=SteppedFiles(watch))
        except Halt:
            if not (copy / "log").exists():
                restored(place, copy)
            assert contents(copy) == contents(data_dir)
        else:
            assert until > 5
            return
    pytest.fail("it never ended")


def test_a_place_without_a_log_and_the_data_folder_itself(data_dir: Path, tmp_path: Path) -> None:
    fill(data_dir, 1)
    with pytest.raises(BackupRefused, match="no backup"):
        restore(FolderPlace(tmp_path / "nothing"), tmp_path / "copy")
    with pytest.raises(BackupRefused, match="data folder itself"):
        back_up(data_dir, FolderPlace(data_dir))


def test_a_store_that_refuses_is_said_without_its_keys(
    data_dir: Path, s3_server: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(data_dir, 1)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    for url in (s3_url, s3_url.replace("s3://", "s3://somebody:hidden-secret@")):
        with pytest.raises(BackupUnreachable) as caught:
            back_up(data_dir, place_of(url))
        assert "secret" not in str(caught.value) + caught.value.place
    with pytest.raises(UsageError) as wrong:
        place_of("s4://somebody:hidden-secret@bucket")
    assert "secret" not in str(wrong.value)
    assert wrong.value.__cause__ is None
