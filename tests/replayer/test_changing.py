"""A normalizer that changes, and changes back: what each version wrote into a day is known, so nothing stays of another.

Each story ended once with a target that was not f(log).
"""

from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer import follower as follower_module
from homeiq.replayer.home import HomeView
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.ledger_rows import SEVERAL, WindowState
from homeiq.replayer.normalizers.base import Normalizer, Reading
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.point import Point
from homeiq.replayer.scope import Scope
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event, Record

from replayer.kinds import Forecasts, Meters, Version2, forecast, reading
from replayer.making import DAY_0, entities, fast_folder, registries, state, wanted, wanted_forecasts, wanted_sums
from replayer.test_follower import PAUSE, World, a_state, run
from replayer.test_repeating import HALF, Repeated, heartbeat, wanted_repeated

LATER = DAY_0 + 9 * SECOND
BEFORE, DAY_1, DAY_2 = ("change", 0), DAY_0 + DAY, DAY_0 + 2 * DAY
RENAMES, MOVES, LAYOUT = ("change", 1), ("change", 2), ("change", 3)
"""Versions that write to another measurement and leave out an entity; that put each point into the next day; that ask for
nothing of the home's registries."""

A_PART = Scope(entity="sensor.a")
LEFT_OUT = ("append", [state("sensor.unknown", "1", DAY_0)])

STORIES: dict[str, list[tuple[Any, ...]]] = {
    "what comes live adds to a day that another replayed": [
        *(RENAMES, a_state("1", DAY_0, "backfill"), PAUSE),
        *(BEFORE, PAUSE, a_state("2", LATER), PAUSE),
    ],
    "and registries come late, which make nothing stale": [
        *(RENAMES, a_state("1", DAY_0, "backfill"), PAUSE, ("append", registries(DAY_0)), PAUSE, ("seal",)),
        *(BEFORE, a_state("2", LATER), PAUSE, ("append", registries(DAY_0 + 99 * SECOND)), PAUSE),
    ],
    "another adds to a day that was live, and goes again": [
        *(a_state("1", DAY_0), a_state("1", DAY_1), PAUSE),
        *(RENAMES, PAUSE, a_state("2", LATER), PAUSE, BEFORE, PAUSE),
    ],
    "another replays a part of a day that was live, and goes again": [
        *(a_state("1", DAY_0), a_state("1", DAY_1), PAUSE),
        *(RENAMES, PAUSE, ("ask", Scope(DAY_0, LATER, entity="sensor.a")), PAUSE, BEFORE, PAUSE),
    ],
    "another replays a part of a day that was done, and goes again": [
        *(a_state("1", DAY_0, "import"), a_state("1", DAY_1), PAUSE),
        *(RENAMES, PAUSE, ("ask", A_PART), PAUSE, BEFORE, PAUSE),
    ],
    "another replays a part of a day that was not known, and goes again": [
        *(a_state("1", DAY_0, "import"), PAUSE),
        *(MOVES, PAUSE, ("ask", Scope(DAY_1, DAY_2, entity="sensor.a")), PAUSE, RENAMES, PAUSE),
    ],
    "another adds to a day that it is the first to reach": [
        *(a_state("1", DAY_0), PAUSE, MOVES, PAUSE, a_state("2", LATER), PAUSE),
    ],
    "another adds to a day that it is the first to reach, and none was live": [
        *(a_state("1", DAY_0, "import"), PAUSE, MOVES, PAUSE, a_state("2", LATER), PAUSE),
    ],
    "another adds to a day that it is the first to reach, between two that were live": [
        *(a_state("1", DAY_0), a_state("1", DAY_2), PAUSE, MOVES, PAUSE, a_state("2", LATER), PAUSE),
    ],
    "one comes back, for which a state came meanwhile that another leaves out": [
        *(a_state("1", DAY_0), a_state("1", DAY_1), PAUSE, RENAMES, PAUSE),
        *(("append", [state("sensor.unknown", "1", LATER)]), PAUSE, BEFORE, PAUSE),
    ],
    "one comes back, for which the home changed meanwhile, while another did not ask for it": [
        *(a_state("1", DAY_0), PAUSE, ("ask", A_PART), PAUSE, LAYOUT, PAUSE),
        *(("append", [entities(DAY_0, ("sensor.a",), "mqtt")]), PAUSE, BEFORE, PAUSE),
    ],
    "one comes back, and adds to a day in which another made nothing": [
        *(a_state("1", DAY_1), PAUSE, RENAMES, PAUSE, LEFT_OUT, PAUSE),
        *(BEFORE, PAUSE, a_state("2", LATER), PAUSE),
    ],
}


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("name", STORIES)
def test_nothing_stays_of_another_version(name: str, embedded: bool) -> None:
    run(STORIES[name], embedded=embedded, first=registries(DAY_0))


def _windows(world: World) -> dict[int, WindowState]:
    ledger = Ledger(world.data_dir, world.target.name)
    windows = {window.start: window for window in ledger.windows()}
    ledger.close()
    return windows


def _let_come(world: World, *times: int) -> None:
    """Let a state come at each of these times, and follow until nothing is left that nobody asked for."""
    for time in times:
        world.script += [lambda time=time: world.append([state("sensor.a", "1", time)]), *[lambda: None] * 8]
    _follow(world)


def _follow(world: World) -> None:
    world.stop.clear()
    world.follow()


