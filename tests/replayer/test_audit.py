"""A plan foretells exactly what a replay changes; an audit finds exactly what is not as the log makes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.errors import TargetRefused
from homeiq.replayer import audit as auditing
from homeiq.replayer import replay as replaying
from homeiq.replayer.audit import audit, plan
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.point import Point, Series
from homeiq.replayer.replay import replay
from homeiq.replayer.scope import Scope
from homeiq.settings import Settings
from homeiq.storage.record import Event
from hypothesis import HealthCheck, given
from hypothesis import settings as relax
from hypothesis import strategies as st

from replayer.making import DAY_0, Content, MemoryTarget, fast_folder, registries, state, write_log
from replayer.retagging import HOW, Another

EVENTS = [
    *registries(DAY_0),
    *(state(f"sensor.{name}", str(n), DAY_0 + n * DAY // 2 + SECOND) for n in range(4) for name in "ab"),
    state("light.c", "on", DAY_0 + 5 * SECOND, attributes={"brightness": 12, "effect": "none"}),
]


class Home:
    """A log, and a target that it was replayed into."""

    def __init__(self, data_dir: Path, patch: pytest.MonkeyPatch, events: Sequence[Event] = EVENTS) -> None:
        write_log(data_dir, events)
        self.settings = Settings(data_dir=data_dir)
        self.target = MemoryTarget(reads=True)
        for module in (auditing, replaying):
            patch.setattr(module, "open_target", lambda settings, *_: self.target)
        replay(self.settings)
        ledger = Ledger(data_dir, "memory")
        ledger.advance(len(events), [])
        ledger.close()

    def copy(self) -> Content:
        """Return what the target holds now."""
        return {key: dict(fields) for key, fields in self.target.content.items()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def foreign(target: MemoryTarget, time: int) -> None:
    """Another process writes into our measurement."""
    series = Series("home_assistant_events", {"entity_id": "sensor.a", "host": "other"})
    target.take([Point(series, {"value": 1.0}, time * 1000, 0)])


def test_what_was_replayed_is_proven(home: Home) -> None:
    found = audit(home.settings, Scope())
    assert not found.differs
    assert sum(tally.unchanged for tally in found.tallies.values()) == len(home.target.content) == 9
    assert (found.not_yet_projected, found.foreign, found.examples) == (0, 0, [])


def test_what_was_replayed_and_never_followed_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger's position is 0 then; what the registries said is known all the same."""
    monkeypatch.setattr(Ledger, "advance", lambda self, position, written: None)
    home = Home(tmp_path, monkeypatch)
    found = audit(home.settings, Scope())
    assert found.examples == []
    assert found.not_yet_projected == len(EVENTS)


def test_an_audit_finds_what_was_tampered_with(home: Home) -> None:
    content = home.target.everything
    gone, changed, extra = sorted(key for key in content if key[0] != "homeiq_target")[:3]
    del content[gone]
    content[changed]["value"] = 999.0
    content[extra[0], extra[1] + 1] = dict(content[extra])
    foreign(home.target, DAY_0 + 7)
    found = audit(home.settings, Scope())
    assert found.differs
    assert sorted(one.kind for one in found.examples) == ["changed", "new", "removed"]
    changes = {one.kind: one for one in found.examples}
    assert changes["changed"].before is not None
    assert changes["changed"].before["value"] == 999.0
    assert found.foreign == 1
    replay(home.settings)
    assert not audit(home.settings, Scope()).differs
    assert sum("host=other" in prefix for prefix, _ in home.target.content) == 1, "what is foreign stays"


def test_a_missing_marker_is_a_difference(home: Home) -> None:
    for key in [key for key in home.target.everything if key[0] == "homeiq_target"]:
        del home.target.everything[key]
    found = audit(home.settings, Scope())
    assert found.differs
    assert "no marker" in found.problems[0]


