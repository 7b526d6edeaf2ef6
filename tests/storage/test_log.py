import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homeiq.errors import LogClosed, LogLocked, LogNotWritable
from homeiq.storage.log import EventLog, tails_in
from homeiq.storage.maintenance import compact, seal
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FailingFiles, FastFiles, Halt, ShadowedFiles, SteppedFiles, contents, event, events, fill


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def never_appended_after_failure(files: FailingFiles) -> bool:
    """Tell whether no tail was written to after a write or a sync of it had failed (one made anew is another file)."""
    bad: set[str] = set()
    for name, path in files.done:
        if name == "failed":
            bad.add(path)
        elif name == "create":
            bad.discard(path)
        elif name == "write" and path in bad and path.endswith(".ndjson"):
            return False
    return True


def record_stubbornly(data_dir: Path, files: FailingFiles) -> tuple[int, bool]:
    """Open, append four groups and rotate, each step as often as it takes; return how often it failed.

    And whether at the end the mark could not be moved.
    """
    failures = 0
    log = None
    while log is None:
        try:
            log = EventLog(data_dir, rotate_records=4, files=files)
        except LogNotWritable:
            failures += 1
    for group in range(4):
        while True:
            try:
                assert log.append(events(log.next_seq, 3)) == (group * 3 + 1, group * 3 + 3)
                break
            except LogNotWritable:
                failures += 1
    log.close()
    return failures, bool(log._mark.problem)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("in_a_row", [1, 2, 3, 7])
