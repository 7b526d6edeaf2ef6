"""The target equals f(log): whatever comes, in whatever order, however often the follower is stopped or killed.

The memory target merges fields, and takes points of other series with a delete, as InfluxDB 2 does; the embedded target
replaces whole windows.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from homeiq.clock import DAY, SECOND, ManualClock, window_of
from homeiq.errors import TargetUnreachable
from homeiq.replayer import delivery as delivering
from homeiq.replayer import follower as follower_module
from homeiq.replayer import projection, windows
from homeiq.replayer import replay as replaying
from homeiq.replayer.delivery import Delivery
from homeiq.replayer.follower import Follower
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers.base import Normalizer
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.home_assistant_layout import HomeAssistantLayout
from homeiq.replayer.normalizers.weather import WeatherNormalizer
from homeiq.replayer.point import Point, Series
from homeiq.replayer.scope import Scope
from homeiq.replayer.targets.base import Target
from homeiq.replayer.targets.embedded import EmbeddedTarget
from homeiq.settings import ReplaySettings, Settings
from homeiq.storage import maintenance
from homeiq.storage.log import EventLog
from homeiq.storage.reader import LogReader
from homeiq.storage.record import ORIGINS, Event, Record
from homeiq.storage.sql import query
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replayer.kinds import Forecasts, Meters, Version2, Version3, forecast, reading, weather
from replayer.making import (
    DAY_0,
    Content,
    MemoryTarget,
    config,
    devices,
    entities,
    fast_folder,
    registries,
    state,
    wanted,
    wanted_forecasts,
    wanted_sums,
    write_log,
)
from storage.disks import FastFiles


class Killed(BaseException):
    """The process is gone."""


class AtOnce:
    """An executor whose work is done when it is submitted, so that what happens is the same each time."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def submit(self, action: Callable[..., None], *arguments: Any) -> Future[None]:
        """Do it."""
        future: Future[None] = Future()
        try:
            future.set_result(action(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool, *, cancel_futures: bool = False) -> None:
        """There is nothing to end."""


class Script(threading.Event):
    """A stop event that lets something happen each time the follower waits; it is set when nothing is left to happen."""

    def __init__(self, clock: ManualClock, actions: list[Callable[[], None]]) -> None:
        super().__init__()
        self._clock = clock
        self._actions = actions

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass."""
        self._clock.advance(timeout or 0)
        if self._actions:
            self._actions.pop(0)()
        else:
            self.set()
        return self.is_set()


class KillingLedger(Ledger):
    """A ledger whose process may be killed before or after any entry."""

    step: Callable[[], None] = staticmethod(lambda: None)

    def advance(self, *arguments: Any) -> None:
        """Advance."""
        self.step()
        super().advance(*arguments)
        self.step()

    def enter(self, *arguments: Any) -> None:
        """Enter."""
        self.step()
        super().enter(*arguments)
        self.step()


class Disk(FastFiles):
    """A disk whose process may be killed before any change of a name."""

    step: Callable[[], None] = staticmethod(lambda: None)

    def replace(self, source: Path, destination: Path) -> None:
        """Rename."""
        self.step()
        super().replace(source, destination)

    def remove(self, path: Path) -> None:
        """Remove."""
        self.step()
        super().remove(path)


class World:
    """A log that grows, a target, and a follower that is stopped, killed and started again."""

    def __init__(self, data_dir: Path, embedded: bool) -> None:
        self.data_dir = data_dir
        self.clock = ManualClock()
        self.log = EventLog(data_dir, files=FastFiles())
        self.disk = Disk()
        self.memory = MemoryTarget(self._before_write, reads=True)
        self.embedded = embedded
        self.normalizers: list[Normalizer] = [HomeAssistantNormalizer()]
        self.target: Target = EmbeddedTarget(data_dir, self.disk) if embedded else self.memory
        self.foreign: set[tuple[str, int]] = set()
        self.down = 0
        self.kill_in: int | None = None
        self.disk.step = self.step
        self.script: list[Callable[[], None]] = []
        self.stop = Script(self.clock, self.script)
        self.settings = ReplaySettings()

    def close(self) -> None:
        """End it."""
        self.log.close()

    def step(self) -> None:
        """Be killed, if this is the time for it."""
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in < 0:
                self.kill_in = None
                raise Killed

    def _before_write(self, points: Sequence[Point]) -> None:
        if not points:
            self.step()
            return
        self.clock.advance(3.0)  # so that what comes live is taken in between two batches of a replay
        if self.script:
            self.script.pop(0)()
        if self.down:
            self.down -= 1
            raise TargetUnreachable("it is down")
        try:
            self.step()
        except Killed:
            self.memory.take(points[: len(points) // 2])
            raise
        assert len({point.key for point in points}) == len(points)

    def append(self, events: list[Event]) -> None:
        """Let events come."""
        self.log.append(events)

    def ask(self, scope: Scope) -> None:
        """Ask the follower for a replay."""
        ledger = Ledger(self.data_dir, self.target.name)
        ledger.ask(scope.to_json())
        ledger.close()

    def seal(self) -> None:
        """Seal what there is, and merge."""
        self.log.rotate()
        maintenance.compact(self.data_dir, FastFiles())

    def go_down(self, writes: int) -> None:
        """Let the next writes fail."""
        self.down = writes

    def change(self, version: int) -> None:
        """Let a new version of homeiq be started: another normalizer, and all windows redone on demand."""
        self.normalizers = [VERSIONS[version](), *self.normalizers[1:]]
        self.stop.set()

    def write_foreign(self, time: int, entity: str) -> None:
        """Let another process write into our measurement."""
        if not self.embedded:
            series = Series("home_assistant_events", {"entity_id": entity, "area_id": "none"})
            self.memory.take([Point(series, {"value": 7.0}, time * 1000, 0)])
            self.foreign.add((series.prefix, time * 1000))

    def kill(self, steps: int) -> None:
        """Let the process be killed after so many steps."""
        self.kill_in = steps

    def replay_once(self) -> None:
        """Replay everything by hand, while nobody follows."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replaying, "open_target", lambda settings, *_: self.target)
            patch.setattr(replaying, "Ledger", self._ledger)
            replaying.replay(Settings(data_dir=self.data_dir), clock=self.clock, stop=Script(self.clock, []))

    def _ledger(self, data_dir: Path, name: str) -> KillingLedger:
        ledger = KillingLedger(data_dir, name)
        ledger.step = self.step
        return ledger

    def follow(self) -> None:
        """Follow until it is stopped or killed."""
        ledger = self._ledger(self.data_dir, self.target.name)
        delivery = Delivery(self.target, ledger, self.clock, forever=True, stop=self.stop)
        follower = Follower(
            *(self.data_dir, self.target, ledger, delivery, self.normalizers),
            *(self.settings, self.clock, self.stop),
        )
        try:
            follower.run()
        except Killed:
            pass
        finally:
            ledger.close()

    def settle(self) -> None:
        """Play the script to its end, then follow until nothing is left to do."""
        while self.script:
            self.stop.clear()
            self.follow()
        self.down, self.kill_in = 0, None
        self.ask(Scope(stale=True))
        for _ in range(50):
            self.stop.set()
            self.follow()
            ledger = Ledger(self.data_dir, self.target.name)
            states = {window.state for window in ledger.windows()}
            done = ledger.position == LogReader(self.data_dir).end() and states <= {"done", "live"}
            open_requests = ledger.requests("waiting", "running")
            ledger.close()
            if done and not open_requests:
                return
        raise AssertionError("it never ends")

    def found(self) -> Content:
        """Return what the target holds."""
        return points_in(self.data_dir) if self.embedded else self.memory.content


def points_in(data_dir: Path) -> Content:
    """Return what the view `points` shows, in which no point may stand twice."""
    table = query(data_dir, "SELECT * REPLACE (epoch_us(time) AS time) FROM points")
    assert table is not None
    content: Content = {}
    for row in table.to_pylist():
        measurement, time, fields = row.pop("measurement"), row.pop("time"), row.pop("fields")
        tags = "".join(f",{name}={row[name]}" for name in sorted(row) if row[name] is not None)
        key = measurement + tags, time * 1000
        assert key not in content
        content[key] = orjson.loads(fields)
    return content


TIMES = [
    DAY_0 + day * DAY + offset
    for day in range(3)
    for offset in (0, 1, SECOND, 4 * SECOND, 6 * SECOND, 43_200 * SECOND, DAY - 2 * SECOND, DAY - 1)
]
times = st.sampled_from(TIMES[:4]) | st.sampled_from(TIMES[:4]) | st.sampled_from(TIMES)
values = st.integers(0, 3).map(str)
origins = st.sampled_from([*["live", "manual", "simulated"] * 4, *ORIGINS])


@st.composite
def states(draw: st.DrawFn, texts: st.SearchStrategy[str] = values) -> Event:
    """A copy of a state, of whatever origin, in one of two forms; every copy has the same fields."""
    entity_id = draw(st.sampled_from(["sensor.a", "sensor.a", "sensor.b", "sensor.unknown"]))
    return state(entity_id, draw(texts), draw(times), draw(origins), whole=draw(st.booleans()))


fields_change = st.builds(devices, times, st.sampled_from(["A", "B", "C"]), origin=st.sampled_from(["live", "import"]))
anything_changes = st.one_of(
    fields_change,
    st.builds(devices, times, st.sampled_from([None, "B"]), st.sampled_from(["bath", "hall"])),
    st.builds(entities, times, st.sampled_from([("sensor.a",), ("sensor.b",), ()]), st.sampled_from(["demo", "mqtt"])),
    st.builds(config, times, st.sampled_from(["UTC", "Asia/Kathmandu", "America/Los_Angeles"])),
)
odd_states = states(st.sampled_from(["1", "on", "unavailable"]))


scopes = st.builds(Scope, st.none() | times, st.none() | times, entity=st.sampled_from(["", "", "sensor.a", "*.b"]))
VERSIONS = (HomeAssistantNormalizer, Version2, Version3, HomeAssistantLayout)


@st.composite
def stories(draw: st.DrawFn, home: st.SearchStrategy[Event], of: st.SearchStrategy[Event]) -> list[tuple[Any, ...]]:
    """What happens: events come in groups, and between them anything."""
    events = st.one_of(*[of] * 7, home)
    groups = st.tuples(st.just("append"), st.lists(events, min_size=1, max_size=4))
    else_ = st.one_of(
        st.tuples(st.just("ask"), scopes),
        st.tuples(st.just("change"), st.integers(0, 3)),
        st.tuples(st.just("write_foreign"), times, st.sampled_from(["sensor.a", "sensor.b"])),
        st.tuples(st.just("kill"), st.integers(0, 6)),
        st.tuples(st.just("go_down"), st.integers(1, 3)),
        st.sampled_from([("seal",), ("stop",), ("replay_once",)]),
    )
    waits = st.tuples(st.just("nothing"), st.integers(0, 5))
    return draw(st.lists(groups | groups | waits | else_, min_size=1, max_size=25))


def run(
    story: list[tuple[Any, ...]],
    *,
    embedded: bool,
    first: Sequence[Event] = (),
    normalizers: Sequence[type[Normalizer]] = (HomeAssistantNormalizer,),
    of_states: Callable[[Sequence[Record], Normalizer], Content] = wanted,
) -> None:
    """Let a story happen, and compare what the target holds in the end with what the log makes."""
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "_RECORDS", 2)
        patch.setattr(windows, "PARTITION", 5)
        patch.setattr(delivering, "ThreadPoolExecutor", AtOnce)
        world = World(data_dir, embedded)
        patch.setattr(replaying, "normalizers_of", lambda *_, **__: world.normalizers)
        world.normalizers = [kind() for kind in normalizers]
        try:
            if first:
                world.append(list(first))
            for name, *arguments in story:
                if name == "replay_once":
                    while world.script:
                        world.stop.clear()
                        world.follow()
                    world.down = 0
                    with suppress(Killed):
                        world.replay_once()
                elif name == "stop":
                    world.script.append(world.stop.set)
                elif name != "nothing":
                    action = getattr(world, name)
                    world.script.append(lambda action=action, arguments=arguments: action(*arguments))
                else:
                    world.script += [lambda: None] * arguments[0]
            world.settle()
            records = [record for some in LogReader(data_dir).read() for record in some]
            found = world.found()
            assert {key for key in found if "origin" not in found[key]} == world.foreign, "what is foreign stays"
            ours = {key: fields for key, fields in found.items() if key not in world.foreign}
            made = of_states(records, world.normalizers[0]) | wanted_forecasts(records) | wanted_sums(records)
            assert ours == made
        finally:
            world.close()


relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(stories(anything_changes, odd_states))
def test_an_upsert_target_equals_f_of_the_log(story: list[tuple[Any, ...]]) -> None:
    run(story, embedded=False)


@relaxed
@given(stories(anything_changes, odd_states))
def test_the_embedded_target_equals_f_of_the_log(story: list[tuple[Any, ...]]) -> None:
    run(story, embedded=True)


KINDS = (HomeAssistantNormalizer, Forecasts, Meters, WeatherNormalizer)
any_fields = st.sampled_from([{"a": 1.0}, {"b": 1.0}, {"a": 2.0, "b": 1.0}])


def forecasts(fields: st.SearchStrategy[dict[str, float]]) -> st.SearchStrategy[Event]:
    """What is foretold, of whatever origin."""
    foretold = st.dictionaries(st.sampled_from([-23, 0, 1, 24, 47]), fields, max_size=3)
    return st.builds(forecast, times, foretold, origins)


readings = st.builds(reading, st.sampled_from(["x", "y"]), st.sampled_from([1.0, 2.0, 3.0]), times, origins)


near = st.sampled_from([-60, -31, -30, -29, 0, 3_600]).map(lambda seconds: seconds * SECOND)
weathers = st.builds(
    lambda time, before, degrees, origin: weather(time + before, degrees, origin),
    *(times, near, st.sampled_from([1.0, 2.0]), origins),
)
of_all_kinds = st.one_of(forecasts(any_fields), readings, readings, odd_states, odd_states, weathers)


