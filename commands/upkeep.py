"""`homeiq compact` and `homeiq forget`: what is done to the sealed log, also while a recorder records.

The recorder has the first done in the background as well (`--background`), at the lowest priority.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from ..clock import SystemClock, to_iso
from ..doctor.words import count as count_of
from ..errors import LogCorrupt, UsageError
from ..recorder.control import ask
from ..replayer.replay import home_zone
from ..settings import Settings
from ..storage.log import require_log
from ..storage.vanished import Forgotten
from .import_sink import Sink, noting, open_sink
from .terminal import Display, long_work, print_json, print_line, say
from .times import parse_time

if TYPE_CHECKING:
    from ..storage.removal import Removed

__all__ = ["compact", "forget"]

_AGAIN = "the log is whole; run it again: what is done already stays"
_FORGET_AGAIN = "some of it may be in the log still; run it again"

_ENOUGH = 8
"""In the background small segments are merged once there are so many, or as much as one segment takes."""


def compact(settings: Settings, *, as_json: bool, background: bool) -> None:
    """Seal the tail, merge small segments, let expire what the settings say. Raises LogError."""
    from ..storage.maintenance import compact as compact_log
    from ..storage.removal import expire, rules_of

    data_dir = settings.data_dir
    require_log(data_dir)
    if background:
        _step_back()
    with long_work(_AGAIN) as display, open_sink(data_dir, threading.Event(), "homeiq compact") as sink:
        watch = _watch(display)
        begun = _unfinished(data_dir)
        if begun or not background:
            sink.rotate()
        sealed, merged = compact_log(data_dir, least=_ENOUGH if background else 2, watch=watch)
        for meant in begun:
            try:
                _forget(data_dir, meant, sink, display)
            except LogCorrupt as error:  # all else is done; it is tried again once that is mended
                say(str(error))
        gone = expire(data_dir, rules_of(settings.retention), SystemClock().now(), noting(sink), watch=watch)
    if as_json:
        names = {"sealed": [str(name.path) for name in sealed], "merged": [str(name.path) for name in merged]}
        print_json({**names, "expired": asdict(gone)})
        return
    records = sum(name.last - name.first + 1 for name in sealed)
    line = f"sealed {count_of(records, 'record')} into {count_of(len(sealed), 'segment')};"
    line += f" merged small segments into {len(merged)}"
    if gone.records or gone.whole_segments:
        line += f"; {count_of(gone.records, 'record')} expired, {count_of(gone.whole_segments, 'segment')} went whole"
    print_line(line)


def _step_back() -> None:
    """Take the lowest priority for processor and disk."""
    os.nice(19)
    with suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).syscall(_IOPRIO_SET[os.uname().machine], 1, 0, _IDLE)


_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "armv7l": 314, "armv6l": 314}
_IDLE = 3 << 13


def _watch(display: Display) -> Callable[[str, int, int], None]:
    return lambda what, done, total: display.show(what, done, total=total)


def forget(settings: Settings, entity: str, since: str | None, until: str | None, *, yes: bool, as_json: bool) -> None:
    """Make blank rows of an entity's records, leaving nothing of them. Raises HomeiqError."""
    from ..storage.view import LogView

    data_dir = settings.data_dir
    require_log(data_dir)
    if not entity.strip():
        raise UsageError("--entity must name entities", hint="such as person.guest or device_tracker.*")
    zone = ZoneInfo("UTC") if since is until is None else home_zone(data_dir)
    now = SystemClock().now()
    start, end = parse_time(since, zone, now, "--since"), parse_time(until, zone, now, "--until")
    if start is not None and end is not None and start >= end:
        raise UsageError("--since is not before --until")
    with long_work("nothing was forgotten") as display:
        found = _found(data_dir, entity, start, end, display)
    if not yes:
        _confirm(found, entity, start, end)
    facts = {"entity": entity, "since": start, "until": end}
    with long_work(_FORGET_AGAIN) as display, open_sink(data_dir, threading.Event(), "homeiq forget") as sink:
        noting(sink)("forgetting", {**facts, "records": sum(found.values())})
        sink.rotate()
        begun = LogView(data_dir, lacking=True).vanished.unfinished
        (meant,) = (one for one in begun if (one.entity, one.since, one.until) == (entity, start, end))
        gone = _forget(data_dir, meant, sink, display)
    if ask(data_dir, "position") is None:
        _forget_cached(data_dir, entity)
    quarantined = sum(path.suffix != ".note" for path in data_dir.glob("quarantine/*"))
    if as_json:
        print_json(
            {
                **facts,
                "records": gone.records,
                "segments": gone.segments,
                "entities": len(found),
                "quarantined_files": quarantined,
            }
        )
        return
    print_line(
        f"forgot {count_of(gone.records, 'record')} of {count_of(len(found), 'entity', 'entities')}"
        f" in {count_of(gone.segments, 'segment')};"
        " their points go with the next replay, or by the running follower"
    )
    if quarantined:
        print_line(f"{quarantined:,} files in {data_dir / 'quarantine'} were not looked into: delete them if need be")


