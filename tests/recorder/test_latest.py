"""A snapshot adds only what is new, also after a restart."""

from pathlib import Path
from typing import Any

import pytest
from homeiq.recorder import latest as module
from homeiq.recorder.latest import Latest
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal
from homeiq.storage.record import Event, Origin, housekeeping_event


def state(time: int, event_type: str = "state", origin: Origin = "snapshot", entity_id: str = "a.b") -> Event:
    return Event(time, time, "home_assistant", origin, event_type, entity_id, "on", f"{time}")


def registry(raw: str, origin: Origin = "snapshot") -> Event:
    return Event(1, 1, "home_assistant", origin, "entity_registry", None, None, raw)


def recorded(latest: Latest, event: Event) -> bool:
    """Take an event as the intake does."""
    new = latest.is_new(event)
    if new:
        latest.remember(event)
    return new


@pytest.mark.parametrize("origin", ["snapshot", "simulated"])
def test_only_what_says_something_new(origin: Origin) -> None:
    latest = Latest()
    assert recorded(latest, state(5, origin=origin))
    assert not recorded(latest, state(5, origin=origin))
    assert recorded(latest, state(6, "state_changed", "live"))
    assert recorded(latest, state(6, "state_changed", "live")), "events are always recorded"
    assert not recorded(latest, state(6, origin=origin))
    assert recorded(latest, state(7, origin=origin))
    assert recorded(latest, registry("[1]", origin))
    assert not recorded(latest, registry("[1]", origin))
    assert recorded(latest, registry("[2]", origin))
    assert recorded(latest, registry("[1]", origin)), "changed back is a change"


def test_a_clock_that_was_put_right_hides_no_state() -> None:
    latest = Latest()
    assert recorded(latest, state(1_000, "state_changed", "live"))
    assert recorded(latest, state(5)), "Home Assistant's clock was ahead, and its state is another one now"
    assert not recorded(latest, state(5))


def test_after_sealed_records_were_lost_a_snapshot_says_all_of_it_again() -> None:
    latest = Latest()
    assert recorded(latest, state(5))
    assert recorded(latest, registry("[1]"))
    latest.remember(housekeeping_event(9, "recorder", "lost", first=1, last=2))
    assert not recorded(latest, registry("[1]")), "the end of a tail was lost, which was read at the start"
    latest.remember(housekeeping_event(9, "recorder", "lost", first=1, last=2, records=2, rows=[]))
    assert list(latest.entities) == ["a.b"]
    assert recorded(latest, state(5))
    assert recorded(latest, registry("[1]"))
    assert not recorded(latest, registry("[1]"))


def test_what_was_not_kept_is_not_known() -> None:
    latest = Latest()
    assert latest.is_new(state(5))
    assert latest.is_new(state(5)), "asking alone changes nothing"
    assert latest.is_new(registry("[1]"))
    assert latest.is_new(registry("[1]"))


@pytest.mark.parametrize("origin", ["live", "simulated"])
@pytest.mark.parametrize("event_type", ["config", "entity_registry"])
def test_an_event_that_only_has_the_type_of_a_registry_is_none(origin: Origin, event_type: str) -> None:
    latest = Latest()
    told = Event(1, 1, "home_assistant", "snapshot", event_type, None, None, '{"latitude": 1}')
    fired = Event(2, 2, "home_assistant", origin, event_type, None, None, f'{{"event_type": "{event_type}"}}')
    assert recorded(latest, told)
    assert recorded(latest, fired)
    assert recorded(latest, fired), "it happened twice"
    assert not recorded(latest, told), "what was answered before is still so"
    assert latest.home_config() == ({"latitude": 1} if event_type == "config" else {})


@pytest.mark.parametrize("origin", ["manual", "import", "backfill"])
def test_what_is_the_latest_is_said_by_home_assistant(origin: Origin) -> None:
    latest = Latest()
    assert recorded(latest, state(5))
    assert recorded(latest, state(3, "state_changed", origin)), "always recorded"
    assert not recorded(latest, state(5)), "and what is not heard live does not hide what is"
    other = state(9)
    other.source = "pushed"
    assert recorded(latest, other)
    assert not recorded(latest, state(5))


def test_a_backfill_that_goes_further_is_known() -> None:
    latest = Latest()
    assert recorded(latest, state(5))
    assert recorded(latest, state(7, origin="backfill"))
    assert not recorded(latest, state(7)), "the next snapshot says the same"