@relaxed
@given(stories(anything_changes, of_all_kinds))
def test_an_upsert_target_equals_f_of_the_log_for_all_kinds_of_normalizers(story: list[tuple[Any, ...]]) -> None:
    run(story, embedded=False, normalizers=KINDS)


@relaxed
@given(stories(anything_changes, of_all_kinds))
def test_the_embedded_target_equals_f_of_the_log_for_all_kinds_of_normalizers(story: list[tuple[Any, ...]]) -> None:
    run(story, embedded=True, normalizers=KINDS)


# --- what was found by attack: each of these ended with a target that was not f(log) ---------------------------------


def a_state(text: str, time: int, origin: Any = "live") -> tuple[str, list[Event]]:
    """One state that comes."""
    return "append", [state("sensor.a", text, time, origin, whole=True)]


PAUSE = ("nothing", 8)


@pytest.mark.parametrize("embedded", [False, True])
def test_a_worse_copy_does_not_replace_what_a_replay_wrote(embedded: bool) -> None:
    """Also where the follower itself has never written anything that new."""
    story = [a_state("1", DAY_0, "import"), PAUSE, a_state("2", DAY_0, "simulated"), PAUSE]
    run(story, embedded=embedded, first=registries(DAY_0))
    asked = [a_state("1", DAY_0), a_state("1", DAY_0 + 9, "import"), PAUSE, a_state("2", DAY_0 + 9, "manual"), PAUSE]
    run(asked, embedded=embedded, first=registries(DAY_0))


