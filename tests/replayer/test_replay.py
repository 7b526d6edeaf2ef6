"""The one-shot replay: whole windows, once, by this process or by the follower that runs already."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.errors import HomeiqError, TargetLocked
from homeiq.replayer import projection
from homeiq.replayer import replay as replaying
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.point import Point
from homeiq.replayer.replay import Progress, follow, home_zone, replay, replay_to_output, target_lock
from homeiq.replayer.scope import Scope
from homeiq.settings import Settings
from homeiq.storage.reader import LogReader

from replayer.making import DAY_0, MemoryTarget, config, registries, state, wanted, write_log
from servers.line_protocol import parse

HOUR = 3_600 * SECOND


class Waits(threading.Event):
    """A stop event that lets something happen when it is waited for."""

    def __init__(self, *actions: Callable[[], None]) -> None:
        super().__init__()
        self.actions = list(actions)

    def wait(self, timeout: float | None = None) -> bool:
        if self.actions:
            self.actions.pop(0)()
        return self.is_set()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryTarget:
    """The target of the settings, and a log of three days."""
    target = MemoryTarget()
    monkeypatch.setattr(replaying, "open_target", lambda settings, *_: target)
    events = [state(f"sensor.{name}", "1", DAY_0 + n * 6 * HOUR) for name in "ab" for n in range(12)]
    write_log(tmp_path, [*registries(DAY_0), *events])
    return target


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def ledger_states(data_dir: Path) -> list[str]:
    ledger = Ledger(data_dir, "memory")
    found = [window.state for window in ledger.windows()]
    ledger.close()
    return found


def test_a_replay_writes_everything_and_twice_the_same(memory: MemoryTarget, settings: Settings) -> None:
    seen: list[int] = []
    progress = replay(settings, watch=lambda progress: seen.append(progress.windows_done))
    records = [record for some in LogReader(settings.data_dir).read() for record in some]
    assert memory.content == wanted(records)
    assert (progress.windows, progress.windows_done, progress.events) == (3, 3, 24)
    assert (progress.counts.points, progress.by_follower) == (24, False)
    assert seen[-1] == 3
    assert seen == sorted(seen)
    replay(settings)
    assert memory.content == wanted(records)
    assert ledger_states(settings.data_dir) == ["done"] * 3


def test_a_range_is_widened_to_whole_windows(memory: MemoryTarget, settings: Settings) -> None:
    progress = replay(settings, Scope(DAY_0 + DAY + HOUR, DAY_0 + DAY + 2 * HOUR))
    assert progress.windows == 1
    assert {time // 1000 // DAY * DAY for _, time in memory.content} == {DAY_0 + DAY}
    assert len(memory.content) == 8
    assert replay(settings, Scope(DAY_0 + 9 * DAY)).windows == 0


def test_stopped_in_the_middle_the_window_is_replayed_at_the_next_start(
    memory: MemoryTarget, settings: Settings
) -> None:
    stop = threading.Event()
    memory.before = lambda points: stop.set()
    with pytest.raises(HomeiqError, match="replayed at the next start"):
        replay(settings, stop=stop)
    assert ledger_states(settings.data_dir) == ["writing"]
    replay(settings, Scope(DAY_0 + 2 * DAY))
    assert ledger_states(settings.data_dir) == ["stale", "done"], "the interrupted one is not forgotten"


def test_beside_a_follower_it_is_the_follower_who_does_it(memory: MemoryTarget, settings: Settings) -> None:
    ledger = Ledger(settings.data_dir, "memory")

    def report(state: str, done: int) -> Callable[[], None]:
        return lambda: ledger.report(1, state, windows=(done, 2), events=done, points=done, message="busy")

    seen: list[Progress] = []
    with target_lock(settings.data_dir, memory):
        stop = Waits(report("running", 0), report("running", 1), report("done", 2))
        progress = replay(settings, Scope(DAY_0), stop=stop, watch=seen.append)
        with pytest.raises(TargetLocked, match="another process writes"):
            follow(settings, stop)
    assert progress.by_follower
    assert [one.windows_done for one in seen] == [0, 0, 1, 2]
    assert (progress.windows, progress.counts.points, progress.problem) == (2, 2, "busy")
    assert memory.content == {}
    ledger.close()


def test_waiting_for_a_follower_can_be_ended(memory: MemoryTarget, settings: Settings) -> None:
    stop = Waits(lambda: None)
    stop.actions.append(stop.set)
    with target_lock(settings.data_dir, memory), pytest.raises(HomeiqError, match="goes on with the replay"):
        replay(settings, stop=stop)


def test_where_the_follower_ends_it_is_done_here(memory: MemoryTarget, settings: Settings) -> None:
    lock = target_lock(settings.data_dir, memory)
    lock.__enter__()
    progress = replay(settings, stop=Waits(lambda: None, lambda: lock.__exit__(None, None, None)))
    assert not progress.by_follower
    assert len(memory.content) == 24
    ledger = Ledger(settings.data_dir, "memory")
    assert [request.state for request in ledger.requests("waiting", "running", "done")] == ["done"]
    ledger.close()


def test_what_follows_drains_the_log_when_it_is_stopped(memory: MemoryTarget, settings: Settings) -> None:
    stop = threading.Event()
    stop.set()
    follow(settings, stop)
    assert len(memory.content) == 24


def test_output_has_exactly_the_range_that_was_asked_for(memory: MemoryTarget, settings: Settings) -> None:
    output = settings.data_dir / "points.lp"
    progress = replay_to_output(settings, str(output), DAY_0 + 6 * HOUR, DAY_0 + 12 * HOUR + 1)
    content = parse(output.read_bytes().decode())
    assert {time for _, _, time in content} == {(DAY_0 + 6 * HOUR) * 1000, (DAY_0 + 12 * HOUR) * 1000}
    assert progress.counts.points == len(content) == 4
    assert not (settings.data_dir / "ledger.sqlite").exists()


def test_output_that_was_not_completed_is_not_there(
    memory: MemoryTarget, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "BATCH", 5)

    def watch(progress: Progress) -> None:
        if progress.counts.points > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay_to_output(settings, str(tmp_path / "points.lp"), watch=watch)
    assert not list(tmp_path.glob("points.lp*"))


def test_a_target_may_be_handed_in(memory: MemoryTarget, settings: Settings) -> None:
    seen: list[Point] = []
    memory.before = seen.extend
    replay_to_output(settings, "-", target=memory)
    assert len(seen) == 24


def test_the_homes_zone_is_the_one_the_log_last_knew(tmp_path: Path) -> None:
    assert home_zone(tmp_path).key == "UTC"
    write_log(tmp_path, [config(DAY_0, "Asia/Kathmandu"), config(DAY_0 - 1, "Asia/Tokyo")])
    assert home_zone(tmp_path).key == "Asia/Kathmandu"
