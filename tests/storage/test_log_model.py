import random
import tempfile
from pathlib import Path

import pytest
from homeiq.storage import mark
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.reader import LogReader
from homeiq.storage.verify import verify
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .crashes import Disk
from .disks import Halt, contents, event, small_segments


class LogMachine(RuleBasedStateMachine):
    """A log against a plain list of raw texts: what is in it is durable.

    Another kind of maintenance (expiring, forgetting) is one name more in `do`, with what it does to the list.
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
        self.durable: list[str] = []
        self.attempted: list[str] = []
        self.seen: list[str] = []
        self.log = EventLog(self.root, rotate_records=5, files=self.disk)
        self.reader = LogReader(self.root)

    def do(self, what: str, size: int) -> None:
        match what:
            case "append":
                group = [event(self._events + place) for place in range(size)]
                self._events += size
                self.attempted = [one.raw for one in group]
                self.log.append(group)
                self.durable += self.attempted
                self.attempted = []
            case "rotate":
                self.log.rotate()
            case "seal":
                seal(self.root, self.disk)
            case "compact":
                compact(self.root, self.disk)
            case "reopen":
                self.log.close()
                self.open()

    def open(self) -> None:
        """Open the log; a group that was not acknowledged may be there, as far as it came, and then stays."""
        self.log = EventLog(self.root, rotate_records=5, files=self.disk)
        held = [record.raw for record in contents(self.root)]
        assert held[: len(self.durable)] == self.durable
        assert held[len(self.durable) :] == self.attempted[: len(held) - len(self.durable)]
        self.durable, self.attempted = held, []
        assert self.log.next_seq == len(held) + 1

    actions = st.sampled_from(["append", "append", "append", "rotate", "seal", "compact", "reopen"])

    @rule(what=actions, size=st.integers(1, 7))
    def work(self, what: str, size: int) -> None:
        self.do(what, size)

    @rule(what=actions, size=st.integers(1, 7), left=st.integers(0, 12))
    def kill(self, what: str, size: int, left: int) -> None:
        """The process is gone, maybe in the middle of it; what it wrote is there."""
        self.interrupt(what, size, left)
        self.open()

    @rule(what=actions, size=st.integers(1, 7), left=st.integers(0, 12), seed=st.integers(0, 2**32 - 1))
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
        self.reader = LogReader(after, len(self.seen) + 1)

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
        """Another reader goes on where it was."""
        self.seen += [record.raw for records in self.reader.read() for record in records]
        assert self.seen == self.durable

    @rule()
    def prove(self) -> None:
        proof = verify(self.root)
        assert proof.findings == []
        assert proof.records == len(self.durable)

    @invariant()
    def holds_what_is_durable(self) -> None:
        if hasattr(self, "root"):
            assert [record.raw for record in contents(self.root)] == self.durable

    def teardown(self) -> None:
        self._patch.undo()
        self._small.__exit__(None, None, None)
        if hasattr(self, "root"):
            self.log._closing.close()
            self.disk.close_all()
            self.folder.cleanup()


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
