"""Where the embedded target keeps its points, and which of its files hold them now.

    <data dir>/points/<normalizer>/date=2026-11-23/<first seq>-<last seq>.<generation>.parquet

The folder of a window is read like the log's: of two files that overlap the higher generation wins.
"""

from __future__ import annotations

from pathlib import Path

from .manifest import SegmentName, parse_segment, resolve

__all__ = ["points_folder", "points_files", "all_parts", "valid_parts"]


def points_folder(data_dir: Path) -> Path:
    """Return where the embedded target of a data folder keeps its points."""
    return data_dir / "points"


def points_files(data_dir: Path) -> list[Path]:
    """Return the files that hold the points now."""
    return [part.path for folder in sorted(points_folder(data_dir).glob("*/date=*")) for part in valid_parts(folder)]


def all_parts(folder: Path) -> list[SegmentName]:
    """Return all files of a window's folder, in order."""
    return sorted(name for path in folder.glob("*.parquet") if (name := parse_segment(path)))


def valid_parts(folder: Path) -> list[SegmentName]:
    """Return the files that speak for a window; whatever has its final name is whole."""
    return [part.segment for part in resolve(all_parts(folder), lambda name: True)]
