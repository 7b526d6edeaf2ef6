"""What is done to a log, as a table of scenarios: each is killed before every file operation, and loses its power there.

A new operation of the log is one function more in SCENARIOS. `python -m storage.crashes SCENARIO FOLDER` (in `tests`) plays
one with real kills: a process for each n, which kills itself before its n-th operation.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from homeiq.clock import DAY
from homeiq.storage.files import Files
from homeiq.storage.forgetting import forget
from homeiq.storage.log import EventLog, segments_in, tails_in
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.mending import losses_of, mend
from homeiq.storage.record import housekeeping_event
from homeiq.storage.removal import Note, Rules, expire

from .disks import Halt, ShadowedFiles, SteppedFiles, event, events, small_segments

__all__ = ["SCENARIOS", "Disk", "Scenario"]

Acknowledge = Callable[[int], None]


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes the log, through the layer only; `act` is what is interrupted. `blank` are the records lost before.

    `act` is given a function to call with each seq that the log has said to be durable.
    """

    prepare: Callable[[Path, Files], None]
    act: Callable[[Path, Files, Acknowledge], None]
    blank: frozenset[int] = frozenset()
    there: int = 0
    """So many records are durable before."""
    going: Callable[[int], bool] = lambda seq: False
    """Which records may be gone afterwards, for they are forgotten or have expired."""
    again: bool = False
    """It must be done again, where it did not come to its end, before the log is whole."""