@pytest.mark.parametrize("embedded", [False, True])
def test_one_event_from_the_future_makes_no_other_late(embedded: bool) -> None:
    with fast_folder() as data_dir:
        world = World(data_dir, embedded)
        try:
            world.append(registries(DAY_0))
            moments = [DAY_0, DAY_0 + 70 * 365 * DAY, *(DAY_0 + n * SECOND for n in range(1, 50))]
            for time in moments:
                world.script += [lambda time=time: world.append([state("sensor.a", "1", time)]), *[lambda: None] * 5]
            world.settle()
            ledger = Ledger(data_dir, world.target.name)
            assert {window.state for window in ledger.windows()} == {"live"}, "nothing had to be replayed"
            ledger.close()
            assert len(world.found()) == len(moments)
        finally:
            world.close()


@pytest.mark.parametrize("embedded", [False, True])
def test_a_follower_goes_on_where_the_log_ends_earlier_than_it_was(embedded: bool) -> None:
    """Power loss took the end of the log after it was projected; other records then get the same numbers."""
    with fast_folder() as data_dir:
        world = World(data_dir, embedded)
        world.append([*registries(DAY_0), *(state("sensor.a", "1", DAY_0 + n * SECOND) for n in range(3))])
        world.settle()
        tail = next((data_dir / "log").glob("tail-*"))
        lines = tail.read_bytes().splitlines(keepends=True)
        world.close()
        tail.write_bytes(b"".join(lines[:-2]))
        world.log = EventLog(data_dir, files=FastFiles())
        world.settle()
        world.append([state("sensor.b", "2", DAY_0 + n * SECOND) for n in range(20, 24)])
        world.settle()
        world.close()
        records = [record for some in LogReader(data_dir).read() for record in some]
        found = world.found()
        assert found == wanted(records)


