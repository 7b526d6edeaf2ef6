"""Home Assistant's own recorder database (SQLite) → events, in the order of their times.

It is opened read-only, and may be written to meanwhile: each question is short, so that Home Assistant is never kept from
tidying up. First the ids of all rows are put in the order of their times, in a temporary file of SQLite; then the rows are
read in that order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson

from ..errors import LogError, UsageError
from ..storage.record import Event
from ..storage.spool import Bad
from ..verbatim import loads
from .ha_rows import BadRow, event_event, microseconds, state_event, statistic_event
from .ha_schema import REQUIRED, Questions, questions

__all__ = ["HomeAssistantDatabase"]

_PAGE: Final = 5_000
_ROWS: Final = 500
_LOOKED_AT: Final = 200
"""In so many pages of the newest states device classes are looked for: an entity that is not there may have none."""

_KINDS: Final = ("state", "event", "statistic")


class HomeAssistantDatabase:
    """A recorder database, read-only."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError if the file cannot be opened, or is none of Home Assistant's recorder."""
        self._path = path
        if not path.is_file():
            raise UsageError(f"there is no file {path}", hint="name Home Assistant's home-assistant_v2.db")
        try:
            self._database = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=30.0, isolation_level=None
            )
            self._database.text_factory = _text
            columns = self._columns()
        except sqlite3.Error as error:
            raise UsageError(
                f"{path} cannot be read as a database of Home Assistant ({error})",
                hint="name its home-assistant_v2.db, in a folder that you may write to",
            ) from None
        if REQUIRED not in columns:
            self._database.close()
            raise UsageError(
                f"{path} is no database of Home Assistant's recorder, as it has no table {REQUIRED}",
                hint="name its home-assistant_v2.db",
            )
        self._questions: dict[str, Questions] = {one.kind: one for one in questions(columns)}

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def __enter__(self) -> HomeAssistantDatabase:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def prepare(self) -> Iterator[int]:
        """Put all rows in the order of their times; yields how many it knows of so far. Raises LogError."""
        try:
            self._database.execute("CREATE TEMP TABLE placed (time INTEGER, kind INTEGER, id INTEGER)")
            count = 0
            for number, kind in enumerate(_KINDS):
                question = self._questions.get(kind)
                after = -1
                while question is not None:
                    page = self._database.execute(question.order, (after, _PAGE)).fetchall()
                    if not page:
                        break
                    self._database.execute("BEGIN")
                    self._database.executemany(
                        "INSERT INTO placed VALUES (?, ?, ?)", [(_time(row), number, row[0]) for row in page]
                    )
                    self._database.execute("COMMIT")
                    after = page[-1][0]
                    count += len(page)
                    yield count
            self._database.execute("CREATE TEMP TABLE ordered AS SELECT kind, id FROM placed ORDER BY time, kind, id")
            self._database.execute("DROP TABLE placed")
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def events(self, now: int) -> Iterator[Event | Bad]:
        """Yield the events in the order of their times, after `prepare`; what cannot become one is Bad. Raises LogError.

        A row that Home Assistant has removed meanwhile is passed over.
        """
        try:
            classes = self._device_classes()
            for page in self._pages("SELECT rowid, kind, id FROM ordered WHERE rowid > ? ORDER BY rowid LIMIT ?", 0):
                yield from self._events_of([(kind, one) for _, kind, one in page], classes, now)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _events_of(
        self, page: Sequence[tuple[int, int]], classes: Mapping[str, str], now: int
    ) -> Iterator[Event | Bad]:
        found: dict[tuple[int, int], Sequence[Any]] = {}
        for number, kind in enumerate(_KINDS):
            ids = [one for of, one in page if of == number]
            if ids:
                sql = self._questions[kind].rows.format(ids=",".join(map(str, ids)))
                found |= {(number, row[0]): row for row in self._database.execute(sql).fetchall()}
        for key in page:
            row = found.get(key)
            if row is None:
                continue
            kind = _KINDS[key[0]]
            try:
                if kind == "state":
                    yield state_event(row, now)
                elif kind == "event":
                    yield event_event(row, now)
                else:
                    yield statistic_event(row, now, classes.get(row[1]))
            except BadRow as error:
                yield Bad(f"{kind} {key[1]}", str(error), _shown(row))

    def _device_classes(self) -> dict[str, str]:
        """Return what the newest state of each entity that has statistics says of its device class."""
        if "statistic" not in self._questions:
            return {}
        names = {row[0] for row in self._database.execute("SELECT DISTINCT statistic_id FROM statistics_meta")}
        classes: dict[str, str] = {}
        newest = "SELECT rowid, id FROM ordered WHERE kind = 0 AND rowid < ? ORDER BY rowid DESC LIMIT ?"
        for number, page in enumerate(self._pages(newest, 2**62)):
            if not names or number == _LOOKED_AT:
                break
            sql = self._questions["state"].rows.format(ids=",".join(str(row[1]) for row in page))
            for row in self._database.execute(sql).fetchall():
                if row[1] in names and (said := _device_class(row[3])):
                    classes.setdefault(row[1], said)
                    names.discard(row[1])
        return classes

    def _pages(self, sql: str, place: int) -> Iterator[list[Any]]:
        """Yield rows in pages, behind or before a rowid: no question stays open, which would keep the database's log."""
        while page := self._database.execute(sql, (place, _ROWS)).fetchall():
            yield page
            place = page[-1][0]

    def _columns(self) -> dict[str, frozenset[str]]:
        tables = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: frozenset(row[1] for row in self._database.execute(f'PRAGMA table_info("{name}")'))
            for (name,) in tables
        }

    def _unreadable(self, error: sqlite3.Error) -> LogError:
        return LogError(
            f"{self._path} could not be read to its end ({error})",
            hint="what was read is imported; make a sound copy with the command `sqlite3 FILE .recover`",
        )


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _time(row: Sequence[Any]) -> int:
    try:
        return microseconds(row[1], row[2])
    except BadRow:
        return 0


def _device_class(attributes: Any) -> str | None:
    try:
        said = loads(attributes).get("device_class")
    except (ValueError, TypeError, AttributeError):
        return None
    return said if isinstance(said, str) else None


def _shown(row: Sequence[Any]) -> str:
    return orjson.dumps([value.hex() if isinstance(value, bytes) else value for value in row], default=str).decode()