class Disk(ShadowedFiles):
    """A disk whose process or power goes before so many operations more (`left`; None: never)."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, 0)
        self.left: int | None = None
        self._before = self._countdown

    def _countdown(self, number: int, name: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Halt


def _nothing(data_dir: Path, files: Files) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)


def _tails(data_dir: Path, files: Files) -> None:
    _record(data_dir, files, 3)


def _record(data_dir: Path, files: Files, groups: int) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    with EventLog(data_dir, rotate_records=4, files=files) as log:
        for _ in range(groups):
            log.append(events(log.next_seq, 4))


def _sealed(data_dir: Path, files: Files) -> None:
    for _ in range(3):
        _record(data_dir, files, 2)
        seal(data_dir, files)


def _damaged(data_dir: Path, files: Files) -> None:
    """Leave a bad line among good ones in one tail, and a torn end in the next."""
    _record(data_dir, files, 2)
    for (_, path), change in zip(tails_in(data_dir / "log"), (_second_line_bad, _torn), strict=True):
        content = path.read_bytes()
        files.write_whole(path, change(content))


def _second_line_bad(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([lines[0], b"x" + lines[1][1:], *lines[2:]])


def _torn(content: bytes) -> bytes:
    return content + content[:50]


def _append(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    with EventLog(data_dir, rotate_records=6, files=files) as log:
        for size in (1, 3, 4, 2):
            acknowledge(log.append(events(log.next_seq, size))[1])
        log.rotate()
        acknowledge(log.append(events(log.next_seq, 2))[1])


def _seal(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    seal(data_dir, files)


def _compact(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    compact(data_dir, files)


def _open(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    EventLog(data_dir, files=files).close()


def _forget(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    forget(data_dir, lambda name: name == "sensor.number_0", None, None, files)


def _expire(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    expire(data_dir, Rules(age=4 * DAY), _NOW, _note_into(data_dir, files), files)


def _of_days(data_dir: Path, files: Files) -> None:
    """Leave three segments of eight records, one a day."""
    _days(data_dir, files, "state_changed")


def _behind_what_stays(data_dir: Path, files: Files) -> None:
    """The same, but the first record is one that never expires."""
    _days(data_dir, files, "config")


def _days(data_dir: Path, files: Files, first: str) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    for begin in (1, 9, 17):
        with EventLog(data_dir, files=files) as log:
            group = [
                replace(one, time=_at(place), received_at=_at(place))
                for place, one in enumerate(events(begin, 8), begin)
            ]
            if begin == 1:
                group[0].event_type = first
            log.append(group)
            log.rotate()
        seal(data_dir, files)


def _at(number: int) -> int:
    return event(0).time + number * DAY


_NOW = _at(24)


def _cut(data_dir: Path, files: Files) -> None:
    """Leave a segment of which nothing can be read."""
    _sealed(data_dir, files)
    path = _second_segment(data_dir)
    files.write_whole(path, path.read_bytes()[:-50])


def _changed(data_dir: Path, files: Files) -> None:
    """Leave a segment that is not what was written, of which all can be read."""
    _sealed(data_dir, files)
    path = _second_segment(data_dir)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"homeiq.digest") + 40
    content[place] = ord("0") if content[place] != ord("0") else ord("1")
    files.write_whole(path, content)


def _second_segment(data_dir: Path) -> Path:
    return sorted(segments_in(data_dir / "log"))[1].path


def _mend(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    losses, _ = losses_of(data_dir)
    mend(data_dir, losses, _note_into(data_dir, files), _NOW, accept=True, files=files)


def _note_into(data_dir: Path, files: Files) -> Note:
    def note(what: str, facts: Mapping[str, Any]) -> None:
        with EventLog(data_dir, files=files) as log:
            log.append([housekeeping_event(_NOW, "homeiq", what, **facts)])

    return note


def _join(data_dir: Path, files: Files, acknowledge: Acknowledge) -> None:
    with small_segments(8, 16):
        compact(data_dir, files)


def _joined(data_dir: Path, files: Files) -> None:
    _sealed(data_dir, files)
    with small_segments(8, 16):
        compact(data_dir, files)


SCENARIOS = {
    "append": Scenario(_nothing, _append),
    "append after a crash": Scenario(_damaged, _append, frozenset({2}), 8),
    "seal": Scenario(_tails, _seal, there=12),
    "compact": Scenario(_sealed, _compact, there=24),
    "join": Scenario(_sealed, _join, there=24),
    "forget what was joined": Scenario(_joined, _forget, there=24, going=lambda seq: seq % 3 == 0),
    "forget": Scenario(_sealed, _forget, there=24, going=lambda seq: seq % 3 == 0),
    "expire": Scenario(_behind_what_stays, _expire, there=24, going=lambda seq: 1 < seq < 20),
    "expire whole segments": Scenario(_of_days, _expire, there=24, going=lambda seq: seq < 20),
    "mend": Scenario(_changed, _mend, there=24, again=True),
    "mend by giving up": Scenario(_cut, _mend, frozenset(range(5, 13)), there=24, again=True),
    "quarantine": Scenario(_damaged, _open, frozenset({2}), 8),
}


def play(scenario: Scenario, data_dir: Path, files: Files, said: Path) -> None:
    """Do what is interrupted; each seq that was acknowledged is a line of the file `said`."""
    with said.open("a", buffering=1) as file:
        scenario.act(data_dir, files, lambda seq: print(seq, file=file, flush=True))


def _kill_everywhere(name: str, folder: Path) -> int:
    """Play it in a process for each n, killed before its n-th operation; return the number of operations."""
    scenario = SCENARIOS[name]
    for until in range(1, 1_000):
        child = os.fork()  # before any thread is there
        if child == 0:
            data_dir = folder / str(until)
            scenario.prepare(data_dir, Files())

            def kill(number: int, _: str, until: int = until) -> None:
                if number == until:
                    os.kill(os.getpid(), signal.SIGKILL)

            play(scenario, data_dir, SteppedFiles(kill), folder / f"{until}.said")
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            return until - 1
        if status != -signal.SIGKILL:
            raise SystemExit(f"operation {until} of {name} ended with {status}")
    raise SystemExit(f"{name} never ended")


if __name__ == "__main__":
    sys.stdout.write(f"{_kill_everywhere(sys.argv[1], Path(sys.argv[2]))}\n")
