"""The last state of each entity, repeated at fixed times: whatever happens, as a naive oracle says."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer import follower as follower_module
from homeiq.replayer import replay as replaying
from homeiq.replayer.normalizers.base import Normalizer, SetAside
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.home_assistant_layout import HomeAssistantLayout
from homeiq.replayer.repeating import SETTLES
from homeiq.replayer.replay import replay_to_output
from homeiq.replayer.scope import Scope
from homeiq.settings import Settings
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event, Record, housekeeping_event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replayer import test_follower as follower_tests
from replayer.making import (
    DAY_0,
    Content,
    MemoryTarget,
    devices,
    fast_folder,
    home_at,
    ranked,
    registries,
    state,
    wanted,
    write_log,
)
from replayer.test_follower import PAUSE, anything_changes, run, stories

HOUR = 3_600 * SECOND
HALF = 12 * HOUR
WEEK = 7 * DAY


class Repeated(HomeAssistantNormalizer):
    """In the layout homeiq, twice a day."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.repeat(HALF)


class RepeatedLayout(HomeAssistantLayout):
    """In the layout home_assistant, twice a day."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.repeat(HALF)


def removal(entity_id: str, time: int) -> Event:
    """Return the event of an entity that is removed."""
    raw = json.dumps({"event_type": "state_changed", "data": {"entity_id": entity_id, "new_state": None}})
    return Event(time, time, "home_assistant", "live", "state_changed", entity_id, None, raw)


def heartbeat(time: int) -> Event:
    """Return the recorder's word that it lives."""
    return housekeeping_event(time, "recorder", "heartbeat")