def test_what_was_replayed_by_hand_ahead_of_the_follower_hides_nothing() -> None:
    """The embedded target: a window file that reaches further than a later replay of the same window."""
    first = [state("sensor.a", "1", DAY_0), *registries(DAY_0)]
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        world = World(data_dir, embedded=True)
        world.append(first)
        world.settle()
        world.append([devices(DAY_0 + 1, "B"), *(state("sensor.a", str(n), DAY_0 + n * SECOND) for n in range(6))])
        world.replay_once()
        read = LogReader.read
        patch.setattr(LogReader, "read", lambda reader: ([record] for some in list(read(reader)) for record in some))
        world.settle()
        world.close()
        patch.undo()
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some])


def test_live_points_do_not_wait_for_registries_that_are_there() -> None:
    """The first registries come a moment after the first events; they end the wait."""
    with fast_folder() as data_dir:
        world = World(data_dir, embedded=False)
        world.append([state("sensor.a", "1", DAY_0)])
        world.script += [lambda: world.append(registries(DAY_0)), lambda: None, lambda: None]
        seen: list[float] = []
        world.memory.before = lambda points: seen.append(world.clock.monotonic())
        world.settle()
        world.close()
        assert seen
        assert seen[0] < 5


def test_hundreds_of_stale_windows_are_replayed_from_one_view() -> None:
    """A view reads all tails anew; one registry record makes every window stale."""
    count = 300
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        world = World(data_dir, embedded=False)
        world.append([*registries(DAY_0), *(state("sensor.a", "1", DAY_0 + n * DAY) for n in range(count))])
        world.settle()
        views: list[int | None] = []

        class CountedView(follower_module.LogView):
            def __init__(self, data_dir: Path, upto: int | None = None) -> None:
                views.append(upto)
                super().__init__(data_dir, upto)

        patch.setattr(follower_module, "LogView", CountedView)
        world.append([devices(DAY_0, "B")])
        today = DAY_0 + count * DAY
        for n in range(count):  # one comes live between any two
            world.script.append(lambda n=n: world.append([state("sensor.b", "1", today + n * SECOND)]))
        world.settle()
        world.close()
        assert len(views) < 10
        assert len(world.found()) == count * 2


BACKLOG = [state("sensor.a", str(n), DAY_0 + (n > 0) * DAY + n * SECOND + 1) for n in range(20)]


