"""What `homeiq status --watch` knows each second: the control socket, the ledger, a file of the doctor's; nothing heavy.

What takes longer (gaps, stale windows with their reasons, what a target can't do) is asked for rarely, of `homeiq status
--json` in a process of its own: the screen never waits for it, and this process stays small.
"""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import orjson

from ..clock import SECOND, Clock, from_iso
from ..recorder.control import facts_of
from ..recorder.views import STALE_SECONDS, views_folder
from ..replayer.overview import ledger_to_read, progress_of

__all__ = ["Heavy", "Live", "TargetNow", "View"]

HEAVY_SECONDS: Final = 60.0
_SOON: Final = 5.0
"""The second look comes so soon: what has only just been started may not have been there at the first."""

_RATE_SECONDS: Final = 10.0
_PATIENCE: Final = 2.0


@dataclass(slots=True)
class TargetNow:
    """How far a target is now. `position` is None while the ledger can't be read; `rate` is in records a second."""

    title: str
    position: int | None
    rate: float
    stale: int
    requests: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class View:
    """All that the screen shows. Rates are in events a second; ages in seconds, None where there is nothing."""

    now: int
    data_dir: Path
    recorder: Mapping[str, Any] | None
    rate: float | None
    rates: Mapping[str, float]
    targets: list[TargetNow]
    heavy: Mapping[str, Any] | None
    heavy_age: float | None
    heavy_problem: str
    doctor: str
    doctor_age: float | None


class Heavy:
    """Has `homeiq status --json` run from time to time."""

    def __init__(self, command: Sequence[str], clock: Clock, seconds: float = HEAVY_SECONDS) -> None:
        self.facts: Mapping[str, Any] | None = None
        self.at: float | None = None
        self.problem = ""
        self._command = command
        self._clock = clock
        self._seconds = seconds
        self._due = float("-inf")
        self._wait = min(seconds, _SOON)
        self._child: subprocess.Popen[bytes] | None = None
        self._said: tuple[IO[bytes], IO[bytes]] | None = None

    def look(self) -> None:
        """Take what has come, and ask again where it has become old."""
        now = self._clock.monotonic()
        if self._child is None and now >= self._due:
            self._due, self._wait = now + self._wait, self._seconds
            self._said = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115 (held until it is read)
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=self._said[0], stderr=self._said[1], process_group=0
            )
        elif self._child is not None and self._child.poll() is not None and self._said is not None:
            out, errors = self._said
            self._take(_content(out), _content(errors).decode("utf-8", "replace"))
            self._child = self._said = None

    def _take(self, out: bytes, errors: str) -> None:
        try:
            self.facts, self.at, self.problem = orjson.loads(out), self._clock.monotonic(), ""
        except orjson.JSONDecodeError:
            said = errors.strip().splitlines()
            self.problem = said[-1].removeprefix("homeiq: ") if said else "it said nothing"

    def close(self) -> None:
        """End what runs still."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        for file in self._said or ():
            file.close()
        self._child = self._said = None


def _content(file: IO[bytes]) -> bytes:
    with file:
        file.seek(0)
        return file.read()


class _Rate:
    """How fast a number grows, over the last ten seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, count: int) -> float | None:
        """Take the number at `now` (seconds), and return its growth a second; None at first, and where it fell."""
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, count))
        while now - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        began, first = self._seen[0]
        return (count - first) / (now - began) if now > began else None


class Live:
    """Looks each time it is asked."""

    def __init__(self, data_dir: Path, heavy: Heavy, clock: Clock) -> None:
        self._data_dir = data_dir
        self._heavy = heavy
        self._clock = clock
        self._rates: dict[tuple[str, str], _Rate] = {}

    def view(self) -> View:
        """Return how it is now."""
        self._heavy.look()
        moment = self._clock.monotonic()
        recorder = facts_of(self._data_dir, timeout=_PATIENCE)
        counts: dict[str, int] = {}
        for one in (recorder or {}).get("events", ()):
            counts[one["source"]] = counts.get(one["source"], 0) + one["count"]
        rates = {name: self._rate("source", name, count) for name, count in counts.items()}
        running = recorder is not None and "durable_seq" in recorder
        doctor, doctor_age = self._doctor()
        heavy = self._heavy
        return View(
            self._clock.now(),
            self._data_dir,
            recorder,
            self._rate("", "", sum(counts.values())) if running else None,
            {name: rate for name, rate in rates.items() if rate is not None},
            self._targets(),
            heavy.facts,
            None if heavy.at is None else moment - heavy.at,
            heavy.problem,
            doctor,
            doctor_age,
        )

    def _rate(self, kind: str, name: str, count: int) -> float | None:
        return self._rates.setdefault((kind, name), _Rate()).note(self._clock.monotonic(), count)

    def _targets(self) -> list[TargetNow]:
        return [self._target(one["name"], one["title"]) for one in (self._heavy.facts or {}).get("targets", ())]

    def _target(self, name: str, title: str) -> TargetNow:
        found = TargetNow(title, None, 0.0, 0)
        with suppress(sqlite3.Error), ledger_to_read(self._data_dir) as ledger:
            progress = progress_of(ledger, name)
            found.stale = sum(progress["windows"].get(state, 0) for state in ("stale", "writing"))
            found.requests = [(one["done"], one["windows"], one["message"]) for one in progress["requests"]]
            found.position = int(progress["position"])
            found.rate = self._rate("target", name, found.position) or 0.0
        return found

    def _doctor(self) -> tuple[str, float | None]:
        """Return the doctor's answer, where the second process of `run` writes one, and how old it is."""
        try:
            said = orjson.loads((views_folder(self._data_dir) / "doctor.json").read_bytes())
            age = (self._clock.now() - from_iso(said["at"])) / SECOND
            return (str(said["answer"]), age) if age < STALE_SECONDS else ("", None)
        except (OSError, ValueError, KeyError, TypeError):
            return "", None
