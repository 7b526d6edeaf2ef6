"""Rules, and normalizers of one's own, in real replays into the embedded target: what they do, and what they can't stop."""

import threading
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer import audit as auditing
from homeiq.replayer import replay as replaying
from homeiq.replayer.audit import audit
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers.base import Reason
from homeiq.replayer.replay import follow, replay, replay_to_output
from homeiq.replayer.scope import Scope
from homeiq.settings import Settings
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event
from homeiq.storage.sql import query

from replayer.making import DAY_0, MemoryTarget, registries, state
from storage.disks import FastFiles

SOLAR = """
from homeiq.replayer.normalizers.base import Normalizer, Reads
from homeiq.replayer.point import Point, Series


class Solar(Normalizer):
    name = "solar"
    version = 1
    measurements = ("solar",)
    by_entity = True
    reads = Reads(("home_assistant",), ("state_changed",), domains=("sensor",))

    def normalize(self, record, home):
        power = float(record.state)
        return [Point(Series("solar", {"of": record.entity_id}), {"power": power}, record.time * 1000, 0)]


NORMALIZER = Solar
"""


class Home:
    """A log that grows, and what follows it into the embedded target."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.file = folder / "normalizers" / "solar.py"
        self.file.parent.mkdir()
        self.rules: list[Any] = []
        self.log = EventLog(self.data_dir, files=FastFiles())
        self.log.append(registries(DAY_0))

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.data_dir, normalizers_dir=self.file.parent, rules=self.rules)

    def happens(self, day: int, *states: str, entity: str = "sensor.a") -> None:
        times = (DAY_0 + day * DAY + (number + 1) * SECOND for number in range(len(states)))
        events: list[Event] = [state(entity, text, time) for text, time in zip(states, times, strict=True)]
        self.log.append(events)

    def follow(self) -> None:
        """Follow the log to its end."""
        stop = threading.Event()
        stop.set()
        follow(self.settings, stop)

    def solar(self) -> list[tuple[int, float]]:
        """Return the points of the normalizer of our own: on which day, and what."""
        table = query(
            self.data_dir,
            f"SELECT (epoch_us(time) - {DAY_0}) // {DAY} AS day, (fields->>'power')::DOUBLE AS power FROM points"
            " WHERE measurement = 'solar' ORDER BY time",
        )
        return list(zip(table["day"].to_pylist(), table["power"].to_pylist(), strict=True))

    def values(self) -> list[float | None]:
        table = query(
            self.data_dir,
            "SELECT (fields->>'value')::DOUBLE AS value FROM points"
            " WHERE measurement = 'home_assistant_events' ORDER BY time",
        )
        found: list[float | None] = table["value"].to_pylist()
        return found

    def check(self) -> None:
        """Compare the points with what the log makes when nothing was ever written."""
        memory = MemoryTarget()
        replay_to_output(self.settings, "-", target=memory)
        wanted = [(time, fields["origin"], fields.get("power")) for (_, time), fields in memory.content.items()]
        table = query(
            self.data_dir,
            "SELECT epoch_us(time) * 1000 AS time, fields->>'origin' AS origin, (fields->>'power')::DOUBLE AS power"
            " FROM points WHERE measurement <> 'homeiq_target'",
        )
        found = list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
        assert sorted(found, key=str) == sorted(wanted, key=str)

    def ledger(self) -> Ledger:
        return Ledger(self.data_dir, "embedded")

    def failing(self) -> list[tuple[str, int, int, int]]:
        ledger = self.ledger()
        try:
            return [(one.normalizer, one.windows, one.count, one.seq) for one in ledger.failing()]
        finally:
            ledger.close()

    def reasons(self, normalizer: str) -> list[str]:
        ledger = self.ledger()
        try:
            return [window.reason for window in ledger.windows("stale", normalizer)]
        finally:
            ledger.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_new_file_is_worked_off_for_all_days_and_then_followed(home: Home) -> None:
    home.happens(0, "1", "2")
    home.follow()
    home.file.write_text(SOLAR)
    home.happens(1, "3")
    home.follow()
    assert home.solar() == [(0, 1.0), (0, 2.0), (1, 3.0)]
    home.check()


def test_a_changed_file_is_a_changed_normalizer(home: Home) -> None:
    home.file.write_text(SOLAR)
    home.happens(0, "1")
    home.happens(1, "2")
    home.follow()
    home.file.write_text(SOLAR.replace("float(record.state)", "2 * float(record.state)"))
    home.follow()
    assert home.solar() == [(0, 1.0), (1, 4.0)], "the running day is redone at the start"
    replay(home.settings, Scope(stale=True))
    assert home.solar() == [(0, 2.0), (1, 4.0)]


def test_a_broken_file_stops_nothing_and_what_it_missed_is_made_good(home: Home) -> None:
    home.file.write_text(SOLAR)
    home.happens(0, "1")
    home.follow()
    home.file.write_text("x = 1 / 0")
    home.happens(1, "2")
    home.follow()
    home.happens(2, "3")
    home.follow()
    assert home.values() == [1.0, 2.0, 3.0], "the rest goes on"
    assert home.solar() == [(0, 1.0)], "its windows are not touched"
    replay(home.settings, Scope())
    assert home.solar() == [(0, 1.0)], "nor by a replay"
    home.file.write_text(SOLAR)
    home.happens(3, "4")
    home.follow()
    assert home.solar() == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]
    home.check()


def test_a_file_that_is_removed_leaves_points_that_a_replay_removes(home: Home) -> None:
    home.file.write_text(SOLAR)
    home.happens(0, "1")
    home.follow()
    home.file.unlink()
    home.happens(1, "2")
    replay(home.settings, Scope(stale=True))
    home.follow()
    assert home.solar() == []
    home.file.write_text(SOLAR)
    home.follow()
    assert home.solar() == [(1, 2.0)], "what came while it was away"
    replay(home.settings, Scope(stale=True))
    assert home.solar() == [(0, 1.0), (1, 2.0)]


def test_a_record_on_which_it_fails_is_set_aside_and_counted(home: Home) -> None:
    home.file.write_text(SOLAR)
    home.happens(0, "1", "text", "2")
    home.follow()
    assert home.solar() == [(0, 1.0), (0, 2.0)]
    assert home.failing() == [("solar", 1, 1, 5)]
    home.happens(0, "text", entity="sensor.b")
    home.happens(1, "text")
    home.follow()
    assert [count for _, _, count, _ in home.failing()] == [3]
    done = replay(home.settings, Scope())
    assert done.counts.failed == 3
    assert done.counts.reasons == {Reason.FAILED.value: 3}
    assert home.failing()[0][:3] == ("solar", 2, 3), "counted again, not twice"
    replay(home.settings, Scope(since=DAY_0 + DAY))
    assert home.failing()[0][:3] == ("solar", 2, 3)
    ledger = home.ledger()
    assert [one.count for one in ledger.failing(DAY_0, DAY_0 + DAY)] == [2]
    assert [one.count for one in ledger.failing(DAY_0 + DAY, None)] == [1]
    (failing,) = ledger.failing()
    assert 'solar.py", line' in failing.traceback
    assert failing.traceback.endswith("ValueError: could not convert string to float: 'text'")
    ledger.close()
    home.check()


def test_mended_it_fails_no_more(home: Home) -> None:
    home.file.write_text(SOLAR)
    home.happens(0, "text")
    home.happens(1, "1")
    home.follow()
    assert home.failing()
    home.file.write_text(SOLAR.replace("float(record.state)", "float(len(record.state))"))
    assert replay(home.settings, Scope(stale=True)).counts.failed == 0
    assert home.failing() == []
    assert home.solar() == [(0, 4.0), (1, 1.0)]


def test_nothing_that_it_does_stops_the_follower(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    odd = [
        *("raise SystemExit", "return 7", "return [7]", "return None", "raise KeyError(record.raw)", "x = 1 / 0"),
        "import homeiq.replayer.point as p; return [p.Point(p.Series('weather', {}), {'a': 1.0}, record.time * 1000, 0)]",
        "import homeiq.replayer.point as p; return [p.Point(p.Series('solar', {}), {'a': {}}, record.time * 1000, 0)]",
        "import homeiq.replayer.point as p; return [p.Point(p.Series('solar', {}), {'a': 1.0}, 2**80, 0)]",
    ]
    body = "\n".join(f'        if record.state == "{number}":\n            {what}' for number, what in enumerate(odd))
    head, _, tail = SOLAR.partition("        power =")
    home.file.write_text(f"{head}{body}\n        power ={tail}")
    home.happens(0, *(str(number) for number in range(len(odd))), "100")
    home.follow()
    assert home.solar() == [(0, 100.0)]
    assert home.failing() == [("solar", 1, len(odd) - 1, 4)]
    assert len(home.values()) == len(odd) + 1
    (said,) = [record for record in caplog.records if "failed on record" in record.getMessage()]
    assert "it raised SystemExit" in said.getMessage(), "the first, and it alone"


def test_rules_that_change_make_windows_changed_and_a_replay_applies_them(home: Home) -> None:
    home.happens(0, "on", "5", entity="switch.a")
    home.happens(1, "off", entity="switch.a")
    home.follow()
    assert home.values() == [None, 5.0, None]
    home.rules = [{"map": {"on": 1, "off": 0}, "domain": "switch"}]
    replay(home.settings, Scope(stale=True))
    assert home.values() == [1.0, 5.0, 0.0]
    home.check()
    home.rules = [{"drop": True, "domain": "switch"}]
    home.happens(1, "7")
    done = replay(home.settings, Scope(stale=True))
    assert done.counts.reasons[Reason.DROPPED.value] == 3
    home.follow()
    assert home.values() == [7.0]
    home.check()


def test_an_audit_says_that_a_normalizer_cannot_be_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryTarget(reads=True)
    for module in (auditing, replaying):
        monkeypatch.setattr(module, "open_target", lambda settings, name="": memory)
    home.happens(0, "1")
    replay(home.settings, Scope())
    assert not audit(home.settings, Scope()).problems
    home.file.write_text("x = 1 / 0")
    found = audit(home.settings, Scope())
    assert found.differs
    assert "the normalizer solar cannot be used" in found.problems[0]
