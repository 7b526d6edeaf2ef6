"""Where imported events go: through the running recorder, else into the log by this process, which takes its lock."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..clock import SystemClock
from ..errors import LogError, LogNotWritable
from ..recorder.control import ask
from ..recorder.imports import columns_of
from ..recorder.latest import Latest
from ..storage.log import EventLog, tails_in
from ..storage.maintenance import seal
from ..storage.record import Event

__all__ = ["MOST_BYTES", "Sink", "open_sink"]

MOST_BYTES = 1 << 20
"""So much raw text goes at once, unless one event alone has more."""

_TRIES = 60
_ANSWER_SECONDS = 120.0


class Sink(ABC):
    """Takes events; all that it has taken is durable."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> None:
        """Make events durable, in this order. Raises LogError: then none of them may be counted as recorded."""


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


class _Alone(Sink):
    def __init__(self, log: EventLog, latest: Latest) -> None:
        self._log = log
        self._latest = latest

    def append(self, events: Sequence[Event]) -> None:
        self._log.append(events)
        for event in events:
            self._latest.remember(event)
        if len(tails_in(self._log.folder)) > 2:
            seal(self._log.data_dir)


@contextmanager
def open_sink(data_dir: Path, stop: threading.Event) -> Iterator[Sink]:
    """Find the recorder of a data folder, or open its log. Raises LogError."""
    if ask(data_dir, "position") is not None:
        yield _Recorder(data_dir, stop)
        return
    with EventLog(data_dir, purpose="homeiq import") as log:
        latest = Latest.load(data_dir, log.next_seq)
        # What a recorder that was killed missed ends with its last sign of life, which must stay the last.
        if (ended := latest.listened.ended(SystemClock().now())) is not None:
            log.append([ended])
            latest.remember(ended)
        try:
            yield _Alone(log, latest)
        finally:
            latest.save(data_dir, log.next_seq - 1)
