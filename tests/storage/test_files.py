import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from homeiq.storage.files import Files, LockHeld, lock_holder, locked

from .disks import FailingFiles, FastFiles, Halt, SteppedFiles


@pytest.mark.parametrize("number", range(1, 6))
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, number: int) -> None:
    path = tmp_path / "kept"
    FastFiles().write_whole(path, b"old")

    def halt(present: int, name: str) -> None:
        if present == number:
            raise Halt

    try:
        SteppedFiles(halt).write_whole(path, b"new")
        assert number == 5, "there are four operations in it"
    except Halt:
        assert path.read_bytes() in (b"old", b"new")
    else:
        assert path.read_bytes() == b"new"


@pytest.mark.parametrize("number", [1, 2])
def test_a_write_that_fails_leaves_nothing_beside_the_file(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match="No space"):
        FailingFiles({number}).write_whole(tmp_path / "new", b"content")
    assert list(tmp_path.iterdir()) == []


def test_what_is_published_is_there_as_a_whole_without_waiting_for_the_disk(tmp_path: Path) -> None:
    files = SteppedFiles()
    path = tmp_path / "views" / "doctor.json"
    files.publish(path, b"old")
    files.done.clear()
    files.publish(path, b"new")
    assert [name for name, _ in files.done] == ["write"], "no sync"
    assert path.read_bytes() == b"new"
    assert [one.name for one in path.parent.iterdir()] == ["doctor.json"]
    with pytest.raises(OSError, match="No space"):
        FailingFiles({1}).publish(path, b"newer")
    assert path.read_bytes() == b"new"
    assert [one.name for one in path.parent.iterdir()] == ["doctor.json"]


def test_a_file_is_written_in_full_however_little_the_system_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))
    Files().write_whole(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_steps_come_in_the_order_that_survives_power_loss(tmp_path: Path) -> None:
    files = SteppedFiles()
    files.write_whole(tmp_path / "a" / "b", b"content")
    assert [(name, Path(path).name.partition(".")[0]) for name, path in files.done] == [
        ("sync_folder", tmp_path.name),
        ("write", "b"),
        ("sync", "b"),
        ("replace", "b"),
        ("sync_folder", "a"),
    ]
    files.done.clear()
    descriptor = files.create(tmp_path / "c")
    files.remove(tmp_path / "c")
    files.remove(tmp_path / "c")
    files.close(descriptor)
    assert [name for name, _ in files.done] == ["create", "sync_folder", *["remove", "sync_folder"] * 2]


def test_a_home_is_nobody_elses_business(tmp_path: Path) -> None:
    files = Files()
    os.close(files.create(tmp_path / "folder" / "file"))
    files.write_whole(tmp_path / "folder" / "other", b"")
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "folder").iterdir()} == {0o600}


def test_create_refuses_what_exists_and_appends(tmp_path: Path) -> None:
    files = Files()
    descriptor = files.create(tmp_path / "file")
    for content in (b"one", b"two"):
        files.write(descriptor, content)
        files.sync(descriptor)
    files.close(descriptor)
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "file")
    files.truncate(tmp_path / "file", 4)
    assert (tmp_path / "file").read_bytes() == b"onet"


def test_a_descriptor_is_not_leaked_where_a_name_cannot_be_made_durable(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Input/output"):
        FailingFiles({2}, errno.EIO).create(tmp_path / "file")
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_in_the_quarantine_is_overwritten(tmp_path: Path) -> None:
    files = FastFiles()
    kept = [files.quarantine(tmp_path, "tail", content, f"note {content!r}") for content in (b"a", b"b", b"a", b"c")]
    assert [path.read_bytes() for path in kept] == [b"a", b"b", b"a", b"c"]
    assert kept[0] == kept[2], "the same bytes are kept once"
    assert {path.with_name(path.name + ".note").read_text() for path in kept} == {f"note b'{x}'\n" for x in "abc"}


def test_a_lock_says_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "LOCK"
    assert lock_holder(path) == ""
    with locked(path, "recording"):
        assert re.fullmatch(rf"recording, process {os.getpid()}, since \d{{4}}-.*", lock_holder(path))
        with pytest.raises(LockHeld, match=f"recording, process {os.getpid()}"), locked(path, "second"):
            pass
        path.write_bytes(b"")
        with pytest.raises(LockHeld, match="an unknown process"), locked(path, "second"):
            pass
        assert lock_holder(path) == "an unknown process"
    assert lock_holder(path) == ""
    with locked(path, "second"):
        assert lock_holder(path).startswith("second, ")


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "LOCK"
    script = (
        "import sys; from pathlib import Path; from homeiq.storage.files import locked\n"
        "with locked(Path(sys.argv[1]), 'child'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=f"child, process {child.pid}"), locked(path, "parent"):
            pass
        child.kill()
    with locked(path, "parent"):
        assert "parent" in path.read_text()
