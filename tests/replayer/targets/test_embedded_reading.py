"""Reading the embedded target back: the files that count, and nothing else."""

from pathlib import Path

import pytest
from homeiq.clock import DAY
from homeiq.errors import TargetUnreachable
from homeiq.replayer.point import Point, Series
from homeiq.replayer.targets import embedded_reading
from homeiq.replayer.targets.embedded import EmbeddedTarget
from homeiq.storage.points import points_files, points_folder

from replayer.making import DAY_0
from storage.disks import FastFiles


def point(seq: int, value: float = 1.0, of: str = "m", days: int = 0) -> Point:
    return Point(Series(of, {"a": "x"}), {"f": value}, (DAY_0 + days * DAY + seq) * 1000, seq)


def target_in(folder: Path) -> EmbeddedTarget:
    target = EmbeddedTarget(folder, FastFiles())
    target.connect(0)
    return target


def held(target: EmbeddedTarget, *measurements: str) -> list[tuple[int, object]]:
    found = target.read(measurements or ["m"], DAY_0 - 400 * DAY, DAY_0 + 400 * DAY)
    return sorted((stored.time // 1000 - DAY_0, stored.fields["f"]) for stored in found)


def test_what_was_replaced_is_not_read(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(seq) for seq in range(1, 4)])
    with target.window(DAY_0, 9, "x") as writer:
        writer.write([point(2, 7.0)])
    target.live("x").write([point(10)])
    target.live("y").write([point(2, 9.0), point(3, of="n")])
    assert held(target) == [(2, 7.0), (2, 9.0), (10, 1.0)]
    assert held(target, "n", "m") == [(2, 7.0), (2, 9.0), (3, 1.0), (10, 1.0)]
    with target.window(DAY_0, 20, "x") as writer:
        writer.write([])
    assert held(target) == [(2, 9.0)]


def test_the_latest_is_looked_for_from_the_newest_window_on(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(1), point(2, days=-300), point(3, of="n", days=300)])
    latest = target.latest("m")
    assert latest is not None
    assert latest.time == point(1).time
    assert target.holds(["n"])
    assert not target.holds(["o"])


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(1)])
    (points_folder(tmp_path) / "x" / "date=not-a-date").mkdir()
    (points_folder(tmp_path) / "notes.txt").write_text("mine")
    assert held(target) == [(1, 1.0)]
    assert held(EmbeddedTarget(tmp_path / "nowhere")) == []


def test_a_file_that_is_merged_away_meanwhile_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(1)])
    target.live("x").write([point(2)])
    listed = embedded_reading.valid_parts(points_files(tmp_path)[0].parent)
    with target.window(DAY_0, 2, "x") as writer:
        writer.write([point(1), point(2)])
    stale = [listed]
    real = embedded_reading.valid_parts
    monkeypatch.setattr(embedded_reading, "valid_parts", lambda folder: stale.pop() if stale else real(folder))
    assert held(target) == [(1, 1.0), (2, 1.0)]
    assert stale == []


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(1)])
    (file,) = points_files(tmp_path)
    gone = embedded_reading.valid_parts(file.parent)
    file.rename(tmp_path / "away")
    monkeypatch.setattr(embedded_reading, "valid_parts", lambda folder: gone)
    for ask in (lambda: held(target), lambda: target.latest("m"), lambda: target.holds(["m"])):
        with pytest.raises(TargetUnreachable, match="cannot be read"):
            ask()
    monkeypatch.undo()
    file.write_bytes(b"PAR1 no Parquet PAR1")
    with pytest.raises(TargetUnreachable, match=r"cannot be read.*move away what is broken"):
        held(target)
