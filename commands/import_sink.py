"""Where imported events go: through the running recorder, else into the log by this process, which takes its lock."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..clock import SystemClock
from ..errors import LogError, LogNotWritable
from ..recorder.control import ask
from ..recorder.imports import columns_of
from ..recorder.latest import Latest
from ..storage.gaps import RECORDER
from ..storage.log import EventLog, tails_in
from ..storage.maintenance import seal
from ..storage.record import Event, housekeeping_event

__all__ = ["MOST_BYTES", "Sink", "noting", "open_sink"]

MOST_BYTES = 1 << 20
"""So much raw text goes at once, unless one event alone has more."""

_TRIES = 60
_ANSWER_SECONDS = 120.0


class Sink(ABC):
    """Takes events; all that it has taken is durable."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> None:
        """Make events durable, in this order. Raises LogError: then none of them may be counted as recorded."""

    @abstractmethod
    def say(self, event: Event) -> None:
        """Make a word of the recorder's own durable, and seal nothing: whoever says it may hold the lock for that.

        Raises LogError.
        """

    @abstractmethod
    def rotate(self) -> None:
        """Let all that is durable now be sealed. Raises LogError."""

    @abstractmethod
    def forget(self, entity: Callable[[str], bool]) -> None:
        """Know nothing more of these entities, where this process knows anything."""


class _Recorder(Sink):
    def __init__(self, data_dir: Path, stop: threading.Event) -> None:
        self._data_dir = data_dir
        self._stop = stop

    def append(self, events: Sequence[Event]) -> None:
        columns = [columns_of(event) for event in events]
        problem = ""
        for _ in range(_TRIES):
            answer = ask(self._data_dir, "append", _ANSWER_SECONDS, events=columns)
            if answer is None:
                raise LogError("the recorder stopped meanwhile", hint="run it again: what is recorded stays")
            if "busy" not in answer:
                return
            problem = str(answer["busy"])
            self._stop.wait(answer["retry_after"])
            if self._stop.is_set():
                break
        raise LogNotWritable("the recorder takes nothing now", hint=problem)

    def say(self, event: Event) -> None:
        self.append([event])

    def rotate(self) -> None:
        if ask(self._data_dir, "rotate") is None:
            raise LogError("the recorder stopped meanwhile", hint="run it again")

    def forget(self, entity: Callable[[str], bool]) -> None:
        """The recorder goes on hearing of them; see docs/retention.md."""


class _Alone(Sink):
    def __init__(self, log: EventLog, latest: Latest) -> None:
        self._log = log
        self._latest = latest

    def append(self, events: Sequence[Event]) -> None:
        self._record(events)
        if len(tails_in(self._log.folder)) > 2:
            seal(self._log.data_dir)

    def say(self, event: Event) -> None:
        self._record([event])

    def _record(self, events: Sequence[Event]) -> None:
        self._log.append(events)
        for event in events:
            self._latest.remember(event)

    def rotate(self) -> None:
        self._log.rotate()

    def forget(self, entity: Callable[[str], bool]) -> None:
        for name in [name for name in self._latest.entities if entity(name)]:
            del self._latest.entities[name]


def noting(sink: Sink) -> Callable[[str, Mapping[str, Any]], None]:
    """Return what makes a word of the recorder's own, with its facts, durable through a sink. Raises LogError."""

    def note(what: str, facts: Mapping[str, Any]) -> None:
        sink.say(housekeeping_event(SystemClock().now(), RECORDER, what, **facts))

    return note


@contextmanager
def open_sink(data_dir: Path, stop: threading.Event, purpose: str = "homeiq import") -> Iterator[Sink]:
    """Find the recorder of a data folder, or open its log. Raises LogError."""
    if ask(data_dir, "position") is not None:
        yield _Recorder(data_dir, stop)
        return
    with EventLog(data_dir, purpose=purpose) as log:
        latest = Latest.load(data_dir, log.next_seq)
        # What a recorder that was killed missed ends with its last sign of life, which must stay the last.
        if (ended := latest.listened.ended(SystemClock().now())) is not None:
            log.append([ended])
            latest.remember(ended)
        try:
            yield _Alone(log, latest)
        finally:
            latest.save(data_dir, log.next_seq - 1)
