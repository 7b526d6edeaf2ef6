"""`homeiq tail`: events as they come, from the log on disk."""

from __future__ import annotations

import select
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from ..connectors.lines import line_of
from ..errors import LogError
from ..recorder.control import ask
from ..storage.following import Following, Wanted
from ..storage.log import require_log
from ..storage.record import Record
from .tail_text import text_of_record
from .terminal import say, until_unwanted

__all__ = ["TailOptions", "tail"]

_LOOK_MILLISECONDS = 200


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What `homeiq tail` was asked for, as it was typed."""

    entity: str = ""
    source: str = ""
    event_type: str = ""
    number: int = 10
    as_json: bool = False

    @property
    def wanted(self) -> Wanted:
        """Which records are shown."""
        return Wanted(self.entity, self.source, self.event_type)


def tail(data_dir: Path, options: TailOptions) -> None:
    """Print the last events and then those that come, until Ctrl-C, SIGTERM, or until nobody reads any more.

    Raises HomeiqError.
    """
    require_log(data_dir)
    with until_unwanted():
        _follow(data_dir, options)


def _follow(data_dir: Path, options: TailOptions) -> None:
    """Print events until nobody reads them any more. Raises HomeiqError, BrokenPipeError."""
    stdout = select.poll()
    stdout.register(sys.stdout, 0)
    line = _as_json if options.as_json else _as_text(_width())
    following = Following(data_dir, options.wanted)
    _write(following.last(options.number), line)
    if not _recorder_runs(data_dir):
        say("no recorder runs here: events come once homeiq run or homeiq record does")
    passed_over = 0
    while True:
        for records in following.new():
            _write(records, line)
        for first, last in following.missing[passed_over:]:
            say(f"the records {first:,} to {last:,} are missing from the log: homeiq verify says more")
        passed_over = len(following.missing)
        if stdout.poll(_LOOK_MILLISECONDS):  # it tells of nothing but that the other end is closed
            return


def _write(records: list[Record], line: Callable[[Record], str]) -> None:
    sys.stdout.write("".join(map(line, records)))
    sys.stdout.flush()


def _as_json(record: Record) -> str:
    """Return the line that `homeiq export` would write."""
    return line_of(record).decode()


def _as_text(width: int | None) -> Callable[[Record], str]:
    """Return what makes a record's line, cut where a terminal of `width` cells would break it."""

    def line(record: Record) -> str:
        text = text_of_record(record, None)
        if width is not None and cell_len(text) > width:
            text = f"{set_cell_size(text, width - 1)}…"
        return f"{text}\n"

    return line


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _recorder_runs(data_dir: Path) -> bool:
    with suppress(LogError):
        return ask(data_dir, "position", timeout=5.0) is not None
    return True