def test_a_removed_entity_is_new_when_it_is_back() -> None:
    latest = Latest()
    assert recorded(latest, state(5, "state_changed", "live"))
    assert recorded(latest, state(6, "state_changed", "live")), "its removal"
    assert recorded(latest, state(7))


def test_a_renamed_entity_is_another_one() -> None:
    latest = Latest()
    assert recorded(latest, state(5, entity_id="a.old"))
    assert recorded(latest, state(5, entity_id="a.new")), "also where it kept the time of its state"
    assert not recorded(latest, state(5, entity_id="a.new"))


def choice(raw: str) -> Event:
    return Event(1, 1, "recorder", "live", "homeiq_choice", None, None, raw)


def test_a_choice_is_recorded_where_it_is_another_one() -> None:
    latest = Latest()
    everything, some = '{"include":{},"exclude":{}}', '{"include":{},"exclude":{"domains":["a"]}}'
    assert not recorded(latest, choice(everything)), "as long as nothing is left out there is nothing to say"
    assert recorded(latest, choice(some))
    assert not recorded(latest, choice(some))
    assert recorded(latest, choice(everything))
    assert not recorded(latest, choice(everything))


def test_of_a_damaged_log_all_is_known_that_can_be_read(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        with EventLog(tmp_path) as log:
            log.append([state(number, "state_changed", "live", f"a.of_{number}")])
            log.rotate()
        seal(tmp_path)
    _, damaged, _ = sorted((tmp_path / "log").glob("date=*/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert Latest.load(tmp_path, 4).entities == {"a.of_1": 1, "a.of_3": 3}


@pytest.mark.parametrize("cache", ["kept", "behind", "missing", "ahead"])
@pytest.mark.parametrize("sealed", [False, True])
def test_known_again_after_a_restart(tmp_path: Path, cache: str, sealed: bool) -> None:
    with EventLog(tmp_path) as log:
        log.append([state(1, "state_changed", "live"), registry("[1]")])
        latest = Latest()
        latest.learn([])
        if cache == "behind":
            Latest.load(tmp_path, log.next_seq).save(tmp_path, log.next_seq - 1)
        log.rotate()
        if sealed:
            seal(tmp_path)
        log.append([state(9, "state_changed", "live"), registry("[2]")])
        if cache == "kept":
            Latest.load(tmp_path, log.next_seq).save(tmp_path, log.next_seq - 1)
        elif cache == "ahead":
            wrong = Latest()
            wrong.entities["a.b"] = 1_000
            wrong.save(tmp_path, 1_000)
        else:
            (tmp_path / "recorder.sqlite").unlink(missing_ok=cache == "missing")
    with EventLog(tmp_path) as log:
        latest = Latest.load(tmp_path, log.next_seq)
    assert not latest.is_new(state(9))
    assert latest.is_new(state(10))
    assert not latest.is_new(registry("[2]"))
    assert latest.is_new(registry("[1]"))


def test_what_is_known_of_the_home_outlives_a_restart(tmp_path: Path) -> None:
    """The utilities ask for the weather where the home is, also while Home Assistant is away."""
    config = Event(1, 1, "home_assistant", "snapshot", "config", None, None, '{"latitude": 52.4}')
    other = Event(2, 2, "pushed", "snapshot", "config", None, None, '{"latitude": 1}')
    assert Latest().home_config() == {}
    with EventLog(tmp_path, purpose="test") as log:
        log.append([config, other])
        assert Latest.load(tmp_path, log.next_seq).home_config() == {"latitude": 52.4}, "from the tail"
        log.rotate()
        seal(tmp_path)
        latest = Latest.load(tmp_path, log.next_seq)
        assert latest.home_config() == {"latitude": 52.4}, "from the whole log, by a child"
        latest.save(tmp_path, log.next_seq - 1)
        assert Latest.load(tmp_path, log.next_seq).home_config() == {"latitude": 52.4}, "from the cache"
    latest.config = "[1]"
    assert latest.home_config() == {}
    latest.config = "{"
    assert latest.home_config() == {}


def test_a_tail_that_is_sealed_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child of a recorder that was killed goes on sealing while the next one starts."""
    with EventLog(tmp_path, purpose="test") as log:
        log.append([state(1)])
        log.rotate()
        log.append([state(2)])
        read = module.read_tail

        def sealed_meanwhile(path: Path, before: int | None) -> Any:
            monkeypatch.setattr(module, "read_tail", read)
            seal(tmp_path)
            return read(path, before)

        monkeypatch.setattr(module, "read_tail", sealed_meanwhile)
        assert Latest.load(tmp_path, log.next_seq).entities == {"a.b": 2}
