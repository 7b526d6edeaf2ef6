"""Another layout moves everything: nothing of the one before stays, and nothing of others is touched."""

from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer import audit as auditing
from homeiq.replayer import replay as replaying
from homeiq.replayer.audit import audit, plan
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers.home_assistant_layout import HomeAssistantLayout
from homeiq.replayer.point import Point, Series
from homeiq.replayer.replay import replay
from homeiq.replayer.scope import Scope
from homeiq.settings import ReplaySettings, Settings
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event
from homeiq.storage.sql import query

from replayer.making import DAY_0, Content, MemoryTarget, registries, state, wanted, write_log

STALE = Scope(stale=True)


def events() -> list[Event]:
    """States of several units on two days, and one that is not known."""
    found = registries(DAY_0)
    for n in range(20):
        time = DAY_0 + n * DAY // 10 + SECOND
        unit = {"unit_of_measurement": ("W", "kWh", "°C")[n % 3]}
        found.append(state("sensor.a", str(n), time, attributes=unit))
        found.append(state("light.b", "on" if n % 2 else "off", time, attributes={"brightness": n}))
    return [*found, state("sensor.c", "unavailable", DAY_0 + 5)]


class Both:
    """A log, and a target that is written to in one layout or the other."""

    def __init__(self, data_dir: Path, patch: pytest.MonkeyPatch, exact: bool) -> None:
        self.data_dir = data_dir
        self.target = MemoryTarget(reads=True, exact=exact)
        write_log(data_dir, events())
        for module in (auditing, replaying):
            patch.setattr(module, "open_target", lambda settings, *_: self.target)
        for measurement in ("home_assistant_events", "W", "light.b"):
            others = [
                Point(Series(measurement, tags), {"value": 1.0}, DAY_0 * 1000 + 7, 0) for tags in ({}, {"x": "y"})
            ]
            self.target.take(others)
        self.foreign = self.copy()

    def settings(self, **replay_settings: Any) -> Settings:
        """Return settings in a layout."""
        return Settings(data_dir=self.data_dir, replay=ReplaySettings.model_validate(replay_settings))

    def copy(self) -> Content:
        """Return what the target holds."""
        return {key: dict(fields) for key, fields in self.target.content.items()}

    def wanted(self, normalizer: HomeAssistantLayout | None = None) -> Content:
        """Return what it should hold."""
        records = [record for some in LogReader(self.data_dir).read() for record in some]
        return wanted(records, normalizer) | self.foreign


@pytest.fixture(params=[False, True], ids=["as 2.x deletes", "as 1.8 deletes"])
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Both:
    return Both(tmp_path, monkeypatch, request.param)


def test_another_layout_moves_everything_and_back(both: Both) -> None:
    replay(both.settings())
    before = both.copy()
    assert before == both.wanted()
    theirs = both.settings(layout="home_assistant")
    foretold = plan(theirs, STALE)
    assert both.copy() == before
    replay(theirs, STALE)
    after = both.copy()
    assert after == both.wanted(HomeAssistantLayout())
    assert {key[0].partition(",")[0] for key in after.keys() - both.foreign.keys()} == {"W", "kWh", "°C", "light.b"}
    assert sum(tally.new for tally in foretold.tallies.values()) == len(after.keys() - before.keys())
    assert sum(tally.removed for tally in foretold.tallies.values()) == len(before.keys() - after.keys())
    replay(theirs, STALE)
    assert both.copy() == after
    ledger = Ledger(both.data_dir, "memory")
    ledger.advance(len(events()), [])
    ledger.close()
    assert not audit(theirs, Scope()).differs
    replay(both.settings(), STALE)
    assert both.copy() == before


def test_a_changed_option_moves_everything(both: Both) -> None:
    replay(both.settings(layout="home_assistant"))
    options = {"default_measurement": "state", "tags": {"house": "x"}}
    replay(both.settings(layout="home_assistant", layout_options=options), STALE)
    assert both.copy() == both.wanted(HomeAssistantLayout(both.settings(layout_options=options).replay.layout_options))


def test_a_lost_ledger_leaves_nothing_behind_in_measurements_that_are_met_again(both: Both) -> None:
    theirs = both.settings(layout="home_assistant")
    replay(theirs)
    before = both.copy()
    for prefix, time in before.keys() - both.foreign.keys():
        both.target.everything[prefix, time + 1] = dict(before[prefix, time])
    for path in both.data_dir.glob("ledger.sqlite*"):
        path.unlink()
    counts = replay(theirs).counts
    assert both.copy() == before
    assert counts.removed == len(before.keys() - both.foreign.keys())
    assert counts.points == counts.removed


def test_a_measurement_is_in_the_ledger_before_its_first_byte(both: Both) -> None:
    seen: list[set[str]] = []

    def look(points: Any) -> None:
        if points and points[0].series.measurement != "homeiq_target":
            ledger = Ledger(both.data_dir, "memory")
            assert {point.series.measurement for point in points} <= set(ledger.measurements("home_assistant"))
            seen.append({point.series.measurement for point in points})
            ledger.close()

    both.target.before = look
    replay(both.settings(layout="home_assistant"))
    assert set().union(*seen) == {"W", "kWh", "°C", "light.b"}


def test_a_part_is_named_by_the_whole_entity(both: Both) -> None:
    replay(both.settings(layout="home_assistant", layout_options={"tags": {"a": "b"}}), Scope(entity="light.*"))
    made = both.copy().keys() - both.foreign.keys()
    assert len(made) == 20
    assert all("entity_id=b" in prefix for prefix, _ in made)
    replay(both.settings(layout="home_assistant"), Scope(entity="light.b"))
    records = both.wanted(HomeAssistantLayout()).keys()
    assert both.copy().keys() - both.foreign.keys() == {key for key in records if "entity_id=b" in key[0]}


def test_the_embedded_target_has_it_too(tmp_path: Path) -> None:
    write_log(tmp_path, events())
    replay(Settings(data_dir=tmp_path))
    replay(Settings(data_dir=tmp_path, replay=ReplaySettings(layout="home_assistant")), STALE)
    table = query(tmp_path, "SELECT measurement, count(*) AS n FROM points GROUP BY ALL ORDER BY ALL")
    assert table is not None
    assert [tuple(row.values()) for row in table.to_pylist()] == [("W", 7), ("kWh", 7), ("light.b", 20), ("°C", 6)]
