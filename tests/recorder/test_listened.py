"""The recorder's own records explain every second: each is either listened to, or lies in a gap."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
from homeiq.clock import SECOND, ManualClock
from homeiq.recorder.connection import Connection
from homeiq.recorder.listened import Listened
from homeiq.storage.gaps import RECORDER, Gap, GapReason, gaps_of
from homeiq.storage.record import Event, housekeeping_event
from hypothesis import given
from hypothesis import strategies as st

SOURCES = ("a", "b")


@dataclass
class Recording:
    """A recorder as far as this matters: it has a log, and is started, stopped and killed."""

    clock: ManualClock = field(default_factory=ManualClock)
    log: list[Event] = field(default_factory=list)
    listened: Listened = field(default_factory=Listened)
    connections: dict[str, Connection] = field(default_factory=dict)
    heard: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {name: [] for name in (*SOURCES, RECORDER)})

    def take(self, event: Event) -> None:
        self.log.append(event)
        self.listened.learn(event)

    def start(self, *, cached: bool) -> None:
        if self.connections:
            return
        if cached:
            self.listened = Listened.restored(orjson.loads(orjson.dumps(self.listened.dump())))
        else:
            self.listened = Listened()
            for event in self.log:
                self.listened.learn(event)
        self.listened.begin()
        names = {RECORDER: "started"} | dict.fromkeys(SOURCES, "connected")
        self.connections = {
            name: Connection(name, self, self.clock, self.listened.open(name), word=word)
            for name, word in names.items()
        }
        self.connect(RECORDER)

    def connect(self, name: str) -> None:
        if name in self.connections and not self.connections[name].up:
            self.connections[name].connected()
            self.heard[name].append((self.clock.now(), self.clock.now()))

    def lose(self, name: str, reason: GapReason) -> None:
        if name in self.connections:
            self._was_heard(name, self.clock.now())
            self.connections[name].lost(reason, reason.value)

    def stop(self) -> None:
        if self.connections:
            for name in SOURCES:
                if self.connections[name].up:
                    self.lose(name, GapReason.RECORDER_STOPPED)
            self._was_heard(RECORDER, self.clock.now())
            self.take(housekeeping_event(self.clock.now(), RECORDER, "stopped"))
            self.connections = {}

    def kill(self) -> None:
        """What came after the last record was heard, but nobody can know."""
        for name in self.connections:
            self._was_heard(name, self.log[-1].received_at)
        self.connections = {}

    def say(self, event: Event) -> None:
        if self.connections:
            self.take(event)

    def _was_heard(self, name: str, until: int) -> None:
        if self.connections[name].up:
            self.heard[name][-1] = (self.heard[name][-1][0], until)


def play(recording: Recording, steps: list[tuple[Any, ...]]) -> None:
    recording.start(cached=False)
    for what, *arguments in steps:
        now = recording.clock.now()
        match what:
            case "pass":
                recording.clock.advance(*arguments)
            case "heartbeat":
                recording.say(housekeeping_event(now, RECORDER, "heartbeat"))
            case "event":
                recording.say(Event(now, now, "a", "live", "x", None, None, "{}"))
            case "start":
                recording.start(cached=arguments[0])
            case _:
                getattr(recording, what)(*arguments)
    recording.stop()


names = st.sampled_from(SOURCES)
reasons = st.sampled_from([r for r in GapReason if not r.value.startswith(("recorder", "disk", "back"))])
steps = st.lists(
    st.tuples(st.just("pass"), st.integers(1, 500))
    | st.tuples(st.sampled_from(["heartbeat", "event", "stop", "kill"]))
    | st.tuples(st.just("start"), st.booleans())
    | st.tuples(st.just("connect"), names)
    | st.tuples(st.just("lose"), names, reasons),
    max_size=40,
)


@given(steps)
def test_log_and_gaps_explain_every_second(steps: list[tuple[Any, ...]]) -> None:
    recording = Recording()
    play(recording, steps)
    recording.clock.advance(1_000)
    end = recording.clock.now()
    gaps = gaps_of(recording.log, end)
    for name, heard in recording.heard.items():
        mine = [gap for gap in gaps if gap.source == name]
        missed = [(gap.start, end if gap.end is None else gap.end) for gap in mine]
        pieces = sorted(piece for piece in heard + missed if piece[0] < piece[1])
        for one, following in pairwise(pieces):
            assert one[1] == following[0], "no second is explained twice, or not at all"
        if pieces:
            assert pieces[-1][1] == end
        for gap in mine:
            if gap.end is not None:
                assert gap.seconds == (gap.end - gap.start) / SECOND


@given(steps, st.lists(st.tuples(st.integers(0, 40), st.integers(-100_000, 100_000)), max_size=5))
def test_no_gap_is_negative_however_the_clock_is_set(
    steps: list[tuple[Any, ...]], jumps: list[tuple[int, int]]
) -> None:
    recording = Recording()
    for place, seconds in jumps:
        steps = [*steps[:place], ("jump", seconds), *steps[place:]]
    recording.jump = recording.clock.jump  # type: ignore[attr-defined]
    play(recording, steps)
    assert all(gap.seconds >= 0 for gap in gaps_of(recording.log) if gap.seconds is not None)


def test_what_waits_for_being_closed_is_bounded() -> None:
    recording = Recording()
    recording.start(cached=False)
    for _ in range(2_000):
        recording.connect("a")
        recording.clock.advance(30)
        recording.lose("a", GapReason.CONNECTION_LOST)
        recording.clock.advance(30)
    waiting = recording.listened.waiting("a")
    assert len(waiting) == 500
    assert sum(gap.seconds or 0 for gap in waiting) == 1_999 * 30
    assert len(orjson.dumps(recording.listened.dump())) < 100_000
    first, last = waiting[0].start, waiting[-1].end
    done = {"since": first, "until": last, "from": first, "upto": last, "rows": 1, "done": True}
    recording.take(housekeeping_event(recording.clock.now(), "a", "backfilled", **done))
    assert recording.listened.waiting("a") == []


def test_a_part_that_was_closed_is_known_after_a_restart() -> None:
    listened = Listened()
    told = {"gap_since": 100, "gap_seconds": 1.0, "gap_reason": "no_answer"}
    listened.learn(housekeeping_event(200, "a", "connected", **told))
    listened.learn(housekeeping_event(300, "a", "backfilled", **{"since": 40, "until": 215, "from": 40, "upto": 150}))
    again = Listened.restored(orjson.loads(orjson.dumps(listened.dump())))
    expected = Gap("a", 100, 200, 1.0, GapReason.NO_ANSWER, 100, 150)
    assert again.waiting("a") == listened.waiting("a") == [expected]
