"""`views/*.json`: what the status page shows of log, ledger, target and doctor, made by the process that follows the log.

    target-<name>.json   each second, by each target's follower: how far it is, what is stale, what was refused
    coverage.json        each minute, by the first target's follower: sources, gaps, events by source and origin
    doctor.json          the same: the diagnosis

It is done beside following, in threads of its own. What fails is said once, and tried again; following goes on.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from ..clock import DAY, Clock, to_iso
from ..recorder.views import views_folder
from ..replayer.delivery import Delivery
from ..replayer.overview import failures_of, ledger_to_read, progress_of
from ..replayer.targets.base import Target
from ..settings import Settings
from ..storage.files import Files
from .coverage import Coverage

__all__ = ["Publisher", "view_of_target"]

_log = logging.getLogger(__name__)

_PROGRESS_SECONDS: Final = 1.0
_FAILURES_EACH: Final = 5
_MINUTE: Final = 60.0
_SOON: Final = 10.0
"""After so long the first diagnosis, of a process that had just begun, is replaced."""

_END_SECONDS: Final = 3.0
_ANEW: Final = DAY
"""So often the coverage is read anew: what was forgotten or has expired meanwhile is not counted any more."""


def view_of_target(name: str) -> str:
    """Return the name of the view of a target, given its name in the settings."""
    plain = re.sub(r"[^a-z0-9_-]", "-", name.lower())[:40]
    return (
        f"target-{plain}"
        if plain == name
        else f"target-{plain}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
    )


class Publisher:
    """Publishes as long as its context lasts, once `begin` was called."""

    def __init__(self, settings: Settings, config: Path | None, target: str, clock: Clock) -> None:
        names = list(settings.all_targets())
        self._settings = settings
        self._config = config
        self.target_name = target or names[0]
        self.data_dir = settings.data_dir
        self.now = clock.now
        self._is_first = self.target_name == names[0]
        self._kept = {view_of_target(name) for name in names}
        self._folder = views_folder(settings.data_dir)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._problems: dict[str, str] = {}
        self._coverage = Coverage(settings.data_dir)
        self._counted_at = clock.now()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *exception: object) -> None:
        """End; what is under way may take a few seconds, and is then left to the process's end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def begin(self, target: Target, delivery: Delivery) -> None:
        """Begin to publish what is known of a target, and where it is the first one what is known of the log."""
        works: list[tuple[str, Callable[[], None], tuple[float, ...]]] = [
            ("progress", _Progress(self, target, delivery).publish, (_PROGRESS_SECONDS,))
        ]
        if self._is_first:
            works.append(("minutely", self._publish_what_takes_longer, (_SOON, _MINUTE)))
        for name, work, waits in works:
            thread = threading.Thread(target=self._repeat, args=(work, waits), name=f"views-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _repeat(self, work: Callable[[], None], waits: Sequence[float]) -> None:
        """Do it again and again; the last of the waits (seconds) stays."""
        following = iter(waits)
        while not self._stop.is_set():
            work()
            self._stop.wait(next(following, waits[-1]))

    def publish(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        """Replace a view; what is wrong is said once, and its old content grows old."""
        try:
            content = make()
            Files().publish(self._folder / f"{name}.json", orjson.dumps(content))
            self._problems.pop(name, None)
        except Exception as error:  # whatever it is: following must go on
            problem = f"{type(error).__name__}: {error}"
            if self._problems.get(name) != problem and not self._stop.is_set():
                self._problems[name] = problem
                _log.warning("the status page's %s cannot be brought up to date: %s", name, error)
                _log.debug("it failed", exc_info=True)

    def _publish_what_takes_longer(self) -> None:
        self._remove_others()
        self.publish("coverage", self._make_coverage)
        if not self._stop.is_set():
            self.publish("doctor", self._make_diagnosis)

    def _remove_others(self) -> None:
        """Remove the views of targets that the settings do not name any more."""
        for path in self._folder.glob("target-*.json"):
            if path.stem not in self._kept:
                path.unlink(missing_ok=True)

    def _make_coverage(self) -> dict[str, Any]:
        now = self.now()
        if now - self._counted_at > _ANEW:
            self._coverage, self._counted_at = Coverage(self._settings.data_dir), now
        self._coverage.look(now)
        return self._coverage.as_json(now)

    def _make_diagnosis(self) -> dict[str, Any]:
        from ..doctor.case import QUIET
        from ..doctor.diagnosis import diagnose

        return {**diagnose(self._settings, self._config, limits=QUIET).as_json(), "at": to_iso(self.now())}


class _Progress:
    """What the ledger and the delivery tell of one target."""

    def __init__(self, publisher: Publisher, target: Target, delivery: Delivery) -> None:
        self._publisher = publisher
        self._target = target
        self._delivery = delivery
        self._turn = 0
        self._failures: dict[str, Any] = {}

    def publish(self) -> None:
        """Replace the view."""
        self._publisher.publish(view_of_target(self._publisher.target_name), self._make)

    def _make(self) -> dict[str, Any]:
        with ledger_to_read(self._publisher.data_dir) as ledger:
            if self._turn % _FAILURES_EACH == 0:
                self._failures = failures_of(ledger, self._target.name)
            self._turn += 1
            progress = progress_of(ledger, self._target.name)
        return {
            "at": to_iso(self._publisher.now()),
            "name": self._publisher.target_name,
            "title": self._target.title,
            "problem": self._delivery.problem,
            "written": self._delivery.written,
            **progress,
            **self._failures,
        }