def test_a_change_redoes_the_newest_day_and_no_more() -> None:
    """What it adds to an older day waits there until somebody asks; new days are followed without any replay."""
    with fast_folder() as data_dir:
        world = World(data_dir, embedded=False)
        world.append(registries(DAY_0))
        _let_come(world, DAY_0, DAY_1, DAY_2)
        before = _windows(world)
        world.normalizers = [Version2()]
        _let_come(world, LATER, DAY_2 + DAY)
        after = _windows(world)
        assert {start: window.state for start, window in after.items()} == {
            **{DAY_0: "live", DAY_1: "live"},
            **{DAY_2: "done", DAY_2 + DAY: "live"},
        }
        assert after[DAY_0].fingerprint == after[DAY_1].fingerprint == SEVERAL
        assert after[DAY_2].fingerprint == after[DAY_2 + DAY].fingerprint != before[DAY_2].fingerprint
        world.settle()
        world.close()
        assert len({window.fingerprint for window in _windows(world).values()}) == 1
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some], Version2())


def test_a_part_of_a_day_that_was_not_known_is_followed_by_the_rest() -> None:
    """Else what stands there would be taken for the whole day."""
    with fast_folder() as data_dir:
        world = World(data_dir, embedded=False)
        world.append([*registries(DAY_0), state("sensor.unknown", "1", DAY_0), state("sensor.a", "1", DAY_1)])
        world.normalizers = [Version2()]
        _let_come(world, DAY_1 + SECOND)
        assert DAY_0 not in _windows(world), "it has left that entity out"
        world.change(0)
        world.ask(Scope(DAY_0, DAY_1, entity="sensor.u*"))
        _let_come(world, DAY_1 + 2 * SECOND)
        assert _windows(world)[DAY_0].state == "done"
        world.close()


def test_a_restart_makes_nothing_stale() -> None:
    with fast_folder() as data_dir:
        world = World(data_dir, embedded=False)
        world.append(registries(DAY_0))
        for time in (DAY_0, LATER, DAY_1, DAY_2):
            _let_come(world, time)
        assert {window.state for window in _windows(world).values()} == {"live"}
        world.close()


class NearForecasts(Forecasts):
    """A version that leaves out what lies a day ahead, and further."""

    version = 2

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the points of the next hours."""
        return [point for point in super().normalize(record, home) if point.time // 1000 < record.time + DAY]


class OneMeter(Meters):
    """A version that leaves out a meter."""

    version = 2

    def readings(self, record: Record, home: HomeView) -> list[Reading]:
        """Return what the other meters say."""
        return [one for one in super().readings(record, home) if one.meter != "x"]


OTHERS: dict[str, tuple[type[Normalizer], type[Normalizer], list[Event], Event]] = {
    "of forecasts": (
        *(NearForecasts, Forecasts),
        [forecast(DAY_0, {0: {"a": 1.0}, 24: {"a": 1.0}, 25: {"a": 1.0}})],
        forecast(LATER, {47: {"a": 2.0}}),
    ),
    "of meters": (
        *(OneMeter, Meters),
        [reading("y", 1.0, DAY_0 - DAY), reading("x", 1.0, DAY_0)],
        reading("y", 2.0, LATER),
    ),
    "of states that are repeated": (
        *(HomeAssistantNormalizer, Repeated),
        [state("sensor.a", "1", DAY_0 - DAY), heartbeat(DAY_0 + 9 * SECOND)],
        heartbeat(DAY_0 + HALF + 9 * SECOND),
    ),
}


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_day_in_which_an_earlier_version_made_nothing_is_whole(kind: str, embedded: bool) -> None:
    """When something comes live there, it is not for its beginning."""
    earlier, later, before, then = OTHERS[kind]
    with fast_folder() as data_dir:
        world = World(data_dir, embedded)
        world.append([*registries(DAY_0), *before])
        world.normalizers = [earlier()]
        _follow(world)
        known = _windows(world)
        world.normalizers = [later()]
        world.script += [lambda: world.append([then]), *[lambda: None] * 8]
        _follow(world)
        (new,) = _windows(world).keys() - known.keys()
        assert _windows(world)[new].state == "done", "it was replayed"
        world.settle()
        world.close()
        records = [record for some in LogReader(data_dir).read() for record in some]
        normalizer = world.normalizers[0]
        states = wanted(records) if isinstance(normalizer, HomeAssistantNormalizer) else {}
        made = states | wanted_repeated(records, normalizer) | wanted_forecasts(records) | wanted_sums(records)
        assert world.found() == made


@pytest.mark.parametrize("embedded", [False, True])
def test_one_that_was_away_learns_that_the_home_changed_meanwhile(embedded: bool) -> None:
    """As one is whose file is broken for a time: nobody could tell then which of its days speak of another home now."""
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        patch.setattr(follower_module, "with_retired", lambda now, ledger: list(now))
        world = World(data_dir, embedded)
        world.append([*registries(DAY_0), state("sensor.a", "1", DAY_0), state("sensor.a", "1", DAY_1)])
        world.normalizers = [HomeAssistantNormalizer(), Meters()]
        _follow(world)
        world.normalizers = [Meters()]
        world.append([entities(DAY_0, ("sensor.a",), "mqtt")])
        _follow(world)
        world.normalizers = [HomeAssistantNormalizer(), Meters()]
        _follow(world)
        world.settle()
        world.close()
        assert world.found() == wanted([record for some in LogReader(data_dir).read() for record in some])
