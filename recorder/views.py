"""What others have found out about log, ledger and target, read from `views/*.json`: the recorder never computes it.

The process that follows the log replaces these files (commands/publishing.py). Each holds an object with `at`, ISO 8601
in UTC: when it was made. One that is missing says nothing, one that is older than three minutes is stale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from ..clock import SECOND, Clock

__all__ = ["STALE_SECONDS", "View", "Views", "views_folder"]

STALE_SECONDS: Final = 180.0

_NAME: Final = re.compile(r"[a-z0-9_-]{1,80}\.json")
_MOST_FILES: Final = 40
_MOST_BYTES: Final = 4_000_000


def views_folder(data_dir: Path) -> Path:
    """Return where the views of a data folder are."""
    return data_dir / "views"


@dataclass(frozen=True, slots=True)
class View:
    """One file: `content` is JSON in one line, `made_at` microseconds UTC; `version` grows with each change."""

    name: str
    content: bytes
    made_at: int
    version: int

    def age(self, now: int) -> float:
        """Return how many seconds old it is; a clock that was put back makes nothing younger than new."""
        return max(0.0, (now - self.made_at) / SECOND)


class Views:
    """The views of a data folder, as they were when somebody last looked."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self.known: Mapping[str, View] = {}
        self._folder = views_folder(data_dir)
        self._clock = clock
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._version = 0

    def look(self) -> None:
        """Read what has changed; blocks on the disk. What cannot be read, or is no view, is as if it were missing."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))[:_MOST_FILES]
        except OSError:
            paths = []
        known: dict[str, View] = {}
        for path in paths:
            view = self._read(path)
            if view is not None:
                known[view.name] = view
        self.known = known

    def ages(self) -> dict[str, Any]:
        """Return by name how old each view is, and whether it is stale."""
        now = self._clock.now()
        return {
            name: {"age_seconds": round(view.age(now), 3), "stale": view.age(now) > STALE_SECONDS}
            for name, view in self.known.items()
        }

    def _read(self, path: Path) -> View | None:
        name = path.stem
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            before = self.known.get(name)
            if before is not None and self._seen.get(name) == stamp:
                return before
            if status.st_size > _MOST_BYTES:
                return None
            content = orjson.loads(path.read_bytes())
            made_at = datetime.fromisoformat(content["at"])
            microseconds = round(made_at.timestamp() * SECOND)
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None
        self._seen[name] = stamp
        self._version += 1
        return View(name, orjson.dumps(content), microseconds, self._version)
