"""The way of the data: followed or not, behind, stuck; days to be made anew; what was refused."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from homeiq.clock import DAY, ManualClock
from homeiq.doctor import way
from homeiq.doctor.case import Case, Limits
from homeiq.doctor.finding import Finding
from homeiq.replayer.failures import Failure
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.replay import open_target, replay, target_lock
from homeiq.settings import Settings

from doctor.looking import writing_to
from end_to_end.logs import START, days, write_log
from servers.influxdb import InfluxDBServer

WATCH = Limits(watch=0.5)


def look(settings: Settings, seconds: float = 1.0, limits: Limits = WATCH) -> dict[str, Finding]:
    """Look at a log whose records came at START, so many seconds later."""
    case = Case(settings, None, ManualClock(START + round(seconds * 1e6)), limits)
    return {finding.code: finding for finding in way.check(case).findings}


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Ledger]:
    target = open_target(settings)
    ledger = Ledger(settings.data_dir, target.name)
    target.close()
    yield ledger
    ledger.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write_log(tmp_path, days(1, 300))
    return Settings(data_dir=tmp_path)


def test_nobody_follows(settings: Settings) -> None:
    found = look(settings)
    assert found["follower-not-running"].severity == "wrong"
    assert not (settings.data_dir / "ledger.sqlite").exists(), "a diagnosis makes nothing"
    with ledger_of(settings) as ledger:
        ledger.advance(303, ())
    found = look(settings)
    assert found["follower-not-running"].severity == "attention", "nothing waits yet"


def test_a_follower_that_is_there(settings: Settings) -> None:
    with ledger_of(settings) as ledger, target_lock(settings.data_dir, open_target(settings)):
        ledger.advance(303, ())
        assert "nothing waits" in look(settings)["follower-running"].sentence
        ledger.advance(300, ())
        assert set(look(settings, seconds=5)) == {"follower-running"}, "a moment behind is nothing"


def test_a_follower_that_does_not_move_is_stuck(settings: Settings) -> None:
    with ledger_of(settings) as ledger, target_lock(settings.data_dir, open_target(settings)):
        ledger.advance(100, ())
        found = look(settings, seconds=300)["follower-stuck"]
    assert found.severity == "wrong"
    assert "stuck at record 100" in found.sentence
    assert "203 records behind, the oldest for 5 min" in found.sentence


@pytest.mark.parametrize("how", ["position", "windows"])
def test_a_follower_that_moves_is_behind(settings: Settings, how: str) -> None:
    over = threading.Event()

    with ledger_of(settings) as ledger, target_lock(settings.data_dir, open_target(settings)):
        ledger.advance(100, ())

        def work() -> None:
            number = 0
            while not over.wait(0.02):
                number += 1
                if how == "position":
                    ledger.advance(100 + number, ())
                else:
                    ledger.enter(START + number * DAY, "home_assistant", "done", "x", 1)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            found = look(settings, seconds=300, limits=Limits(watch=20.0))
        finally:
            over.set()
            thread.join()
    assert found["follower-behind"].severity == "attention"


def test_days_that_must_be_made_anew(settings: Settings) -> None:
    replay(settings)
    with ledger_of(settings) as ledger:
        ledger.advance(303, [(START, "home_assistant", "records came late")])
    found = look(settings)["windows-stale"]
    assert "1 day of the embedded target" in found.sentence
    assert found.sentence.endswith("must be made anew: records came late")
    assert found.remedy == ("homeiq replay --stale",)


def test_a_normalizer_that_was_changed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    replay(settings)
    assert "normalizer-changed" not in look(settings)
    monkeypatch.setattr(HomeAssistantNormalizer, "version", HomeAssistantNormalizer.version + 1)
    assert look(settings)["normalizer-changed"].remedy == ("homeiq replay --stale",)


def test_a_normalizer_that_fails_and_one_that_cannot_be_used(tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "normalizers"
    folder.mkdir()
    (folder / "mine.py").write_text("this is not Python")
    with ledger_of(settings) as ledger:
        failure = Failure(2, 17, 'Traceback\n  File "mine.py", line 3, in make\nKeyError: 1')
        ledger.advance(303, (), {("home_assistant", START): failure})
    found = look(settings.model_copy(update={"normalizers_dir": folder}))
    assert "mine" in found["normalizer-unusable"].sentence
    assert "failed on 2 events, such as record 17: KeyError" in found["normalizer-fails"].sentence


def test_points_that_a_real_influxdb_refuses(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    """Another system wrote the field `state` as a number."""
    write_log(tmp_path, days(1, 20))
    other = f"home_assistant_events,entity_id=x state=1 {START * 1000}"
    assert influxdb.write(influx_database, other).status == 204
    settings = Settings(data_dir=tmp_path, influxdb=writing_to(influxdb.url, influx_database))
    replay(settings)
    found = look(settings)["points-refused"]
    assert "refused 20 points for good" in found.sentence


def test_watching_takes_no_longer_than_it_may(settings: Settings) -> None:
    with ledger_of(settings) as ledger, target_lock(settings.data_dir, open_target(settings)):
        ledger.advance(100, ())
        began = time.monotonic()
        look(settings, seconds=300, limits=Limits(watch=0.1))
        assert time.monotonic() - began < 20