def _forget(data_dir: Path, meant: Forgotten, sink: Sink, display: Display) -> Removed:
    """Forget what was recorded before somebody said that it should go, and let the log say so."""
    from ..storage.forgetting import forget as forget_records
    from ..storage.view import LogView

    of = meant.entity, meant.since, meant.until, meant.before

    def told(records: int, left: bool) -> None:
        said = LogView(data_dir, lacking=True).vanished.forgotten
        if left and not records and any((one.entity, one.since, one.until, one.before) == of for one in said):
            return  # it has been said, and nothing has changed since
        facts = dict(zip(("entity", "since", "until", "before"), of, strict=True))
        noting(sink)("forgotten", facts | ({"records": records, "left": True} if left else {"records": meant.records}))
        sink.forget(meant.matches)

    gone = forget_records(
        data_dir,
        meant.matches,
        meant.since,
        meant.until,
        before=meant.before,
        watch=_watch(display),
        told=told,
    )
    return replace(gone, records=max(gone.records, meant.records))


def _unfinished(data_dir: Path) -> tuple[Forgotten, ...]:
    """Return what was begun to be forgotten, and has not come to its end; nothing where the log can't say all it knows."""
    from ..storage.view import LogView

    begun = LogView(data_dir, lacking=True).vanished.unfinished
    try:
        return begun and LogView(data_dir).vanished.unfinished
    except LogCorrupt as error:
        say(f"what was begun to be forgotten waits until the log is mended: {error}")
        return ()


def _found(data_dir: Path, entity: str, since: int | None, until: int | None, display: Display) -> dict[str, int]:
    """Return the entities that are meant, and how many records each has."""
    from ..storage.reader import times_of
    from ..storage.view import LogView

    found: dict[str, int] = {}
    view = LogView(data_dir, lacking=True)  # what is damaged is said when it is come to
    done = 0
    for table in view.scan(["entity_id", "time"], start=since, end=until):
        done += table.num_rows
        display.show("looked through", done, total=view.last_seq)
        for name, _ in times_of(table):
            if fnmatchcase(name, entity):
                found[name] = found.get(name, 0) + 1
    return found


def _confirm(found: Mapping[str, int], entity: str, since: int | None, until: int | None) -> None:
    begin = "the beginning" if since is None else f"{to_iso(since)[:19]}Z"
    end = "now" if until is None else f"{to_iso(until)[:19]}Z"
    names = ", ".join(sorted(found)[:5]) + (", …" if len(found) > 5 else "")
    click.echo(
        f"{entity} is {count_of(len(found), 'entity', 'entities')} ({names}): {count_of(sum(found.values()), 'record')}.",
        err=True,
    )
    if not click.confirm(f"Forget all of them from {begin} to {end}? This can't be undone", err=True):
        raise UsageError("nothing was forgotten", hint="answer y, or say --yes")


def _forget_cached(data_dir: Path, entity: str) -> None:
    """Take the names out of what the recorder keeps for its next start."""
    path = data_dir / "recorder.sqlite"
    if path.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = ON")
            database.create_function("meant", 1, lambda name: fnmatchcase(name, entity))
            database.execute("DELETE FROM entity WHERE meant(entity_id)")
