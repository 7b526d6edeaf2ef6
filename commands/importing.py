"""`homeiq import`: what others have recorded, or this log exported, comes into the log; the same twice adds nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from ..clock import SystemClock
from ..connectors.ha_database import HomeAssistantDatabase
from ..errors import LogError, Stopped
from ..storage.files import Files
from ..storage.held import Held, New, keeps_own_words, new_by_content, new_of_home_assistant
from ..storage.record import HOUSEKEEPING, Event
from ..storage.spool import Bad, Spool
from .import_files import ndjson_events, parquet_events
from .import_sink import MOST_BYTES, Sink, open_sink
from .terminal import Display, print_json, print_line, stop_on_signals

__all__ = ["import_home_assistant", "import_ndjson", "import_parquet"]

_AT_ONCE: Final = 1_000
_KEPT_BAD: Final = 100_000
_KEPT_BYTES: Final = 64 << 20


@dataclass
class _Done:
    """What came of it."""

    read: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0
    left_out: int = 0
    kept: list[Bad] = field(default_factory=list)
    bytes_kept: int = 0

    def set_aside(self, bad: Bad) -> None:
        """Count what could not be imported, and keep it, up to a limit: the rest is in the file still."""
        self.bad += 1
        if len(self.kept) < _KEPT_BAD and self.bytes_kept < _KEPT_BYTES:
            self.kept.append(bad)
            self.bytes_kept += len(bad.text)


class _Import:
    """One run of the command."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self.data_dir = data_dir
        self.name = name
        self.now = SystemClock().now()
        self.done = _Done()
        self.stop = stop_on_signals()
        self.display = Display()
        self._began = time.monotonic()
        data_dir.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("SQLITE_TMPDIR", str(data_dir))  # /tmp is often held in memory

    def spooled(self, found: Iterable[tuple[Event | Bad | None, float]], spool: Spool) -> None:
        """Read a file to its end, and put its events in the order of their times."""
        batch: list[Event] = []
        for item, share in found:
            self.check()
            if isinstance(item, Bad):
                self.done.set_aside(item)
            elif item is not None:
                batch.append(item)
            if len(batch) >= _AT_ONCE:
                spool.add(batch)
                batch = []
                self.display.show("read", spool.count, share=share, unit="events")
        spool.add(batch)

    def take(self, events: Iterable[Event | Bad], tell: New, total: int, *, own_words: bool) -> None:
        """Bring what is new into the log; raises Stopped, LogError."""
        with open_sink(self.data_dir, self.stop) as sink:
            try:
                self._append(self._new(events, tell, own_words), sink, total)
            finally:
                self.display.clear()

    def _append(self, events: Iterator[Event], sink: Sink, total: int) -> None:
        batch: list[Event] = []
        size = 0
        for event in events:
            batch.append(event)
            size += len(event.raw)
            if len(batch) == _AT_ONCE or size >= MOST_BYTES:
                sink.append(batch)
                self.done.new += len(batch)
                batch, size = [], 0
                self.check()
                self.display.show("imported", self.done.read, total=total, unit="events", note=f"{self.done.new:,} new")
        if batch:
            sink.append(batch)
            self.done.new += len(batch)

    def _new(self, events: Iterable[Event | Bad], tell: New, own_words: bool) -> Iterator[Event]:
        for event, new in tell(self._good(events)):
            self.done.read += 1
            if self.done.read % _AT_ONCE == 0:
                self.check()
            if not new:
                self.done.known += 1
            elif event.event_type.startswith(HOUSEKEEPING) and not own_words:
                self.done.left_out += 1
            else:
                yield event

    def _good(self, events: Iterable[Event | Bad]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Bad):
                self.done.set_aside(event)
            else:
                yield event

    def check(self) -> None:
        """Raise Stopped where Ctrl-C was pressed."""
        if self.stop.is_set():
            self.display.clear()
            raise Stopped(
                f"stopped before the end, {self.done.new:,} records were imported",
                hint="run it again; what is recorded already is not recorded twice",
            )

    def finish(self, as_json: bool) -> None:
        """Say what came of it; raises LogError if not all could be imported."""
        done, seconds = self.done, time.monotonic() - self._began
        place = self._quarantine() if done.kept else None
        if as_json:
            names = ("read", "new", "known", "bad", "left_out")
            where = str(place) if place else None
            print_json({**{name: getattr(done, name) for name in names}, "set_aside": where, "seconds": seconds})
        else:
            words = f"imported {done.new:,} records, {done.known:,} were there already, in {seconds:.1f} s"
            if done.left_out:
                words += f"; {done.left_out:,} of another recorder's own words were left out"
            print_line(words)
        if done.bad:
            raise LogError(
                f"{done.bad:,} could not be imported", hint=f"they are kept in {place}, each with its reason"
            )

    def _quarantine(self) -> Path:
        lines = [orjson.dumps({"place": bad.place, "reason": bad.reason, "text": bad.text}) for bad in self.done.kept]
        name = "stdin" if self.name == "-" else Path(self.name).name
        note = f"{self.done.bad} of {self.name} could not be imported; the first {len(lines)} are kept, with the reason"
        return Files().quarantine(self.data_dir, f"import-{name}.bad.ndjson", b"\n".join(lines) + b"\n", note)


def import_home_assistant(data_dir: Path, path: Path, as_json: bool) -> None:
    """Import Home Assistant's own database; it may be running. Raises HomeiqError."""
    with HomeAssistantDatabase(path) as database:
        run = _Import(data_dir, str(path))
        total = 0
        for total in database.prepare():
            run.check()
            run.display.show("put in order", total, unit="rows")
        run.take(database.events(run.now), new_of_home_assistant(Held(data_dir)), total, own_words=False)
    run.finish(as_json)


def import_ndjson(data_dir: Path, name: str, as_json: bool) -> None:
    """Import lines of POST /events or of `homeiq export`. Raises HomeiqError."""
    run = _Import(data_dir, name)
    _import_file(run, ndjson_events(name, run.now), as_json)


def import_parquet(data_dir: Path, name: str, as_json: bool) -> None:
    """Import a Parquet file with the log's columns. Raises HomeiqError."""
    run = _Import(data_dir, name)
    _import_file(run, parquet_events(name, run.now), as_json)


def _import_file(run: _Import, found: Iterator[tuple[Any, float]], as_json: bool) -> None:
    with ExitStack() as held:
        spool = held.enter_context(Spool())
        run.spooled(found, spool)
        own_words = not keeps_own_words(run.data_dir)
        run.take(spool.events(run.now), new_by_content(Held(run.data_dir)), spool.count, own_words=own_words)
    run.finish(as_json)
