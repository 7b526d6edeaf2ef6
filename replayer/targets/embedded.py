"""The embedded target: Parquet files under `points/`, read by `homeiq sql` as the view `points`. No server needed.

A window of a normalizer is a folder of files named like the log's segments, by the seq of the records that their points
are from: of two that overlap the higher generation wins. A replay replaces a whole window by one file that overlaps all
others, in one rename; what the follower writes live is added as small files, which are merged as they become many.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ...clock import DAY, window_of
from ...errors import TargetUnreachable
from ...storage.files import Files
from ...storage.manifest import SegmentName, segment_name
from ...storage.points import all_parts, points_folder, valid_parts
from ..point import Point
from .base import Stored, Target, WindowWriter
from .embedded_reading import held_between, windows_of

__all__ = ["EmbeddedTarget"]

_MERGE = 8
"""So many files of about one size are merged into one: a point is rewritten about log8(points) times."""

_ROW_GROUP = 50_000


class EmbeddedTarget(Target):
    """See the module."""

    live_seconds = 2.0

    replaces = False

    reads = True

    keeps_windows = True

    batch = 1_000_000
    """What the follower writes at once is accounted for at once: so it is one file of a window, not several."""

    def __init__(self, data_dir: Path, files: Files | None = None) -> None:
        self.name = "embedded"
        self.title = f"the embedded target in {points_folder(data_dir)}"
        self._folder = points_folder(data_dir)
        self._files = files or Files()

    def connect(self, position: int) -> None:
        """Make the folder, and remove what was added for records behind `position`: it will be added again."""
        with self._writing():
            self._files.make_folder(self._folder)
            for folder in self._folder.glob("*/date=*"):
                self._remove(part for part in all_parts(folder) if part.generation == 0 and part.last > position)

    def live(self, normalizer: str) -> WindowWriter:
        """Return a writer that adds points, each from a record behind all those that the window's points are from."""
        return _Live(self, normalizer)

    def add(self, points: Sequence[Point], normalizer: str) -> None:
        """Add points that came live."""
        by_window: dict[int, list[Point]] = {}
        for point in points:
            by_window.setdefault(window_of(point.time // 1000), []).append(point)
        for start, some in by_window.items():
            folder = self._window_folder(start, normalizer)
            first, last = min(point.seq for point in some), max(point.seq for point in some)
            with self._writing():
                self._merge(folder, first)
                self._files.write_whole(folder / segment_name(first, last, 0), _file_of([_table_of(some)]))

    @contextmanager
    def window(self, start: int, upto: int, normalizer: str) -> Iterator[WindowWriter]:
        """Collect the window's points, and let them take the place of all that were there."""
        folder = self._window_folder(start, normalizer)
        collected = _Collector()
        yield collected
        old = all_parts(folder)
        if not collected.tables and not old:
            return
        last = max([upto, *(name.last for name in old)])
        generation = max((name.generation for name in old), default=0) + 1
        whole = folder / segment_name(1, last, generation)
        with self._writing():
            self._files.write_whole(whole, _file_of(collected.tables))
            self._remove(old)
            if upto < 1:
                self._files.remove(whole)
            elif upto < last:  # nothing speaks for records behind `upto`: what is written of them later is to be seen
                self._files.replace(whole, folder / segment_name(1, upto, generation))

    def read(self, measurements: Sequence[str], start: int, end: int) -> Iterator[Stored]:
        """Yield the points of these measurements with times in [start, end) (microseconds UTC); see Target.read."""
        with self._reading():
            yield from held_between(self._folder, measurements, start, end)

    def latest(self, measurement: str) -> Stored | None:
        """Return the point of a measurement with the greatest time."""
        for window in reversed(windows_of(self._folder)):
            with self._reading():
                points = held_between(self._folder, [measurement], window, window + DAY)
                last = max(points, key=lambda stored: stored.time, default=None)
            if last is not None:
                return last
        return None

    def holds(self, measurements: Sequence[str]) -> bool:
        """Tell whether there is any point of these measurements."""
        windows = reversed(windows_of(self._folder))
        return any(True for window in windows for _ in self.read(measurements, window, window + DAY))

    def close(self) -> None:
        """There is nothing to give back."""

    def _window_folder(self, start: int, normalizer: str) -> Path:
        return self._folder / normalizer / f"date={datetime.fromtimestamp(start // 1_000_000, UTC).date()}"

    def _merge(self, folder: Path, before: int) -> None:
        """Merge the newest files once there are enough of about one size.

        Those of records from `before` on are not accounted for yet, and stay what `connect` can take away.
        """
        parts = [part for part in valid_parts(folder) if part.last < before]
        sizes = [part.path.stat().st_size for part in parts]
        run = 1
        while run < len(parts) and sizes[-run - 1] <= _MERGE * max(sizes[-1], 20_000):
            run += 1
        if run < _MERGE:
            return
        merged = parts[-run:]
        generation = max(part.generation for part in merged) + 1
        tables = [pq.read_table(part.path, partitioning=None) for part in merged]
        name = segment_name(merged[0].first, merged[-1].last, generation)
        self._files.write_whole(folder / name, _file_of(tables))
        self._remove(merged)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TargetUnreachable(
                f"{self.title} cannot be read: {error.strerror or error}",
                hint="give read permission there, or move away what is broken",
                place=str(self._folder),
            ) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TargetUnreachable(
                f"{self.title} cannot be written: {error.strerror or error}",
                hint="make room or give write permission there",
                place=str(self._folder),
            ) from None

    def _remove(self, parts: Iterable[SegmentName]) -> None:
        for part in parts:
            self._files.remove(part.path)


class _Live:
    """Adds what a normalizer makes live."""

    def __init__(self, target: EmbeddedTarget, normalizer: str) -> None:
        self._target = target
        self._normalizer = normalizer

    def write(self, points: Sequence[Point]) -> None:
        self._target.add(points, self._normalizer)


class _Collector:
    """Holds a window's points as Arrow tables, which take a small part of the memory of Python objects."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def write(self, points: Sequence[Point]) -> None:
        if points:
            self.tables.append(_table_of(points))


def _table_of(points: Sequence[Point]) -> pa.Table:
    """Return points as rows: measurement, time, each tag a column, and the fields as JSON."""
    tags = sorted({tag for point in points for tag in point.series.tags})
    columns: dict[str, pa.Array] = {
        "measurement": pa.array([point.series.measurement for point in points], pa.string()),
        "time": pa.array([point.time // 1000 for point in points], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
    }
    for tag in tags:
        columns[tag] = pa.array([point.series.tags.get(tag) for point in points], pa.string())
    columns["fields"] = pa.array([orjson.dumps(point.fields).decode() for point in points], pa.string())
    return pa.table(columns)


def _file_of(tables: Sequence[pa.Table]) -> bytes:
    """Return a Parquet file of these points; a window without any is a file without rows."""
    table = pa.concat_tables(list(tables) or [_table_of([])], promote_options="default")
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP, data_page_size=8 << 20)
    return sink.getvalue()