def come_back_behind(world: World, patch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let the target be away while a backlog comes; return, by write, the values that are written when it is back."""
    patch.setattr(follower_module, "_BACKLOG", 10)
    patch.setattr(follower_module, "_SEEN_AT_ONCE", 4)
    world.append([*registries(DAY_0), state("sensor.a", "0", DAY_0)])
    world.settle()
    writes: list[list[str]] = []
    away: list[bool] = []
    usual = world.memory.before

    def before(points: Sequence[Point]) -> None:
        usual(points)
        if points and points[0].series.measurement != "homeiq_target":
            if not away:
                away.append(True)
                world.append(BACKLOG[1:])
                raise TargetUnreachable("it is away")
            writes.append([str(point.fields["state"]) for point in points])

    world.memory.before = before
    world.script += [lambda: None, lambda: world.append(BACKLOG[:1]), *[lambda: None] * 20]
    return writes


def test_what_is_newest_is_written_first_when_the_target_is_back() -> None:
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        world = World(data_dir, embedded=False)
        writes = come_back_behind(world, patch)
        world.settle()
        world.close()
        assert writes[0] == ["0"], "which was under way when it went"
        assert writes[1] == ["16", "17", "18", "19"], "at once, and not with the rest of their day"
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some])


def test_what_was_written_before_its_window_is_replayed_leaves_nothing_behind() -> None:
    """The newest points are there at once; then it turns out that the device had moved before: their tags are others."""
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        world = World(data_dir, embedded=False)
        patch.setattr(follower_module, "_SLICE_SECONDS", 1_000.0)  # so that it is known before the window is replayed
        writes = come_back_behind(world, patch)
        before = world.memory.before

        def moved(points: Sequence[Point]) -> None:
            before(points)
            if writes[-1:] == [["16", "17", "18", "19"]]:
                world.append([devices(DAY_0 + DAY, area="bath")])

        world.memory.before = moved
        world.settle()
        world.close()
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some])


def test_a_replay_is_left_in_the_middle_where_a_long_backlog_came_while_the_target_was_away() -> None:
    """Else what is newest would wait for the rest of a day that is being replayed."""
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "_RECORDS", 2)
        patch.setattr(delivering, "ThreadPoolExecutor", AtOnce)
        patch.setattr(follower_module, "_BACKLOG", 10)
        patch.setattr(follower_module, "_SEEN_AT_ONCE", 4)
        old = [state("sensor.a", f"{n}.5", DAY_0 + n * SECOND, "import") for n in range(8)]
        world = World(data_dir, embedded=False)
        world.append([*registries(DAY_0), *old])
        world.settle()
        writes: list[list[str]] = []
        usual = world.memory.before

        def before(points: Sequence[Point]) -> None:
            if points and points[0].series.measurement != "homeiq_target":
                if len(writes) == 1 and not world.down and LogReader(data_dir).end() < 20:
                    world.append(BACKLOG)
                    world.go_down(3)
                usual(points)
                writes.append([str(point.fields["state"]) for point in points])
            else:
                usual(points)

        world.memory.everything = {k: f for k, f in world.memory.everything.items() if k[0] == "homeiq_target"}
        world.memory.before = before
        world.ask(Scope())
        world.script += [lambda: None] * 50
        world.settle()
        world.close()
        assert writes[0][0] == "0.5"
        rest = next(number for number, values in enumerate(writes) if "7.5" in values)
        assert writes.index(["16", "17", "18", "19"]) < rest, "they do not wait for the end of the day before"
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some])


def test_a_replay_is_asked_for_while_the_target_is_down() -> None:
    run([a_state("1", DAY_0), ("go_down", 5), ("ask", Scope()), *[PAUSE] * 4], embedded=False, first=registries(0))
    with fast_folder() as data_dir:
        write_log(data_dir, [*registries(DAY_0), state("sensor.a", "1", DAY_0)])
        world = World(data_dir, embedded=False)
        world.ask(Scope(DAY_0))
        world.ask(Scope(DAY_0 + 9 * DAY))
        world.settle()
        world.close()
        ledger = Ledger(data_dir, "memory")
        requests = [request for request in ledger.requests("done") if not Scope.from_json(request.scope).stale]
        ledger.close()
        assert [(request.windows_done, request.windows, request.points) for request in requests] == [
            (1, 1, 1),
            (0, 0, 0),
        ]


@pytest.mark.parametrize("setting", ["when_asked", "at_once"])
def test_a_changed_normalizer_is_worked_off_when_asked_or_at_once(setting: Literal["when_asked", "at_once"]) -> None:
    """At once: newest first, while what comes live is written in between; else the newest day alone."""
    days = [DAY_0 + n * DAY for n in range(4)]
    with fast_folder() as data_dir:
        world = World(data_dir, embedded=False)
        world.settings = ReplaySettings(rewrite_changed=setting)
        world.append([*registries(DAY_0), *(state("sensor.a", "1", day + SECOND) for day in days)])
        world.settle()
        world.normalizers = [Version2()]
        written: list[tuple[int, str]] = []
        usual = world.memory.before

        def before(points: Sequence[Point]) -> None:
            usual(points)
            written.extend(
                (window_of(point.time // 1000), str(point.fields["state"]))
                for point in points
                if point.series.measurement != "homeiq_target"
            )

        world.memory.before = before
        world.script += [lambda: None] * 3
        world.script.append(lambda: world.append([state("sensor.a", "2", days[-1] + 99 * SECOND)]))
        world.script += [lambda: None] * 30
        world.stop.clear()
        world.follow()
        redone = [day for day, text in written if text == "1"]
        assert (days[-1], "2") in written
        if setting == "at_once":
            assert redone == days[::-1]
            live = written.index((days[-1], "2"))
            assert live < written.index((days[0], "1")), "what comes live does not wait"
            assert world.found() == wanted(
                [record for some in LogReader(data_dir).read() for record in some], Version2()
            )
        else:
            assert redone == days[-1:]
        world.settle()
        world.close()
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some], Version2())
