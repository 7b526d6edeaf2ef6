"""Where records may lie whole that are damaged here: the log's own superseded files, and a backup."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Protocol

from .backup import segments_of, tails_of
from .log import log_folder
from .manifest import SegmentName, parse_segment
from .places import Place

__all__ = ["Backup", "Copy", "Superseded"]


class Copy(Protocol):
    """Where records may lie whole: `segments`, by the names that they would have here, and `tails`; and what reads one."""

    shown: str
    segments: dict[SegmentName, str]
    tails: list[tuple[int, str]]

    def read(self, text: str) -> bytes: ...


class Superseded:
    """Files of the log itself that were merged or rewritten less than an hour ago."""

    shown = "the log's superseded files"

    def __init__(self, data_dir: Path) -> None:
        found = {
            parse_segment(path.with_suffix("")): path for path in log_folder(data_dir).glob("date=*/*.parquet.old")
        }
        self.segments = {name: str(path) for name, path in found.items() if name is not None}
        self.tails: list[tuple[int, str]] = []

    def read(self, text: str) -> bytes:
        return Path(text).read_bytes()


class Backup:
    """What `homeiq backup` made."""

    def __init__(self, place: Place, data_dir: Path) -> None:
        sizes = place.sizes()
        folder = log_folder(data_dir)
        self.shown = place.shown
        self.segments = {
            SegmentName(name.first, name.last, name.generation, folder / PurePosixPath(text).relative_to("log")): text
            for name, text in segments_of(sizes).items()
        }
        self.tails = tails_of(sizes)
        self.read = place.read
