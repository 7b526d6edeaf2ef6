"""The last state of each entity, repeated at fixed times: whatever happens, as a naive oracle says."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer.normalizers.base import Normalizer, SetAside
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.home_assistant_layout import HomeAssistantLayout
from homeiq.replayer.repeating import SETTLES
from homeiq.replayer.replay import replay_to_output
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
    fast_folder,
    home_at,
    ranked,
    registries,
    state,
    wanted,
    write_log,
)
from replayer.test_follower import anything_changes, run, stories

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


@in_both
@pytest.mark.parametrize("embedded", [False, True])
@relaxed
@given(story=stories(anything_changes, events()))
def test_the_target_equals_f_of_the_log(kind: type[Normalizer], embedded: bool, story: list[tuple[Any, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follower_tests, "VERSIONS", (kind, HomeAssistantNormalizer, kind, HomeAssistantLayout))
        run(story, embedded=embedded, normalizers=(kind,), of_states=all_wanted)


@in_both
@relaxed
@given(st.lists(events(), max_size=20), st.randoms(use_true_random=False))
def test_the_lines_depend_on_the_records_alone(kind: type[Normalizer], said: list[Event], chance: Any) -> None:
    """In whatever order they came, and of any range of time."""
    contents = []
    for _ in range(2):
        with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
            patch.setattr("homeiq.replayer.replay._normalizers", lambda *_, **__: [kind()])
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
