"""The embedded target: killed before any change of a file, no point is lost, and none stands twice in the view."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from homeiq.clock import DAY, SECOND
from homeiq.errors import TargetUnreachable
from homeiq.replayer.point import Point, Series
from homeiq.replayer.targets.embedded import EmbeddedTarget
from homeiq.storage.files import Files
from homeiq.storage.points import all_parts, points_files, points_folder
from homeiq.storage.sql import query
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replayer.making import DAY_0, fast_folder
from storage.disks import FastFiles, Halt, SteppedFiles


def point(seq: int, value: float = 1.0, time: int | None = None, **tags: str) -> Point:
    return Point(Series("m", {"a": "x", **tags}), {"f": value}, (DAY_0 + seq if time is None else time) * 1000, seq)


def found(data_dir: Path) -> list[tuple[int, float]]:
    """Return the points that the view shows, as (time, value), each as often as it stands there."""
    (data_dir / "log").mkdir(exist_ok=True)
    table = query(data_dir, "SELECT epoch_us(time) AS time, fields FROM points ORDER BY ALL")
    assert table is not None
    return [(row["time"] - DAY_0, orjson.loads(row["fields"])["f"]) for row in table.to_pylist()]


def target_in(data_dir: Path, files: Files | None = None, position: int = 0) -> EmbeddedTarget:
    target = EmbeddedTarget(data_dir, files or FastFiles())
    target.connect(position)
    return target


def replace(target: EmbeddedTarget, upto: int, *points: Point, start: int = DAY_0) -> None:
    with target.window(start, upto, "x") as writer:
        writer.write(points)
        writer.write([])


def test_live_points_of_several_windows_and_their_tags(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(1), point(2, time=DAY_0 + DAY, b="y"), point(3)])
    assert found(tmp_path) == [(1, 1.0), (3, 1.0), (DAY, 1.0)]
    assert len(points_files(tmp_path)) == 2
    table = query(tmp_path, "SELECT measurement, a, b, entity_id FROM points ORDER BY time")
    assert table is not None
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        *[("m", "x", None, None)] * 2,
        ("m", "x", "y", None),
    ]


def test_many_small_writes_leave_few_files(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    most = 0
    for seq in range(1, 501):
        target.live("x").write([point(seq)])
        most = max(most, len(all_parts(next(points_folder(tmp_path).glob("x/date=*")))))
    assert most <= 30
    assert found(tmp_path) == [(seq, 1.0) for seq in range(1, 501)]


def test_a_window_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(seq) for seq in range(1, 6)])
    target.live("x").write([point(9, time=DAY_0 + DAY)])
    replace(target, 7, point(3, 5.0), point(4, 6.0))
    assert found(tmp_path) == [(3, 5.0), (4, 6.0), (DAY, 1.0)]
    replace(target, 7)
    assert found(tmp_path) == [(DAY, 1.0)]
    replace(target, 7, start=DAY_0 + 5 * DAY)
    target.live("x").write([point(8)])
    assert found(tmp_path) == [(8, 1.0), (DAY, 1.0)]


def test_a_window_that_is_not_completed_stays(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(1)])
    with suppress(ZeroDivisionError), target.window(DAY_0, 9, "x") as writer:
        writer.write([point(1, 7.0)])
        raise ZeroDivisionError
    assert found(tmp_path) == [(1, 1.0)]


def test_what_was_not_accounted_for_is_taken_away_at_the_next_start(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    target.live("x").write([point(seq) for seq in (1, 2)])
    target.live("x").write([point(seq) for seq in (3, 4)])
    target_in(tmp_path, position=2).live("x").write([point(3, 9.0)])
    assert found(tmp_path) == [(1, 1.0), (2, 1.0), (3, 9.0)]


@pytest.mark.parametrize("upto", [0, 3])
def test_a_replay_from_a_shorter_log_hides_nothing_that_comes_later(tmp_path: Path, upto: int) -> None:
    target = target_in(tmp_path)
    replace(target, 9, *(point(seq) for seq in range(1, 10)))
    replace(target, upto, *(point(seq, 2.0) for seq in range(1, upto + 1)))
    target.live("x").write([point(upto + 1, 3.0)])
    assert found(tmp_path) == [*((seq, 2.0) for seq in range(1, upto + 1)), (upto + 1, 3.0)]


steps = st.one_of(
    st.tuples(st.just("live"), st.integers(1, 4)),
    st.tuples(st.just("live"), st.integers(1, 4)),
    st.tuples(st.just("replace"), st.integers(0, 9)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=1, max_size=30), st.lists(st.integers(1, 60), max_size=4))
def test_killed_anywhere_no_point_is_lost_or_stands_twice(story: list[tuple[str, int]], kills: list[int]) -> None:
    """A killed process repeats what it had not accounted for: a live write whose position did not move, a window."""
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        patch.setattr("homeiq.replayer.targets.embedded._MERGE", 3)
        expected: dict[int, float] = {}
        position = 0
        todo = list(story)
        while True:
            halt = kills.pop(0) if kills else 10**9
            files = SteppedFiles(_halt_before(halt))
            try:
                target = target_in(data_dir, files, position)
                while todo:
                    what, number = todo[0]
                    if what == "live":
                        new = range(position + 1, position + 1 + number)
                        target.live("x").write([point(seq, float(len(todo))) for seq in new])
                        expected |= dict.fromkeys(new, float(len(todo)))
                        position += number
                    else:
                        replace(target, position, *(point(seq, 0.5) for seq in expected if seq % 10 != number))
                        expected = {seq: 0.5 for seq in expected if seq % 10 != number}
                    todo.pop(0)
                break
            except Halt:
                continue
        assert found(data_dir) == sorted(expected.items())


def _halt_before(number: int) -> Callable[[int, str], None]:
    def before(count: int, name: str) -> None:
        if count >= number:
            raise Halt

    return before


def test_several_points_of_one_write_are_one_file_of_a_window(tmp_path: Path) -> None:
    """However the order of their records: the follower gives what it accounts for in one piece."""
    target = target_in(tmp_path)
    points = [point(seq) for seq in (9, 2, 7, 1)]
    assert target.batch > 10_000
    target.live("x").write(points)
    assert len(points_files(tmp_path)) == 1


@pytest.mark.parametrize("names", [["attr_\udfff", "ok"], ["a\nb"], ["ü"]])
def test_names_that_only_a_normalizer_cleans_are_refused_by_nobody(tmp_path: Path, names: list[str]) -> None:
    from homeiq.replayer.point import clean_name

    target = target_in(tmp_path)
    fields: Any = {clean_name(name): 1.0 for name in names} | {"f": 1.0}
    target.live("x").write([Point(Series("m", {"a": "x"}), fields, DAY_0 * 1000, 1)])
    assert found(tmp_path) == [(0, 1.0)]


def test_times_far_away_have_windows_too(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    early, late = -62_135_596_800 * SECOND, 253_402_300_799 * SECOND
    target.live("x").write([point(1, time=early), point(2, time=-1), point(3, time=late)])
    replace(target, 3, point(3, 2.0, late), start=late - late % DAY)
    assert found(tmp_path) == [(early - DAY_0, 1.0), (-1 - DAY_0, 1.0), (late - DAY_0, 2.0)]


def test_a_full_disk_is_an_error_that_time_may_mend(tmp_path: Path) -> None:
    class Full(FastFiles):
        full = False

        def write(self, descriptor: int, content: bytes) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().write(descriptor, content)

    files = Full()
    target = target_in(tmp_path, files)
    files.full = True
    with pytest.raises(TargetUnreachable, match="No space left on device: make room"):
        target.live("x").write([point(1)])
    with pytest.raises(TargetUnreachable, match="No space left"):
        replace(target, 1, point(1))
    files.full = False
    target.live("x").write([point(1)])
    target.close()
    assert found(tmp_path) == [(1, 1.0)]
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetUnreachable, match="cannot be written"):
        target_in(tmp_path / "file")
