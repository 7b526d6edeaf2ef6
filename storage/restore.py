"""A log back from its copy: into an empty data folder, or into a cache that is read instead of an object store."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BackupRefused, LogCorrupt, UsageError
from . import segment
from .backup import ID, Watch, segments_of, tails_of
from .files import Files, locked
from .log import log_folder
from .manifest import SegmentName, parse_segment
from .places import Place, place_of
from .reader import list_files
from .record import decode
from .tail import lines_of

__all__ = ["RestoreReport", "fetch", "restore"]

_UNFINISHED = "log.restoring"
_OURS = {"LOCK", _UNFINISHED, "quarantine"}


@dataclass(slots=True)
class RestoreReport:
    """What came back; `findings` name what was damaged there."""

    last_seq: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[str] = field(default_factory=list)


def restore(
    place: Place, data_dir: Path, *, files: Files | None = None, watch: Watch = lambda done, total: None
) -> RestoreReport:
    """Copy a log into an empty data folder; one that was interrupted goes on.

    The log appears once all of it is there and durable. What is damaged goes to the quarantine. Raises UsageError for a
    folder that is not empty, BackupRefused for a place without a log, BackupUnreachable.
    """
    files = files or Files()
    if data_dir.is_dir() and (found := sorted({path.name for path in data_dir.iterdir()} - _OURS)):
        raise UsageError(
            f"{data_dir} is not empty ({found[0]} is there)", hint="restore into an empty folder, named by --data-dir"
        )
    sizes = _sizes(place)
    with locked(data_dir / "LOCK", "homeiq restore"):
        folder = data_dir / _UNFINISHED
        report = _copy(place, sizes, folder, data_dir, files, watch)
        for below in sorted(folder.iterdir()):
            if below.is_dir():
                files.sync_folder(below)
        files.sync_folder(folder)
        files.replace(folder, log_folder(data_dir))
    listed = list_files(data_dir)
    report.findings += [f"the records {first} to {last} are missing" for first, last in listed.missing]
    return report


def fetch(url: str, *, watch: Watch = lambda done, total: None) -> Path:
    """Bring the copy of an object store into the user's cache, only what it lacks, and return it as a data folder.

    Raises BackupRefused, BackupUnreachable, UsageError; LogCorrupt for a file that is damaged there.
    """
    place = place_of(url)
    sizes = _sizes(place)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    data_dir = cache / "homeiq" / "logs" / place.read(ID).decode("ascii", "replace").strip()
    files = Files()
    with locked(data_dir / "FETCHING", "fetching", wait=True):
        report = _copy(place, sizes, log_folder(data_dir), data_dir, files, watch)
        if report.findings:
            raise LogCorrupt(report.findings[0], hint="homeiq backup there again mends it", place=place.shown)
        for path in [*log_folder(data_dir).glob("date=*/*.parquet"), *log_folder(data_dir).glob("tail-*.ndjson")]:
            if path.relative_to(data_dir).as_posix() not in sizes:
                files.remove(path)
    return data_dir


def _sizes(place: Place) -> dict[str, int]:
    sizes = place.sizes()
    if ID not in sizes:
        raise BackupRefused(
            f"there is no backup of a log in {place.shown}", hint="name the place given to homeiq backup"
        )
    return sizes


def _copy(
    place: Place, sizes: dict[str, int], folder: Path, data_dir: Path, files: Files, watch: Watch
) -> RestoreReport:
    """Copy the files of a log into a folder, but those that are there already whole."""
    report = RestoreReport()
    whole: list[SegmentName] = []
    tails = {name for _, name in tails_of(sizes)}
    segments = segments_of(sizes)
    names = [*sorted(segments.values(), key=lambda text: _rank(parse_segment(Path(text)))), *sorted(tails), ID]
    done, total = 0, sum(sizes[name] for name in names)
    for name in names:
        path = folder / name.removeprefix("log/")
        one = parse_segment(path)
        if one is not None and any(_is_covered(one, other) for other in whole):
            continue  # it stays there since it has what was lost elsewhere (backup.py), or was to go with the next backup
        there = path.exists() and path.stat().st_size == sizes[name] and not _examined(path, path.read_bytes())[0]
        if not there or name == ID:
            content = place.read(name)
            problem, last = _examined(path, content)
            if problem:
                kept = files.quarantine(data_dir, path.name, content, f"{problem} at {place.shown}")
                report.findings.append(f"{name}: {problem} at {place.shown}, moved to {kept}")
                continue
            files.write_whole(path, content)
        else:
            _, last = _examined(path, path.read_bytes())
        if one is not None:
            whole.append(one)
        report.last_seq = max(report.last_seq, last)
        report.files += 1
        report.bytes += sizes[name]
        done += sizes[name]
        watch(done, total)
    return report


def _rank(name: SegmentName | None) -> tuple[int, int]:
    """Return by what segments are ordered, those that speak first."""
    return (-name.generation, name.first) if name is not None else (0, 0)


def _is_covered(name: SegmentName, other: SegmentName) -> bool:
    return other.generation > name.generation and other.first <= name.first and name.last <= other.last


def _examined(path: Path, content: bytes) -> tuple[str, int]:
    """Return what is wrong with a file, or an empty text, and the last record that it holds."""
    name = parse_segment(path)
    try:
        if name is not None:
            segment.check_content(name, content)
            return "", name.last
        records = [decode(line) for line in lines_of(content) if path.suffix == ".ndjson"]
    except LogCorrupt as error:
        return str(error), 0
    return "", records[-1].seq if records else 0