def wanted_repeated(records: Sequence[Record], normalizer: Normalizer) -> Content:
    """Return the repeated points that a log makes, by looking at all of it for each time and entity."""
    every = normalizer.repeat_every
    if not every:
        return {}
    signs = [one for one in records if one.event_type in ("state", "state_changed", "homeiq_heartbeat")]
    states = [one for one in records if normalizer.reads.wants(one) and normalizer.choice.chosen(one)]
    content: Content = {}
    for time in {one.time // every * every for one in signs}:
        if not any(time + 5 * SECOND <= one.time < time + every for one in signs):
            continue
        for entity in {one.entity_id for one in states}:
            before = [one for one in states if one.entity_id == entity and one.time <= time]
            last = max((one.time for one in before), default=time)
            if last == time or time - last > WEEK:
                continue
            for one in sorted((one for one in before if one.time == last), key=ranked, reverse=True):
                try:
                    (point,) = normalizer.normalize(one, home_at(records, one.time))
                except SetAside:
                    continue
                if not point.fields.get("removed"):
                    content[point.series.prefix, time * 1000] = point.fields | {"repeated": True}
                break
    return content


def all_wanted(records: Sequence[Record], normalizer: Normalizer) -> Content:
    """Return all points of states."""
    states = [one for one in records if normalizer.reads.wants(one)]
    homes = [one for one in records if one.event_type in ("config", "entity_registry", "device_registry")]
    return wanted([*states, *homes], normalizer) | wanted_repeated(records, normalizer)


TIMES = [
    DAY_0 + day * DAY + offset
    for day in (0, 1, 7, 8)
    for offset in (0, 1, 4 * SECOND, 6 * SECOND, HALF - 1, HALF, HALF + SETTLES, DAY - 1)
]
times = st.sampled_from(TIMES[:8]) | st.sampled_from(TIMES)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """A copy of a state, a removal, or a heartbeat."""
    entity, time = draw(st.sampled_from(["sensor.a", "sensor.a", "sensor.b"])), draw(times)
    match draw(st.sampled_from(["state"] * 6 + ["heartbeat"] * 3 + ["removal"])):
        case "heartbeat":
            return heartbeat(time)
        case "removal":
            return removal(entity, time)
    text = draw(st.sampled_from(["1", "2", "on", "unavailable"]))
    return state(entity, text, time, draw(follower_tests.origins), whole=draw(st.booleans()))


relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
in_both = pytest.mark.parametrize("kind", [Repeated, RepeatedLayout])


def check(story: list[tuple[Any, ...]], kind: type[Normalizer], embedded: bool, first: Sequence[Event] = ()) -> None:
    """Let a story happen in which only the layout and the repeating may change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follower_tests, "VERSIONS", (kind, HomeAssistantNormalizer, kind, HomeAssistantLayout))
        patch.setattr(follower_module, "_BACKLOG", 6)
        patch.setattr(follower_module, "_SEEN_AT_ONCE", 2)
        run(story, embedded=embedded, first=first, normalizers=(kind,), of_states=all_wanted)


@in_both
@pytest.mark.parametrize("embedded", [False, True])
@relaxed
@given(story=stories(anything_changes, events()))
def test_the_target_equals_f_of_the_log(kind: type[Normalizer], embedded: bool, story: list[tuple[Any, ...]]) -> None:
    check(story, kind, embedded)


A, B = "sensor.a", "sensor.b"
NOON = DAY_0 + HALF


def come(*events: Event) -> tuple[str, list[Event]]:
    """Let events come."""
    return "append", list(events)


STORIES: dict[str, list[tuple[Any, ...]]] = {
    "one comes at the very time at which one was repeated": [
        *(come(state(A, "1", DAY_0 + 1)), PAUSE, come(heartbeat(NOON + 6 * SECOND)), PAUSE),
        *(come(state(A, "on", NOON)), PAUSE),
    ],
    "one comes late": [
        *(come(state(A, "1", DAY_0 + 1)), PAUSE, come(heartbeat(NOON + 6 * SECOND)), PAUSE),
        *(come(state(A, "on", NOON - 1), state(B, "1", NOON - 1)), PAUSE),
    ],
    "one comes of a week ago": [
        *(come(state(B, "1", DAY_0 + 1)), PAUSE, come(heartbeat(DAY_0 + WEEK + 6 * SECOND)), PAUSE),
        *(come(state(A, "1", DAY_0), state(B, "on", DAY_0 - 1)), PAUSE),
    ],
    "one comes for hours in which there was nothing": [
        *(come(heartbeat(NOON + DAY + 6 * SECOND)), PAUSE, come(state(A, "1", DAY_0 + DAY)), PAUSE),
    ],
    "killed after writing, and more is there at the next start": [
        *(come(state(A, "1", DAY_0 + 1)), PAUSE, ("kill", 1), come(heartbeat(NOON + 6 * SECOND))),
        *(come(state(A, "on", NOON - 1)), PAUSE),
    ],
    "a time passes while its window waits to be replayed": [
        *(come(state(A, "1", DAY_0 + 60 * SECOND), state(A, "1", NOON + DAY)), PAUSE),
        come(state(A, "2", DAY_0 + SECOND, "backfill"), state(A, "2", NOON + DAY - SECOND, "backfill")),
        *(come(heartbeat(NOON + 6 * SECOND)), PAUSE),
    ],
    "a long backlog of heartbeats after the target was away": [
        *(come(state(A, "1", DAY_0 + 1)), PAUSE, ("go_down", 3), come(state(A, "2", DAY_0 + 2))),
        *(come(*(heartbeat(DAY_0 + n * HALF + 6 * SECOND) for n in range(1, 12))), PAUSE),
        *(come(heartbeat(DAY_0 + 6 * DAY + 6 * SECOND)), PAUSE, come(state(A, "3", DAY_0 + 3)), PAUSE),
    ],
    "a sign in time, too early, and too late": [
        *(come(state(A, "1", DAY_0 + 1), *(state(B, "1", DAY_0 + n * DAY + 1) for n in (1, 2))), PAUSE),
        *(come(heartbeat(NOON + 5 * SECOND - 1)), PAUSE),
        *(come(heartbeat(NOON + DAY + 5 * SECOND)), PAUSE, come(heartbeat(NOON + 3 * DAY - 1)), PAUSE),
    ],
    "removed, and unavailable": [
        *(come(state(A, "1", DAY_0 + 1), state(B, "1", DAY_0 + 1)), PAUSE, come(heartbeat(NOON + 6 * SECOND)), PAUSE),
        *(come(removal(A, NOON + 7 * SECOND), state(B, "unavailable", NOON + 7 * SECOND)), PAUSE),
        *(come(heartbeat(DAY_0 + DAY + 6 * SECOND)), PAUSE, come(state(A, "2", DAY_0 + DAY + 7 * SECOND)), PAUSE),
        *(come(heartbeat(NOON + DAY + 6 * SECOND)), PAUSE),
    ],
    "copies of one state": [
        *(come(state(A, "1", DAY_0 + 1, "import"), state(A, "2", DAY_0 + 1, "snapshot")), PAUSE),
        *(come(heartbeat(NOON + 6 * SECOND)), PAUSE, come(state(A, "on", DAY_0 + 1)), PAUSE),
    ],
    "the area changes from a time on": [
        *(come(state(A, "1", DAY_0 + 9)), PAUSE, come(heartbeat(NOON + DAY + 6 * SECOND)), PAUSE),
        *(come(devices(DAY_0 + 5, area="bath")), PAUSE, come(devices(NOON, area="hall")), PAUSE),
    ],
    "switched on when there are days of heartbeats alone": [
        *(("change", 1), PAUSE, come(state(A, "1", DAY_0 + 1)), PAUSE),
        *(come(*(heartbeat(NOON + n * DAY + 6 * SECOND) for n in range(3))), PAUSE, ("change", 0), PAUSE),
    ],
    "switched off and on again": [
        *(come(state(A, "1", DAY_0 + 1)), PAUSE, come(*(heartbeat(NOON + n * DAY + 6 * SECOND) for n in range(2))), PAUSE),
        *(("change", 1), PAUSE, ("ask", Scope(stale=True)), PAUSE, ("change", 0), PAUSE),
        *(come(heartbeat(NOON + 2 * DAY + 6 * SECOND)), PAUSE),
    ],
}  # fmt: skip


@in_both
@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("name", STORIES)
def test_what_may_go_wrong(kind: type[Normalizer], embedded: bool, name: str) -> None:
    check(STORIES[name], kind, embedded, registries(DAY_0 - DAY))


@in_both
@relaxed
@given(st.lists(events(), max_size=20), st.randoms(use_true_random=False))
def test_the_lines_depend_on_the_records_alone(kind: type[Normalizer], said: list[Event], chance: Any) -> None:
    """In whatever order they came, and of any range of time."""
    contents = []
    for _ in range(2):
        with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
            patch.setattr(replaying, "normalizers_of", lambda settings: [kind()])
            write_log(data_dir, [*registries(DAY_0), *said])
            whole, parts = MemoryTarget(), MemoryTarget()
            replay_to_output(Settings(data_dir=data_dir), "-", target=whole)
            for since, until in ((None, DAY_0 + HALF), (DAY_0 + HALF, DAY_0 + WEEK + 1), (DAY_0 + WEEK + 1, None)):
                replay_to_output(Settings(data_dir=data_dir), "-", since, until, target=parts)
            records = [record for some in LogReader(data_dir).read() for record in some]
            assert whole.content == parts.content == all_wanted(records, kind())
            contents.append(whole.content)
        chance.shuffle(said)
    assert contents[0] == contents[1]
