"""What was projected to which target: the only memory of a replay, in `ledger.sqlite`.

For each target, window (one UTC day of point time) and normalizer there is one state:

    writing    a replay of this window is under way: entered, durably, before its first byte is sent
    done       the target has confirmed everything that the window's records up to `log_end` make
    live       the follower writes points into it as they come; what is up to the target's position is confirmed
    stale      it must be replayed, for the reason given

`counter` is that of the target's marker when the window was last written to: a target that comes back from a copy with a
smaller one lacks what was written since. `fingerprint` is empty while nothing was ever written into the window, and SEVERAL
when more than one wrote into it, or followed the log, since it was last replayed as a whole: `--stale` redoes it.

`writing` found at a start means stale: so every crash heals by running again. The position of a target moves only after
the target has confirmed. Times are microseconds UTC.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, replace
from pathlib import Path

from ..errors import LogNotWritable
from .failures import SCHEMA, Failing, Failure, Failures, add_failures, read_failures, set_failure
from .ledger_rows import MINGLED, REQUESTS, SEVERAL, VERSION, DeadLetter, Request, WindowState
from .ledger_rows import SCHEMA as TABLES

__all__ = ["Ledger", "WindowState", "Request", "DeadLetter"]


class Ledger:
    """The entries of one target. Each method is one durable transaction; it raises LogNotWritable where the disk is full.

    Transactions of several threads come one after the other.
    """

    def __init__(self, data_dir: Path, target: str) -> None:
        """Open, or make, the ledger; raises LogNotWritable."""
        self.target = target
        self._one_at_a_time = threading.Lock()
        self._met: dict[str, set[str]] = {}
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(
                data_dir / "ledger.sqlite", timeout=30, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._forget_other_versions()
            self._database.executescript(TABLES + SCHEMA)
            self._database.execute("INSERT OR IGNORE INTO target (name) VALUES (?)", (target,))
            self._database.execute(
                "INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)", (uuid.uuid4().hex,)
            )
        except (sqlite3.Error, OSError) as error:
            raise LogNotWritable(
                f"the ledger cannot be written ({error})", hint=f"make room or give write permission in {data_dir}"
            ) from None

    @classmethod
    def for_reading(cls, data_dir: Path, target: str) -> Ledger | None:
        """Return the entries of a target, to be read and nothing else; None where nothing was ever entered of it.

        Nothing is made or changed, and nobody waits for it. Raises LogNotWritable where the file is none of ours.
        """
        path = (data_dir / "ledger.sqlite").absolute()
        if not path.exists():
            return None
        ledger = cls.__new__(cls)
        ledger.target, ledger._one_at_a_time, ledger._met = target, threading.Lock(), {}
        try:
            ledger._database = sqlite3.connect(
                f"{path.as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None, check_same_thread=False
            )
            (version,) = ledger._database.execute("PRAGMA user_version").fetchone()
            known = (
                version == VERSION
                and ledger._database.execute("SELECT 1 FROM target WHERE name = ?", (target,)).fetchone()
            )
        except sqlite3.Error as error:
            with suppress(AttributeError):
                ledger.close()
            hint = f"move {path} away: it is made anew from log and target"
            raise LogNotWritable(f"the ledger cannot be read ({error})", hint=hint, place=str(path)) from None
        if known:
            return ledger
        ledger.close()
        return None

    def _forget_other_versions(self) -> None:
        """A ledger of another layout is begun anew: the log has everything, the target is read back and compared."""
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            for table in ("adopted", "target", "window", "request", "dead_letter", "away", "failure"):
                self._database.execute(f"DROP TABLE IF EXISTS {table}")
            self._database.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._one_at_a_time:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise LogNotWritable(f"the ledger cannot be written ({error})", hint="make room on its disk") from None
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._database.in_transaction:  # some errors, such as a full disk, have ended it already
            self._database.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def position(self) -> int:
        """The follower has accounted for all records up to this seq: written, or their windows are stale."""
        row = self._database.execute("SELECT position FROM target WHERE name = ?", (self.target,)).fetchone()
        return int(row[0])

    def advance(self, position: int, stale: Iterable[tuple[int, str, str]], failures: Failures | None = None) -> None:
        """Move the position, mark windows (start, normalizer, reason) stale, and count failures: all or nothing."""
        with self._transaction():
            add_failures(self._database, self.target, failures or {})
            self._mark_stale(stale)
            self._database.execute("UPDATE target SET position = ? WHERE name = ?", (position, self.target))

    @property
    def id(self) -> str:
        """What tells this ledger from every other."""
        return str(self._database.execute("SELECT id FROM identity").fetchone()[0])

    @property
    def counter(self) -> int:
        """The counter of the target's marker as it was last set; 0 if there was none yet."""
        row = self._database.execute("SELECT counter FROM target WHERE name = ?", (self.target,)).fetchone()
        return int(row[0])

    @property
    def was_empty(self) -> bool:
        """The target held nothing of ours when its marker was set: what was never written there needs no reading."""
        row = self._database.execute("SELECT was_empty FROM target WHERE name = ?", (self.target,)).fetchone()
        return bool(row[0])

    def count(self, counter: int) -> None:
        """Enter, before the marker is set, the counter that it will have."""
        with self._transaction():
            self._database.execute("UPDATE target SET counter = ? WHERE name = ?", (counter, self.target))

    def begin_anew(self, *, empty: bool, reason: str) -> None:
        """Nothing that was written to the target counts any more; `empty`: there is nothing of ours in it."""
        with self._transaction():
            self._database.execute("UPDATE target SET was_empty = ? WHERE name = ?", (empty, self.target))
            self._database.execute(
                "UPDATE window SET reason = ?, state = 'stale', log_end = 0, fingerprint = CASE WHEN ? THEN '' ELSE"
                " fingerprint END WHERE target = ?",
                (reason, empty, self.target),
            )
            if empty:
                self._database.execute("DELETE FROM adopted WHERE target = ?", (self.target,))

    def adopt(self, until: int) -> None:
        """Enter that the target was taken over: another log's points may lie in windows that begin before `until`."""
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO adopted VALUES (?, ?)", (self.target, until))

    @property
    def adopted_until(self) -> int | None:
        """See `adopt`; None for a target that was not taken over."""
        row = self._database.execute("SELECT until FROM adopted WHERE target = ?", (self.target,)).fetchone()
        return None if row is None else int(row[0])

    def spares(self, start: int) -> bool:
        """Tell whether what is left over in a window is to stay, because it may be another log's."""
        return start < (self.adopted_until or start)

    def written_since(self, counter: int) -> list[WindowState]:
        """Return the windows that were written to when the marker's counter was `counter` or greater."""
        return [window for window in self.windows() if window.counter >= counter and window.fingerprint]

    def measurements(self, normalizer: str) -> list[str]:
        """Return to which measurements a normalizer has ever written."""
        rows = self._database.execute(
            "SELECT name FROM measurement WHERE target = ? AND normalizer = ? ORDER BY name", (self.target, normalizer)
        )
        return [str(row[0]) for row in rows]

    def normalizers(self) -> set[str]:
        """Return the normalizers that have ever written to the target."""
        rows = self._database.execute("SELECT DISTINCT normalizer FROM measurement WHERE target = ?", (self.target,))
        return {str(row[0]) for row in rows}

    def introduce(
        self, normalizer: str, measurements: Iterable[str], stale: Iterable[tuple[int, str, str]] = ()
    ) -> None:
        """Enter to which measurements a normalizer writes, and windows (start, normalizer, reason) for which it is late."""
        with self._transaction():
            self._mark_stale(stale)
            self._database.executemany(
                "INSERT OR IGNORE INTO measurement VALUES (?, ?, ?)",
                [(self.target, normalizer, measurement) for measurement in measurements],
            )

    def meet(self, normalizer: str, measurements: set[str]) -> bool:
        """Enter measurements of points before their first byte is sent; tell whether one of them was not known."""
        if normalizer not in self._met:
            self._met[normalizer] = set(self.measurements(normalizer))
        new = measurements - self._met[normalizer]
        if new:
            self.introduce(normalizer, sorted(new))
            self._met[normalizer] |= new
        return bool(new)

    def go_away(self, normalizers: Iterable[str], position: int) -> None:
        """Enter that the log is followed without these, from a position on where that is not entered yet."""
        rows = [(self.target, name, position) for name in normalizers]
        with self._transaction():
            self._database.executemany("INSERT OR IGNORE INTO away VALUES (?, ?, ?)", rows)

    def away_since(self, normalizer: str) -> int | None:
        """Return the position from which on the log was followed without a normalizer; None if it always was with it."""
        where = (self.target, normalizer)
        row = self._database.execute("SELECT position FROM away WHERE target = ? AND normalizer = ?", where).fetchone()
        return None if row is None else int(row[0])

    def come_back(self, normalizer: str, stale: Iterable[tuple[int, str, str]]) -> None:
        """Enter that a normalizer is there again, and which windows (start, normalizer, reason) lack something of it."""
        with self._transaction():
            self._mark_stale(stale)
            self._database.execute("DELETE FROM away WHERE target = ? AND normalizer = ?", (self.target, normalizer))

    def settle_failure(self, normalizer: str, start: int, failure: Failure | None) -> None:
        """Enter on how many records of a window a normalizer failed, now that it was replayed as a whole."""
        with self._transaction():
            set_failure(self._database, self.target, (normalizer, start), failure)

    def failing(self, since: int | None = None, until: int | None = None) -> list[Failing]:
        """Return the normalizers that fail on records of windows that overlap [since, until)."""
        return read_failures(self._database, self.target, since, until)

    def mark_stale(self, windows: Iterable[tuple[int, str, str]]) -> None:
        """Mark windows (start, normalizer, reason) stale; the first reason stays."""
        with self._transaction():
            self._mark_stale(windows)

    def _mark_stale(self, windows: Iterable[tuple[int, str, str]]) -> None:
        self._database.executemany(
            "INSERT INTO window VALUES (?, ?, ?, 'stale', '', 0, ?, 0) ON CONFLICT DO UPDATE"
            " SET reason = CASE state WHEN 'stale' THEN reason ELSE excluded.reason END, state = 'stale'",
            [(self.target, *window) for window in windows],
        )

    def enter(self, start: int, normalizer: str, state: str, fingerprint: str, log_end: int) -> None:
        """Set a window's state: `writing` or `live` before the first byte, `done` after the last confirmation.

        What comes live is added to what is there: so the fingerprint of a window that another wrote becomes SEVERAL.
        """
        added = MINGLED if state == "live" else ":fingerprint"
        with self._transaction():
            self._database.execute(
                "INSERT INTO window SELECT name, :start, :normalizer, :state, :fingerprint, :log_end, '', counter"
                " FROM target WHERE name = :target ON CONFLICT DO UPDATE SET state = :state,"
                f" fingerprint = {added}, log_end = :log_end, reason = '', counter = excluded.counter",
                {**self._of(start, normalizer, fingerprint), "state": state, "log_end": log_end},
            )

    def windows(self, state: str | None = None, normalizer: str | None = None) -> list[WindowState]:
        """Return the windows in this state and of this normalizer, or of all, oldest first."""
        rows = self._database.execute(
            "SELECT start, normalizer, state, fingerprint, log_end, reason, counter FROM window WHERE target = ?"
            " AND (? IS NULL OR state = ?) AND (? IS NULL OR normalizer = ?) ORDER BY start, normalizer",
            (self.target, state, state, normalizer, normalizer),
        )
        return [WindowState(*row) for row in rows]

    def window(self, start: int, normalizer: str) -> WindowState | None:
        """Return one window."""
        return next((one for one in self.windows(normalizer=normalizer) if one.start == start), None)

    def touched(self, windows: Iterable[tuple[int, str]]) -> None:
        """Enter that windows (start, normalizer) were written to under the present counter."""
        with self._transaction():
            self._database.executemany(
                "UPDATE window SET counter = (SELECT counter FROM target WHERE name = ?1)"
                " WHERE target = ?1 AND start = ?2 AND normalizer = ?3",
                [(self.target, start, normalizer) for start, normalizer in windows],
            )

    def add_writer(self, start: int, normalizer: str, fingerprint: str) -> None:
        """Enter, before the first byte, that some points are written into a window whose state stays as it is.

        So it is known later that it is to be read back, and whether another wrote into it too.
        """
        with self._transaction():
            self._database.execute(
                f"UPDATE window SET fingerprint = {MINGLED}"
                " WHERE target = :target AND start = :start AND normalizer = :normalizer",
                self._of(start, normalizer, fingerprint),
            )

    def _of(self, start: int, normalizer: str, fingerprint: str) -> dict[str, object]:
        return {"target": self.target, "start": start, "normalizer": normalizer, "fingerprint": fingerprint}

    def interrupted(self) -> None:
        """Make stale what was being written when the last process ended; only the holder of the target's lock may."""
        reason = "a replay of it was interrupted"
        self.mark_stale([(window.start, window.normalizer, reason) for window in self.windows("writing")])

    def ask(self, scope: str) -> int:
        """Ask the follower for a replay; return the number of the request."""
        with self._transaction():
            cursor = self._database.execute(
                "INSERT INTO request (target, scope, state) VALUES (?, ?, 'waiting')",
                (self.target, scope),
            )
        return int(cursor.lastrowid or 0)

    def requests(self, *states: str) -> list[Request]:
        """Return this target's requests in these states, oldest first."""
        marks = ",".join("?" * len(states))
        where = f"target = ? AND state IN ({marks})"
        rows = self._database.execute(f"{REQUESTS} WHERE {where} ORDER BY id", (self.target, *states))
        return [Request(*row) for row in rows]

    def request(self, number: int) -> Request | None:
        """Return one request."""
        return next((Request(*row) for row in self._database.execute(f"{REQUESTS} WHERE id = ?", (number,))), None)

    def report(
        self,
        number: int,
        state: str,
        *,
        windows: Sequence[int] = (0, 0),
        days: int = 0,
        events: int = 0,
        points: int = 0,
        message: str = "",
    ) -> None:
        """Say how far a request is: `windows` are done and all, on so many `days`."""
        with self._transaction():
            self._database.execute(
                "UPDATE request SET state = ?, windows_done = ?, windows = ?, days = ?, events = ?, points = ?,"
                " message = ? WHERE id = ?",
                (state, windows[0], windows[1], days, events, points, message, number),
            )

    def set_aside(self, letters: Iterable[DeadLetter]) -> None:
        """Keep lines that the target refused."""
        now = time.time_ns() // 1000
        rows = [(self.target, *astuple(replace(letter, at=now))) for letter in letters]
        with self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the lines that the target refused, in order of seq."""
        rows = self._database.execute(
            "SELECT normalizer, seq, time, line, reason, fingerprint, at FROM dead_letter WHERE target = ?"
            " ORDER BY seq, time, line",
            (self.target,),
        )
        return [DeadLetter(*row) for row in rows]

    def count_letters(self) -> int:
        """Return how many lines the target refused."""
        row = self._database.execute("SELECT count(*) FROM dead_letter WHERE target = ?", (self.target,)).fetchone()
        return int(row[0])

    def forget_letters(self, normalizer: str, start: int, end: int) -> None:
        """Forget the lines of times in [start, end), which are about to be tried again."""
        with self._transaction():
            self._database.execute(
                "DELETE FROM dead_letter WHERE target = ? AND normalizer = ? AND time >= ? AND time < ?",
                (self.target, normalizer, start, end),
            )

    def leave_behind(self, normalizer: str, fingerprint: str) -> None:
        """Enter that one with this fingerprint follows the log: whoever wrote other windows does not keep them up."""
        change = "UPDATE window SET fingerprint = ? WHERE target = ? AND normalizer = ? AND fingerprint NOT IN ('', ?)"
        with self._transaction():
            self._database.execute(change, (SEVERAL, self.target, normalizer, fingerprint))

    def restore(self, window: WindowState) -> None:
        """Set a window's state back to what it was; who wrote into it meanwhile stays known."""
        with self._transaction():
            self._database.execute(
                "UPDATE window SET state = ?, log_end = ?, reason = ? WHERE target = ? AND start = ? AND normalizer = ?",
                (window.state, window.log_end, window.reason, self.target, window.start, window.normalizer),
            )
