"""What of the log is projected: the rest gives no point, wherever it is read, and a change of the choice is noticed."""

import threading
from pathlib import Path
from typing import Any

import pytest
from homeiq.choice import Choice, Exclude, Include
from homeiq.clock import SECOND
from homeiq.replayer import replay as replaying
from homeiq.replayer.normalizers.base import Reason
from homeiq.replayer.normalizers.registry import fingerprint, normalizers
from homeiq.replayer.replay import follow, replay, replay_to_output
from homeiq.settings import ReplaySettings, Settings
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal
from homeiq.storage.segment import table_of
from homeiq.storage.sql import query
from homeiq.storage.view import chosen_rows
from hypothesis import given
from hypothesis import strategies as st

from replayer.making import DAY_0, MemoryTarget, numbered, registries, state, wanted, write_log
from storage.disks import FastFiles
from test_choice import choice_of, choices, entities

LIGHTS = [state(f"light.{name}", "on", DAY_0 + number * SECOND) for number, name in enumerate("abc")]
SENSORS = [state(f"sensor.{name}", "1", DAY_0 + number * SECOND) for number, name in enumerate("abc")]
EVENTS = [*registries(DAY_0), *LIGHTS, *SENSORS]
NO_SENSORS = Exclude(domains=["sensor"], entities=["light.b"])


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTarget:
    target = MemoryTarget()
    monkeypatch.setattr(replaying, "open_target", lambda settings, *_: target)
    return target


def settings(data_dir: Path, exclude: Exclude | None = None) -> Settings:
    return Settings(data_dir=data_dir, replay=ReplaySettings(exclude=exclude or Exclude()))


def of(target: MemoryTarget) -> set[str]:
    return {series.split("entity_id=")[1].split(",")[0] for series, _ in target.content}


@pytest.mark.parametrize("sealed", [False, True])
def test_a_replay_makes_points_of_what_is_chosen(tmp_path: Path, memory: MemoryTarget, sealed: bool) -> None:
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append(EVENTS)
        if sealed:
            log.rotate()
            seal(tmp_path)
    progress = replay(settings(tmp_path, NO_SENSORS))
    assert of(memory) == {"light.a", "light.c"}
    assert progress.counts.reasons == {Reason.NOT_CHOSEN.value: 4}
    assert progress.counts.events == progress.events == 6, "each record is accounted for"
    whole = replay_to_output(settings(tmp_path), "-", target=MemoryTarget())
    assert (whole.counts.points, whole.counts.reasons) == (6, {})
    assert replay_to_output(settings(tmp_path, NO_SENSORS), "-", target=MemoryTarget()).counts.points == 2


def test_a_choice_that_leaves_out_a_whole_window_still_replays_it(tmp_path: Path, memory: MemoryTarget) -> None:
    write_log(tmp_path, EVENTS)
    progress = replay(settings(tmp_path, Exclude(entity_globs=["*"])))
    assert (progress.windows, progress.windows_done, progress.counts.points) == (1, 1, 0)


def test_what_has_no_effect_is_said(tmp_path: Path, memory: MemoryTarget, caplog: pytest.LogCaptureFixture) -> None:
    write_log(tmp_path, EVENTS)
    assert replay(settings(tmp_path, Exclude(event_types=["state_changed"]))).counts.points == 6
    assert "replay.exclude.event_types cannot leave out state_changed" in caplog.text


class Drained(threading.Event):
    """A stop that is set at once: the follower drains the log."""

    def __init__(self) -> None:
        super().__init__()
        self.set()


def test_the_follower_writes_what_is_chosen(tmp_path: Path, memory: MemoryTarget) -> None:
    write_log(tmp_path, EVENTS)
    follow(settings(tmp_path, NO_SENSORS), Drained())
    assert of(memory) == {"light.a", "light.c"}
    later = [state("light.b", "on", DAY_0 + 60 * SECOND), state("light.c", "off", DAY_0 + 60 * SECOND)]
    write_log(tmp_path, later)
    follow(settings(tmp_path, NO_SENSORS), Drained())
    records = numbered([*EVENTS, *later])
    kept = [record for record in records if Choice(exclude=NO_SENSORS).chosen(record)]
    assert memory.content == wanted(kept)


def test_a_changed_choice_is_another_fingerprint() -> None:
    plain, same = normalizers()[0], normalizers(choice=Choice())[0]
    fewer = normalizers(choice=Choice(exclude=NO_SENSORS))[0]
    other = normalizers(choice=Choice(include=Include(domains=["light"])))[0]
    assert fingerprint(plain) == fingerprint(same)
    assert len({fingerprint(plain), fingerprint(fewer), fingerprint(other)}) == 3
    assert fingerprint(fewer).startswith(fingerprint(plain))


@given(
    choices,
    st.lists(st.sampled_from(["call_service", "timer", "config", "entity_registry"])),
    st.lists(
        st.tuples(st.sampled_from(["state", "call_service", "timer", "config"]), st.none() | entities), max_size=12
    ),
)
def test_rows_are_chosen_as_records_are(
    given_: dict[str, Any], types: list[str], said: list[tuple[str, str | None]]
) -> None:
    choice = choice_of({**given_, "exclude": {**given_.get("exclude", {}), "event_types": types}})
    records = numbered([state("a.b", "1", DAY_0)] * len(said))
    for record, (event_type, entity_id) in zip(records, said, strict=True):
        record.event_type, record.entity_id = event_type, entity_id
    found = chosen_rows(table_of(records), choice)["seq"].to_pylist()
    assert found == [record.seq for record in records if choice.chosen(record)]


def test_a_changed_choice_adds_and_removes_points_by_a_replay(tmp_path: Path) -> None:
    def found() -> list[str]:
        table = query(tmp_path, "SELECT entity_id FROM points ORDER BY entity_id")
        assert table is not None
        return table["entity_id"].to_pylist()  # type: ignore[no-any-return]

    write_log(tmp_path, EVENTS)
    everything = [*["light.a", "light.b", "light.c", "sensor.a", "sensor.b", "sensor.c"]]
    for exclude, expected in ((None, everything), (NO_SENSORS, ["light.a", "light.c"]), (None, everything)):
        replay(settings(tmp_path, exclude))
        assert found() == expected
