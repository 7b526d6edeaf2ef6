import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY
from homeiq.storage import mark
from homeiq.storage.forgetting import forget
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.reader import LogReader, list_files
from homeiq.storage.record import housekeeping_event
from homeiq.storage.removal import Rules, expire
from homeiq.storage.verify import verify
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .crashes import Disk
from .disks import Halt, contents, event, small_segments

EXPIRED, FORGOTTEN = '{"reason":"expired"}', '{"reason":"forgotten"}'
HOUR = DAY // 24
SECRET = "sensor.number_1"


@dataclass
class Row:
    """What the model knows of a record: its text, and the texts that it may have instead while it is being removed."""

    raw: str
    time: int
    entity: str | None
    original: str
    instead: frozenset[str] = frozenset()

    def may_be(self, raw: str) -> bool:
        return raw == self.raw or raw in self.instead

    def was(self, raw: str) -> bool:
        """A reader may have read it at any time."""
        return raw in (self.original, EXPIRED, FORGOTTEN)


class LogMachine(RuleBasedStateMachine):
    """A log against a plain list of rows: what is in it is durable.

    Another kind of maintenance is one name more in `do`, with what it does to the list. One event comes each hour.
    """

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._small = small_segments()
        self._boots = 0
        self._events = 0

    @initialize()
    def begin(self) -> None:
        self._small.__enter__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name) / "0"
        self.root.mkdir()
        self.disk = Disk(self.root)
        self.durable: list[Row] = []
        self.attempted: list[Row] = []
        self.seen: dict[int, str] = {}
        self.log = EventLog(self.root, rotate_records=5, files=self.disk)
        self.reader = LogReader(self.root)

    @property
    def now(self) -> int:
        return event(0).time + self._events * HOUR

    def do(self, what: str, size: int) -> None:
        match what:
            case "append":
                group = []
                for number in range(self._events, self._events + size):
                    time = event(0).time + number * HOUR
                    group.append(replace(event(number), time=time, received_at=time))
                self._events += size
                self.append(group)
            case "rotate":
                self.log.rotate()
            case "seal":
                seal(self.root, self.disk)
            case "compact":
                compact(self.root, self.disk)
            case "expire":
                self.expire(self.now // DAY * DAY - DAY)
            case "forget":
                self.forget()
            case "reopen":
                self.log.close()
                self.open()

    def append(self, group: list[Any]) -> None:
        self.attempted = [Row(one.raw, one.time, one.entity_id, one.raw) for one in group]
        self.log.append(group)
        self.durable += self.attempted
        self.attempted = []

    def note(self, what: str, facts: Mapping[str, Any]) -> None:
        self.append([housekeeping_event(self.now, "recorder", what, **facts)])

    def expire(self, before: int) -> None:
        """Let all that is older expire; killed in between, each row is as it was or blank."""
        going = [row for row in self.sealed_soon() if row.entity and row.time < before]
        sure = sum(not row.instead for row in going)
        self.go(going, EXPIRED)
        gone = expire(self.root, Rules(age=DAY), self.now, self.note, self.disk)
        assert sure <= gone.records <= len(going)
        self.gone(going, EXPIRED)

    def forget(self) -> None:
        going = [row for row in self.sealed_soon() if row.entity == SECRET]
        self.go(going, FORGOTTEN)
        forget(self.root, lambda name: name == SECRET, None, None, self.disk, told=self.told)
        self.gone(going, FORGOTTEN)

    def told(self, records: int, left: bool) -> None:
        assert not left
        self.note("forgotten", {"entity": SECRET, "since": None, "until": None, "records": records})

    def sealed_soon(self) -> list[Row]:
        """Return all but those of the newest tail: what is done to sealed records begins by sealing the others."""
        return self.durable[: list_files(self.root).tails[-1].first - 1]

    def go(self, rows: list[Row], text: str) -> None:
        for row in rows:
            row.instead |= {text}

    def gone(self, rows: list[Row], text: str) -> None:
        for row in rows:
            row.raw, row.entity, row.instead = (
                text,
                None,
                row.instead - {text},
            )  # one that was killed may have been first

    def open(self) -> None:
        """Open the log; a group that was not acknowledged may be there, as far as it came, and then stays."""
        self.log = EventLog(self.root, rotate_records=5, files=self.disk)
        held = contents(self.root, self.first)
        count = self.first - 1 + len(held)
        assert count >= len(self.durable)
        self.durable += self.attempted[: count - len(self.durable)]
        self.attempted = []
        assert len(self.durable) == count
        self.holds_what_is_durable()
        assert self.log.next_seq == count + 1

    @property
    def first(self) -> int:
        """The log's first record: later than 1 once whole segments have expired."""
        return list_files(self.root).first_seq

    actions = st.sampled_from(
        ["append", "append", "append", "append", "rotate", "seal", "compact", "expire", "forget", "reopen"]
    )

    @rule(what=actions, size=st.integers(1, 7))
    def work(self, what: str, size: int) -> None:
        self.do(what, size)

    @rule(what=actions, size=st.integers(1, 7), left=st.integers(0, 30))
    def kill(self, what: str, size: int, left: int) -> None:
        """The process is gone, maybe in the middle of it; what it wrote is there."""
        self.interrupt(what, size, left)
        self.open()

    @rule(what=actions, size=st.integers(1, 7), left=st.integers(0, 30), seed=st.integers(0, 2**32 - 1))
    def lose_power(self, what: str, size: int, left: int, seed: int) -> None:
        """What was not synced may be gone, or half of it; nothing that a reader has seen is."""
        self.interrupt(what, size, left)
        self.read()
        self._boots += 1
        after = self.disk.restart(Path(self.folder.name) / str(self._boots), random.Random(seed).choice)
        self.disk.close_all()
        self.root, self.disk = after, Disk(after)
        for folder in [path for path in after.rglob("*") if path.is_dir()] + [after]:
            self.disk.sync_folder(folder)
        for path in after.rglob("*"):
            if path.is_file():
                self.disk.sync_file(path)
        boot = f"boot-{self._boots}"
        self._patch.setattr(mark, "boot_id", lambda: boot)
        self.open()
        self.reader = LogReader(after, max(self.seen, default=0) + 1)

    def interrupt(self, what: str, size: int, left: int) -> None:
        self.disk.left = left
        try:
            self.do(what, size)
        except Halt:
            pass
        finally:
            self.disk.left = None
        self.read()
        self.log._closing.close()  # Gone: the lock is free, and nothing else is done.

    @rule()
    def read(self) -> None:
        """Another reader goes on where it was; what has gone with its segment meanwhile it passes over."""
        for records in self.reader.read():
            for record in records:
                assert record.seq == max(self.seen, default=0) + 1 or record.seq == self.first
                assert self.durable[record.seq - 1].was(record.raw)
                self.seen[record.seq] = record.raw
        assert self.reader.missing == []
        assert max(self.seen, default=0) == len(self.durable)

    @rule()
    def prove(self) -> None:
        proof = verify(self.root)
        assert proof.findings == []
        assert proof.records == len(self.durable) - self.first + 1

    @invariant()
    def holds_what_is_durable(self) -> None:
        if hasattr(self, "root"):
            first = self.first
            held = [record.raw for record in contents(self.root, first)]
            assert all(row.may_be(EXPIRED) or row.may_be(FORGOTTEN) for row in self.durable[: first - 1])
            assert len(held) == len(self.durable) - first + 1
            rows = enumerate(zip(self.durable[first - 1 :], held, strict=True), first)
            wrong = [(seq, row, raw) for seq, (row, raw) in rows if not row.may_be(raw)]
            assert wrong == [], wrong

    def teardown(self) -> None:
        self._patch.undo()
        self._small.__exit__(None, None, None)
        if hasattr(self, "root"):
            self.log._closing.close()
            self.disk.close_all()
            self.folder.cleanup()


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
