"""Each line ends as accepted, rejected or kept, whatever a target answers."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from homeiq import clock as clocks
from homeiq.clock import ManualClock
from homeiq.errors import (
    BatchTooLarge,
    LinesRefused,
    Stopped,
    TargetBusy,
    TargetError,
    TargetRefused,
    TargetUnreachable,
)
from homeiq.replayer.delivery import Ahead, Delivery
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.point import Point, Series
from hypothesis import given
from hypothesis import strategies as st

from replayer.making import MemoryTarget, fast_folder


class Waits(threading.Event):
    """A stop event: each wait is noted, and over at once; it is set after `limit` waits."""

    def __init__(self, clock: ManualClock, limit: int = 1_000) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._clock = clock
        self._limit = limit

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        self._clock.advance(timeout or 0)
        if len(self.waits) >= self._limit:
            self.set()
        return self.is_set()


class Scripted(MemoryTarget):
    """A target that gives these answers first."""

    def __init__(self, *answers: TargetError) -> None:
        super().__init__(self._answer)
        self.errors = list(answers)
        self.silent: list[bool] = []

    def connect(self, position: int) -> None:
        self._answer([])

    def answers(self) -> bool:
        return self.silent.pop(0) if self.silent else True

    def _answer(self, points: Sequence[Point]) -> None:
        if self.errors:
            raise self.errors.pop(0)


def points(count: int) -> list[Point]:
    return [Point(Series("m", {"n": str(n)}), {"f": 1.0}, n * 1000, 100 + n) for n in range(count)]


def delivery(
    target: MemoryTarget,
    ledger: Ledger | None = None,
    *,
    forever: bool = True,
    limit: int = 1_000,
    waiting: Callable[[str], None] = lambda problem: None,
) -> tuple[Delivery, Waits]:
    clock = ManualClock()
    stop = Waits(clock, limit)
    return Delivery(target, ledger, clock, forever=forever, stop=stop, waiting=waiting), stop


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path, "memory")
    yield ledger
    ledger.close()


def test_unreachable_is_kept_and_tried_again_with_full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks.full_jitter, "__kwdefaults__", {"base": 1.0, "cap": 60.0, "chance": lambda: 1.0})
    target = Scripted(*[TargetUnreachable("away")] * 12)
    said: list[str] = []
    to, stop = delivery(target, waiting=said.append)
    to.write(points(3), target)
    assert stop.waits == [min(4.0, 0.5 * 2**n) for n in range(12)]
    assert len(target.content) == 3
    assert said == ["away", ""], "said once, and once that it is over"


def test_one_who_does_not_answer_is_knocked_at_each_second_and_tried_as_soon_as_it_does() -> None:
    """Hours of silence do not make the wait longer after which its return is seen."""
    target = Scripted(*[TargetUnreachable("away")] * 3)
    target.silent = 3 * [*[False] * 20, True]
    to, stop = delivery(target)
    to.write(points(3), target)
    assert len(target.content) == 3
    assert len(stop.waits) == 3 + 60
    knocks = [*stop.waits[1:21], *stop.waits[22:42], *stop.waits[43:]]
    assert all(0.5 <= seconds <= 1 for seconds in knocks)
    assert all(seconds <= 0.5 * 2**n for n, seconds in enumerate([stop.waits[0], stop.waits[21], stop.waits[42]]))


def test_where_knocks_are_swallowed_it_is_tried_all_the_same() -> None:
    target = Scripted(*[TargetUnreachable("away")] * 4)
    target.silent = [False] * 10_000
    to, stop = delivery(target)
    to.write(points(1), target)
    assert len(target.content) == 1
    assert 4 * 30 <= sum(stop.waits) <= 4 * 32
    assert max(stop.waits) <= 1, "one who is silent is waited for no longer because it has been silent for long"


def test_busy_waits_as_long_as_the_target_says() -> None:
    target = Scripted(TargetBusy("busy", retry_after=7), TargetBusy("busy", retry_after=0))
    to, stop = delivery(target)
    to.write(points(1), target)
    assert 7 <= stop.waits[0] <= 8
    assert stop.waits[1] <= 1
    assert len(target.content) == 1


def test_a_refused_token_is_said_once_and_tried_slowly(caplog: pytest.LogCaptureFixture) -> None:
    target = Scripted(*[TargetRefused("wrong token", hint="set influxdb.token")] * 5)
    to, stop = delivery(target)
    with caplog.at_level(logging.INFO):
        to.connect(0)
    assert all(15 <= seconds <= 30 for seconds in stop.waits)
    assert len(stop.waits) == 5
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "set influxdb.token" in caplog.text


@pytest.mark.parametrize(("size", "most"), [(1, 1), (37, 5), (64, 64)])
def test_too_large_is_halved(size: int, most: int) -> None:
    target = MemoryTarget(lambda some: _refuse_if(BatchTooLarge("large"), len(some) > most))
    to, _ = delivery(target)
    to.write(points(size), target)
    assert len(target.content) == size
    assert max(target.writes) <= most


def test_one_point_that_is_too_large_is_set_aside(ledger: Ledger) -> None:
    target = MemoryTarget(lambda some: _refuse_if(BatchTooLarge("large"), any(point.seq == 102 for point in some)))
    to, _ = delivery(target, ledger)
    to.write(points(5), target)
    assert len(target.content) == 4
    assert [(letter.seq, letter.reason) for letter in ledger.dead_letters()] == [(102, "large")]


@given(st.integers(0, 40), st.data())
def test_exactly_the_refused_lines_are_set_aside(count: int, data: st.DataObject) -> None:
    """Both behaviours: 1.8 writes the good lines of a refused request, 2.7 none if a line cannot be parsed."""
    bad = data.draw(st.sets(st.sampled_from(range(100, 100 + count))) if count else st.just(set()))
    partial = data.draw(st.booleans())

    def answer(some: Sequence[Point]) -> None:
        refused = [point.seq for point in some if point.seq in bad]
        if refused:
            if partial:
                target.take([point for point in some if point.seq not in bad])
            raise LinesRefused(f"bad: {refused[0]}")

    target = MemoryTarget(answer)
    target.batch = 16  # type: ignore[misc]
    with fast_folder() as folder:
        ledger = Ledger(folder, "memory")
        to, stop = delivery(target, ledger)
        to.fingerprint = "1-f"
        to.write(points(count), target)
        letters = ledger.dead_letters()
        ledger.close()
    assert {key[1] // 1000 + 100 for key in target.content} == set(range(100, 100 + count)) - bad
    assert [(letter.seq, letter.reason, letter.fingerprint) for letter in letters] == [
        (seq, f"bad: {seq}", "1-f") for seq in sorted(bad)
    ]
    assert all(letter.line == f"m,n={letter.seq - 100} f=1.0 {letter.time * 1000}" for letter in letters)
    assert to.refused == len(bad)
    assert stop.waits == []


def test_a_command_gives_up_with_the_targets_own_error() -> None:
    target = Scripted(*[TargetUnreachable("away")] * 1_000)
    to, stop = delivery(target, forever=False)
    with pytest.raises(TargetUnreachable, match="away"):
        to.write(points(1), target)
    assert 15 < sum(stop.waits) < 60
    target = Scripted(TargetRefused("wrong token"))
    to, stop = delivery(target, forever=False)
    with pytest.raises(TargetRefused, match="wrong token"):
        to.write(points(1), target)
    assert stop.waits == []


def test_stop_ends_the_waiting() -> None:
    target = Scripted(*[TargetUnreachable("away")] * 1_000)
    to, stop = delivery(target, limit=3)
    with pytest.raises(Stopped, match="away"):
        to.write(points(1), target)
    assert len(stop.waits) == 3
    assert target.content == {}


def test_batches_are_as_large_as_the_target_takes() -> None:
    target = MemoryTarget()
    target.batch = 4  # type: ignore[misc]
    to, _ = delivery(target)
    to.write(points(10), target)
    assert target.writes == [4, 4, 2]


def ahead_of(deliver: Callable[[Sequence[Point]], None], at_once: int = 1, waiting: int = 1) -> Ahead:
    target = MemoryTarget(deliver)
    target.at_once = at_once
    to, _ = delivery(target, forever=False)
    return Ahead(to, target, target, waiting)


def test_ahead_delivers_in_order_and_says_what_went_wrong() -> None:
    seen: list[int] = []

    def deliver(some: Sequence[Point]) -> None:
        if len(some) == 3:
            raise TargetRefused("three")
        seen.append(len(some))

    with ahead_of(deliver) as ahead:
        for count in range(1, 3):
            ahead.write(points(count))
        ahead.settle()
        assert seen == [1, 2]
    failing = ahead_of(deliver)
    failing.write(points(3))
    with pytest.raises(TargetRefused, match="three"):
        failing.__exit__(None)


def test_several_batches_are_under_way_at_once_and_all_are_there_when_it_is_settled() -> None:
    together = threading.Barrier(3, timeout=60)
    seen: list[int] = []

    def deliver(some: Sequence[Point]) -> None:
        together.wait()  # each waits until three are under way
        seen.append(len(some))

    with ahead_of(deliver, 3) as ahead:
        for count in range(1, 10):
            ahead.write(points(count))
        ahead.settle()
        assert sorted(seen) == list(range(1, 10))


@pytest.mark.parametrize("waiting", [1, 4])
def test_so_many_batches_wait_and_no_more(waiting: int) -> None:
    under_way, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    def deliver(some: Sequence[Point]) -> None:
        under_way.set()
        assert go_on.wait(60)
        seen.append(len(some))

    def write(ahead: Ahead) -> None:
        ahead.write(points(waiting + 2))

    with ahead_of(deliver, waiting=waiting) as ahead:
        for count in range(1, waiting + 2):
            ahead.write(points(count))  # returns while none is delivered
        assert under_way.wait(60)
        one_more = threading.Thread(target=write, args=(ahead,))
        one_more.start()
        one_more.join(0.2)
        assert one_more.is_alive(), "it waits until there is room"
        assert not seen
        go_on.set()
        one_more.join(60)
        ahead.settle()
        assert seen == list(range(1, waiting + 3)), "in order"


def test_a_replay_that_fails_drops_what_waits() -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    def deliver(some: Sequence[Point]) -> None:
        begun.set()
        assert go_on.wait(60)
        seen.append(len(some))

    ahead = ahead_of(deliver, waiting=3)
    for count in range(1, 4):
        ahead.write(points(count))
    assert begun.wait(60)
    threading.Timer(0.2, go_on.set).start()
    ahead.__exit__(Stopped)
    assert seen == [1], "the one that was under way ends, the others never begin"


def test_what_goes_wrong_with_one_of_several_is_said_and_nothing_is_settled() -> None:
    def deliver(some: Sequence[Point]) -> None:
        if len(some) == 1:
            raise TargetRefused("one")

    ahead = ahead_of(deliver, 4)
    for count in range(1, 5):
        ahead.write(points(count))
    with pytest.raises(TargetRefused, match="one"):
        ahead.settle()
    ahead.__exit__(TargetRefused)


def _refuse_if(error: TargetError, condition: bool) -> None:
    if condition:
        raise error