def test_whatever_fails_the_group_can_be_given_again(folder: Path, code: int, in_a_row: int) -> None:
    for number in range(1, 1_000):
        files = FailingFiles(range(number, number + in_a_row), code)
        failures, unmarked = record_stubbornly(folder / str(number), files)
        assert never_appended_after_failure(files)
        seen = [record.raw for record in contents(folder / str(number))]
        assert seen == [one.raw for one in events(1, 9 if unmarked else 12)]
        with EventLog(folder / str(number), files=FastFiles()) as log:
            assert log.next_seq == 13
        assert [record.raw for record in contents(folder / str(number))] == [one.raw for one in events(1, 12)]
        if number > len(files.done) + 1:
            assert number > 10
            assert not failures
            return
    pytest.fail("no failure was ever survived")


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_failures_and_kills_together_lose_nothing(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        failing = data.draw(st.sets(st.integers(1, 60), max_size=25))
        durable = 0
        for _ in range(data.draw(st.integers(1, 4))):
            try:
                log = EventLog(Path(name), rotate_records=5, files=FailingFiles(failing))
            except LogNotWritable:
                continue
            assert log.next_seq > durable
            for _ in range(data.draw(st.integers(0, 6))):
                try:
                    _, durable = log.append(events(log.next_seq, data.draw(st.integers(1, 4))))
                except LogNotWritable:
                    continue
            log._closing.close()  # Killed: the lock is free, and nothing else is done.
        with EventLog(Path(name), files=FastFiles()) as log:
            log.append(events(log.next_seq, 1))
        records = contents(Path(name))
        assert len(records) > durable
        assert [record.raw for record in records] == [event(seq).raw for seq in range(1, len(records) + 1)]


STEPS = st.lists(
    st.sampled_from(["append", "append", "append", "rotate", "seal", "compact", "restart"]), min_size=4, max_size=14
)


class Lives:
    """A recorder's lives on one disk: what it said to be durable, and how far it may have come."""

    def __init__(self, root: Path, files: ShadowedFiles) -> None:
        self.durable = self.attempted = 0
        self._root = root
        self._files = files

    def live(self, steps: list[str]) -> bool:
        """Do the steps; tell whether they came to their end."""
        log = None
        try:
            log = self._open()
            for place, step in enumerate(steps):
                match step:
                    case "append":
                        self.attempted = max(self.attempted, log.next_seq + place % 4)
                        _, self.durable = log.append(events(log.next_seq, place % 4 + 1))
                    case "rotate":
                        log.rotate()
                    case "seal":
                        seal(self._root, self._files)
                    case "compact":
                        compact(self._root, self._files)
                    case "restart":
                        log.close()
                        log = self._open()
        except Halt:
            return False
        finally:
            if log is not None:
                log._closing.close()  # Gone: the lock is free, and nothing else is done.
        return True

    def _open(self) -> EventLog:
        log = EventLog(self._root, rotate_records=6, files=self._files)
        assert self.durable < log.next_seq <= self.attempted + 1
        self.durable = log.next_seq - 1  # What an opened log holds will stay.
        return log


@given(steps=STEPS, killed=st.integers(0, 60), until=st.integers(1, 150), data=st.data())
@settings(max_examples=200, deadline=None)
def test_power_loss_takes_nothing_that_was_durable(
    steps: list[str], killed: int, until: int, data: st.DataObject
) -> None:
    def choose(kinds: list[str]) -> str:
        return data.draw(st.sampled_from(kinds))

    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "before"
        root.mkdir()
        files = ShadowedFiles(root, until, killed)
        lives = Lives(root, files)
        if not lives.live(steps):
            lives.live(steps)
        after = files.restart(Path(name) / "after", choose)
        files.close_all()
        with EventLog(after, files=FastFiles()) as log:
            assert lives.durable < log.next_seq <= lives.attempted + 1
            log.append(events(log.next_seq, 1))
        seal(after, FastFiles())
        records = contents(after)
        assert [record.raw for record in records[: lives.durable]] == [one.raw for one in events(1, lives.durable)]
        assert {record.raw for record in records if record.event_type != "homeiq_blank"} <= {
            one.raw for one in events(1, len(records))
        }


def test_what_a_killed_process_had_only_written_is_durable_once_the_log_is_open_again(folder: Path) -> None:
    steps = ["rotate", "rotate", "rotate", "append"]
    dry = SteppedFiles()
    (folder / "dry").mkdir()
    Lives(folder / "dry", dry).live(steps)  # type: ignore[arg-type]
    written = [place for place, (name, path) in enumerate(dry.done, 1) if (name, path[-7:]) == ("write", ".ndjson")]
    root = folder / "before"
    root.mkdir()
    files = ShadowedFiles(root, until=1_000, killed=written[0] + 1)
    assert not Lives(root, files).live(steps)
    assert files.done[-1][0] == "write"
    with EventLog(root, files=files) as log:
        assert log.next_seq == 5
    after = files.restart(folder / "after", lambda kinds: kinds[0])
    files.close_all()
    assert [record.raw for record in contents(after)] == [one.raw for one in events(1, 4)]


def test_opening_may_be_killed_at_any_operation(folder: Path) -> None:
    for until in range(1, 100):
        data_dir = folder / str(until)
        fill(data_dir, 2)
        tails = tails_in(data_dir / "log")
        with tails[-1][1].open("ab") as file:
            file.write(b"torn")

        def halt(number: int, name: str, until: int = until) -> None:
            if number == until:
                raise Halt

        try:
            EventLog(data_dir, files=SteppedFiles(halt)).close()
        except Halt:
            assert fill(data_dir, 1) == 15, "and the lock died with it"
        else:
            assert until > 5
            return
        assert [record.raw for record in contents(data_dir)] == [one.raw for one in events(1, 15)]
    pytest.fail("opening never ended")


def test_a_second_writer_is_told_who_the_first_is(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from homeiq.storage.log import EventLog\n"
        "with EventLog(Path(sys.argv[1]), purpose='homeiq run'): print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(LogLocked, match=rf"another process records into .*homeiq run, process {child.pid}"):
            EventLog(folder)
        child.kill()
    EventLog(folder).close()


def test_a_folder_that_cannot_be_written_is_one_sentence(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(LogNotWritable, match="cannot be written: File exists: make room or give write perm") as found:
        EventLog(folder / "file")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("number", range(1, 5))
def test_a_log_that_did_not_open_gives_its_lock_back(folder: Path, number: int) -> None:
    with pytest.raises(LogNotWritable):
        EventLog(folder, files=FailingFiles({number}, errno.EROFS))
    EventLog(folder, files=FastFiles()).close()


def test_many_restarts_leave_one_empty_tail(folder: Path) -> None:
    for restart in range(1, 30):
        with EventLog(folder, files=FastFiles()) as log:
            assert log.next_seq == restart // 3 + (restart % 3 != 0)
            if restart % 3 == 0:
                log.append([event(log.next_seq)])
        assert log.findings == []
    tails = tails_in(folder / "log")
    assert [first for first, _ in tails] == list(range(1, len(tails) + 1))
    assert [first for first, path in tails if not path.stat().st_size] == [len(tails)]


def test_the_position_is_found_where_only_segments_are_left(folder: Path) -> None:
    last = fill(folder, 3)
    EventLog(folder, files=FastFiles()).close()
    seal(folder, FastFiles())
    for _, path in tails_in(folder / "log"):
        path.unlink()
    with EventLog(folder, files=FastFiles()) as log:
        assert log.append([event(last + 1)]) == (last + 1, last + 1)
    assert len(contents(folder)) == last + 1


def test_a_stray_segment_name_does_not_move_the_position(folder: Path) -> None:
    last = fill(folder, 1)
    (folder / "log" / "date=2026-01-01").mkdir()
    stray = folder / "log" / "date=2026-01-01" / f"{1:020}-{10**9:020}.7.parquet"
    stray.write_bytes(b"not a segment")
    with EventLog(folder, files=FastFiles()) as log:
        assert log.append([event(last + 1)]) == (last + 1, last + 1)
    assert [record.raw for record in contents(folder)] == [one.raw for one in events(1, last + 1)]
    seal(folder, FastFiles())
    assert [record.raw for record in contents(folder)] == [one.raw for one in events(1, last + 1)]
    assert stray.exists(), "nothing is deleted that was not proven to be superseded"


def test_a_tail_that_a_child_seals_meanwhile_does_not_stop_the_start(folder: Path) -> None:
    fill(folder, 3)

    def sealed_meanwhile(number: int, name: str) -> None:
        if number == 2:
            seal(folder, FastFiles())

    with EventLog(folder, files=SteppedFiles(sealed_meanwhile)) as log:
        assert log.next_seq == 16
        log.append([event(16)])
    assert [record.raw for record in contents(folder)] == [one.raw for one in events(1, 16)]


def test_after_close_nothing_is_touched(folder: Path) -> None:
    files = SteppedFiles()
    log = EventLog(folder, files=files)
    log.close()
    log.close()
    files.done.clear()
    for use in (lambda: log.append([event(1)]), log.rotate):
        with pytest.raises(LogClosed, match="closed"):
            use()
    assert files.done == []


@given(sizes=st.lists(st.integers(0, 9), max_size=12), rotate=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_groups_of_any_size_are_numbered_on(sizes: list[int], rotate: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        expected = 1
        with EventLog(Path(name), rotate_records=rotate, files=FastFiles()) as log:
            for size in sizes:
                assert log.append(events(expected, size)) == (expected, expected + size - 1)
                expected += size
        assert [record.raw for record in contents(Path(name))] == [one.raw for one in events(1, expected - 1)]


def test_very_long_records_are_records(folder: Path) -> None:
    raws = ["x" * 5_000_000, "\0" * 100_000, "é𝄞" * 200_000]
    with EventLog(folder, rotate_records=2, files=FastFiles()) as log:
        for place, raw in enumerate(raws, 1):
            log.append([event(place, raw)])
    EventLog(folder, files=FastFiles()).close()
    assert [record.raw for record in contents(folder)] == raws
    seal(folder, FastFiles())
    assert [record.raw for record in contents(folder)] == raws


class LyingFiles(ShadowedFiles):
    """A disk whose sync number `failing` fails once; from then on that file is said to be synced, and is not."""

    def __init__(self, root: Path, failing: int) -> None:
        super().__init__(root, sys.maxsize)
        self._failing = failing
        self._lost: set[int] = set()
        self._syncs = 0

    def sync(self, descriptor: int) -> None:
        self._syncs += 1
        number = os.fstat(descriptor).st_ino
        if self._syncs == self._failing:
            self._lost.add(number)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if number not in self._lost:
            super().sync(descriptor)


@pytest.mark.parametrize("failing", range(2, 9))
def test_a_sync_that_failed_once_and_then_lies_takes_nothing_that_was_acknowledged(folder: Path, failing: int) -> None:
    files = LyingFiles(folder / "disk", failing)
    failures = 0
    try:
        with EventLog(folder / "disk", rotate_records=5, files=files) as log:
            for group in range(4):
                while True:
                    try:
                        log.append(events(group * 3 + 1, 3))
                        break
                    except LogNotWritable as error:
                        assert "Input/output error" in str(error)
                        failures += 1
            assert log.next_seq == 13
        left = files.restart(folder / "left", lambda choices: choices[0])
    finally:
        files.close_all()
    assert failures <= 1
    EventLog(left, files=FastFiles()).close()
    assert [record.raw for record in contents(left)] == [one.raw for one in events(1, 12)]
