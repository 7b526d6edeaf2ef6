"""The folder is the manifest: names of files in, the order in which they make the log out. Pure.

    log/date=2026-11-23/00000000000000000001-00000000000000050000.0.parquet     first seq, last seq, generation
    log/tail-00000000000000050001.ndjson                                        first seq

Nothing relies on `date=`, which is there for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SegmentName", "Slice", "segment_name", "tail_name", "parse_segment", "parse_tail", "resolve", "holes"]

_SEGMENT = re.compile(r"(\d{20})-(\d{20})\.(\d+)\.parquet")
_TAIL = re.compile(r"tail-(\d{20})\.ndjson")


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What the name of a sealed file says: it holds `first` … `last`; of two that overlap the greater generation wins."""

    first: int
    last: int
    generation: int
    path: Path


@dataclass(frozen=True, slots=True)
class Slice:
    """The records `first` … `last` of the log are to be read from this segment, which may hold more."""

    segment: SegmentName
    first: int
    last: int


def segment_name(first: int, last: int, generation: int) -> str:
    """Return a sealed file's name."""
    return f"{first:020}-{last:020}.{generation}.parquet"


def tail_name(first: int) -> str:
    """Return the name of the tail whose first record is, or will be, number `first`."""
    return f"tail-{first:020}.ndjson"


def parse_segment(path: Path) -> SegmentName | None:
    """Return what a file's name says, or None if it is not the name of a segment."""
    match = _SEGMENT.fullmatch(path.name)
    if not match:
        return None
    first, last, generation = (int(part) for part in match.groups())
    return SegmentName(first, last, generation, path) if 1 <= first <= last else None


def parse_tail(path: Path) -> int | None:
    """Return the first seq that a tail's name says, or None if it is not the name of a tail."""
    match = _TAIL.fullmatch(path.name)
    return int(match.group(1)) if match else None


def resolve(segments: Iterable[SegmentName], is_valid: Callable[[SegmentName], bool]) -> list[Slice]:
    """Return who speaks for which records, in order of seq and without overlap.

    Only where files overlap is `is_valid` asked, since only there does it decide anything: among the valid the highest
    generation wins, then the longer one. An invalid file speaks only for what no valid one holds.
    """
    names = sorted(segments)
    contested = {name for pair in _overlapping(names) for name in pair}
    slices = [Slice(name, name.first, name.last) for name in names if name not in contested]
    rank = {name: (is_valid(name), name.generation, name.last - name.first) for name in contested}
    taken: list[Slice] = []
    for name in sorted(contested, key=lambda name: rank[name], reverse=True):
        free = [(name.first, name.last)]
        for winner in taken:
            free = [rest for span in free for rest in _without(span, winner.first, winner.last)]
        taken += [Slice(name, first, last) for first, last in free]
    return sorted(slices + taken, key=lambda part: part.first)


def holes(slices: Iterable[Slice], start: int, end: int) -> list[tuple[int, int]]:
    """Return the ranges of seq in `start` … `end` for which no file speaks."""
    missing = []
    expected = start
    for part in slices:
        if part.first > expected:
            missing.append((expected, min(part.first - 1, end)))
        expected = max(expected, part.last + 1)
    if expected <= end:
        missing.append((expected, end))
    return [(first, last) for first, last in missing if first <= last]


def _overlapping(names: list[SegmentName]) -> list[tuple[SegmentName, SegmentName]]:
    """Return pairs such that every file that overlaps another is in at least one (names are in order of first)."""
    pairs = []
    widest: SegmentName | None = None
    for name in names:
        if widest and name.first <= widest.last:
            pairs.append((widest, name))
        if widest is None or name.last > widest.last:
            widest = name
    return pairs


def _without(span: tuple[int, int], first: int, last: int) -> list[tuple[int, int]]:
    """Return what is left of a span when `first` … `last` is taken from it."""
    parts = [(span[0], min(span[1], first - 1)), (max(span[0], last + 1), span[1])]
    return [part for part in parts if part[0] <= part[1]]