def test_what_is_not_yet_projected_is_no_difference_while_somebody_follows(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(home.settings.data_dir, [state("sensor.a", "9", DAY_0 + 9 * SECOND)])
    found = audit(home.settings, Scope())
    assert (found.differs, found.not_yet_projected) == (True, 1)
    assert not any(tally.differs for tally in found.tallies.values())
    monkeypatch.setattr(auditing, "target_is_followed", lambda *_: True)
    assert not audit(home.settings, Scope()).differs


def test_a_target_that_cannot_be_read_is_said(home: Home) -> None:
    home.target.reads = False
    with pytest.raises(TargetRefused, match="cannot be read back"):
        audit(home.settings, Scope())


def test_another_logs_target_is_refused_until_it_is_adopted(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_log(other, [*registries(DAY_0), state("sensor.other", "1", DAY_0)])
    settings = Settings(data_dir=other)
    with pytest.raises(TargetRefused, match="another log"):
        replay(settings)
    replay(settings, adopt=True)
    assert any("sensor.other" in prefix for prefix, _ in home.target.content)
    with pytest.raises(TargetRefused, match="another log"):
        replay(home.settings)


def test_an_emptied_target_is_filled_again(home: Home) -> None:
    before = home.copy()
    home.target.everything.clear()
    replay(home.settings, Scope(stale=True))
    assert home.copy() == before


def test_a_restored_target_gets_what_it_lacks(home: Home) -> None:
    copy = {key: dict(fields) for key, fields in home.target.everything.items()}
    write_log(home.settings.data_dir, [state("sensor.a", "9", DAY_0 + 9 * SECOND)])
    replay(home.settings)
    after = home.copy()
    home.target.everything = copy
    replay(home.settings, Scope(since=DAY_0 + 9 * DAY))
    ledger = Ledger(home.settings.data_dir, "memory")
    assert {window.reason for window in ledger.windows("stale")} == {"the target came back from an older copy"}
    ledger.close()
    replay(home.settings, Scope(stale=True))
    assert home.copy() == after


def test_a_lost_ledger_leaves_nothing_behind(home: Home) -> None:
    before = home.copy()
    key = max(home.target.content)
    home.target.everything[key[0], key[1] + 5] = dict(home.target.everything[key])
    for path in home.settings.data_dir.glob("ledger.sqlite*"):
        path.unlink()
    replay(home.settings)
    assert home.copy() == before


# --- a plan ----------------------------------------------------------------------------------------------------------


@relax(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(HOW), min_size=1, max_size=3, unique=True), st.booleans(), st.booleans())
def test_a_plan_foretells_exactly_what_a_replay_changes(how: list[str], exact: bool, back: bool) -> None:
    with fast_folder() as data_dir, pytest.MonkeyPatch.context() as patch:
        home = Home(data_dir, patch)
        home.target.deletes_exactly = exact
        for second in (5, 6):
            foreign(home.target, DAY_0 + second * SECOND)
        moves = {"by_entity": False, "ahead": DAY} if "move" in how else {}
        changes = [HomeAssistantNormalizer, type("New", (Another,), {"how": tuple(how), **moves})]
        for kind in [*changes, *([HomeAssistantNormalizer] if back else [])][1:]:
            for module in (auditing, replaying):
                patch.setattr(module, "normalizers_of", lambda *_, kind=kind: [kind()])
            patch.setattr(
                kind, "measurements", ("ha",) if "rename" in how and kind is changes[1] else kind.measurements
            )
            before = home.copy()
            foretold = plan(home.settings, Scope(stale=True))
            assert home.copy() == before, "a plan writes nothing"
            replay(home.settings, Scope(stale=True))
            after = home.copy()
            assert foretold.foreign >= 0
            counted = {
                kind: sum(getattr(tally, kind) for tally in foretold.tallies.values())
                for kind in ("new", "changed", "removed", "unchanged")
            }
            ours = [key for key in {*before, *after} if "origin" in {**before.get(key, {}), **after.get(key, {})}]
            assert counted == {
                "new": sum(key not in before for key in ours),
                "removed": sum(key not in after for key in ours),
                "changed": sum(key in before and key in after and before[key] != after[key] for key in ours),
                "unchanged": sum(before.get(key) == after.get(key) for key in ours),
            }
            assert not audit(home.settings, Scope()).differs
            assert sum("host=other" in prefix for prefix, _ in after) == 2, "foreign points are still there"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(entity="light.*"), {"light.c"}),
        (Scope(entity="sensor.?"), {"sensor.a", "sensor.b"}),
        (Scope(source="home_assistant"), {"sensor.a", "sensor.b", "light.c"}),
        (Scope(source="pushed"), set()),
        (Scope(event_type="state_changed"), {"sensor.a", "sensor.b", "light.c"}),
        (Scope(since=DAY_0, until=DAY_0 + DAY, entity="sensor.a"), {"sensor.a"}),
    ],
)
def test_a_filtered_replay_stays_inside_its_filter(home: Home, scope: Scope, expected: set[str]) -> None:
    whole = home.copy()
    marker = {key: fields for key, fields in home.target.everything.items() if key not in whole}
    states = _states(home)
    home.target.everything = dict(marker)
    series = home.target.series
    ghosts = {(prefix, DAY_0 * 1000 + 77): {"origin": "live", "value": 1.0} for prefix, _ in whole if prefix in series}
    home.target.everything |= {key: dict(fields) for key, fields in ghosts.items()}
    replay(home.settings, scope)
    found = home.copy()
    written = {series[prefix].tags["entity_id"] for prefix, time in found if (prefix, time) not in ghosts}
    assert written == expected
    removed = {series[prefix].tags["entity_id"] for prefix, _ in ghosts.keys() - found.keys()}
    # Points of source home_assistant may also be of source pushed, and those of a changed state of another state's record.
    assert removed == (expected if scope.entity else set())
    assert _states(home) == states, "the ledger does not advance"


def _states(home: Home) -> list[Any]:
    ledger = Ledger(home.settings.data_dir, "memory")
    states = [(window.start, window.normalizer, window.state, window.log_end) for window in ledger.windows()]
    ledger.close()
    return states
