"""What has expired freezes the windows that read it, and no others; what was forgotten leaves every target."""

import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND, SystemClock
from homeiq.commands.import_sink import noting, open_sink
from homeiq.commands.upkeep import compact, forget
from homeiq.errors import LogCorrupt
from homeiq.replayer import audit as auditing
from homeiq.replayer import replay as replaying
from homeiq.replayer.audit import audit, plan
from homeiq.replayer.frozen import is_frozen
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.registry import normalizers_of
from homeiq.replayer.replay import follow, replay
from homeiq.replayer.scope import Scope
from homeiq.replayer.targets.embedded import EmbeddedTarget
from homeiq.settings import Settings
from homeiq.storage import forgetting
from homeiq.storage.maintenance import seal
from homeiq.storage.mending import losses_of, mend
from homeiq.storage.reader import list_files, records_of
from homeiq.storage.record import Event, housekeeping_event
from homeiq.storage.removal import Rules, expire
from homeiq.storage.segment import row_groups
from homeiq.storage.view import LogView

from replayer.making import DAY_0, Content, MemoryTarget, registries, state, write_log

DAYS = 6
SECRET = "person.guest"

FROZEN = 6
"""Three days of the two normalizers that read these states."""


def events() -> list[Event]:
    made = registries(DAY_0)
    for day in range(DAYS):
        at = DAY_0 + day * DAY + 60 * SECOND
        made.append(state("sensor.a", str(day), at))
        made.append(state(SECRET, "home", at + SECOND))
        call = Event(at, at, "home_assistant", "live", "call_service", None, None, '{"event_type":"call_service"}')
        made.append(call)
    return made


class Ends(threading.Event):
    """Lets the follower work until it has nothing to do."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


class Home:
    """A log of some days, and a target into which it was projected."""

    def __init__(self, data_dir: Path, patch: pytest.MonkeyPatch, *, exact: bool = False) -> None:
        self.data_dir = data_dir
        write_log(data_dir, events())
        self.settings = Settings(data_dir=data_dir)
        self.target = MemoryTarget(reads=True, exact=exact)
        for module in (auditing, replaying):
            patch.setattr(module, "open_target", lambda settings, *_: self.target)
        self.follow()

    def follow(self) -> None:
        follow(self.settings, Ends())

    def expire(self, ages: Mapping[str, int | None], until: int) -> None:
        """Let records before a day of the log's expire."""
        with open_sink(self.data_dir, threading.Event()) as sink:
            sink.rotate()
            seal(self.data_dir)

            def note(what: str, facts: Mapping[str, Any]) -> None:
                sink.append([housekeeping_event(DAY_0 + until * DAY, "recorder", what, **facts)])

            expire(self.data_dir, Rules(ages=ages), DAY_0 + until * DAY, note)

    def lose(self, *, segment: int) -> int:
        """Cut a segment, and give it up; return how many records are lost."""
        name = list_files(self.data_dir).slices[segment].segment
        name.path.write_bytes(name.path.read_bytes()[:-9])
        losses, _ = losses_of(self.data_dir)
        with open_sink(self.data_dir, threading.Event()) as sink:
            since = DAY_0 + 7 * DAY
            return mend(self.data_dir, losses, noting(sink), SystemClock().now(), accept=True, since=since).lost

    def forget(self, glob: str, since: str | None = None, until: str | None = None) -> None:
        forget(self.settings, glob, since, until, yes=True, as_json=True)

    def content(self) -> Content:
        return {key: dict(fields) for key, fields in self.target.content.items()}

    def of(self, glob: str) -> list[int]:
        """Return the days on which the target has points of an entity."""
        found = []
        for prefix, time in self.target.content:
            tags = self.target.series[prefix].tags
            if fnmatchcase(tags.get("entity_id", ""), glob):
                found.append((time // 1000 - DAY_0) // DAY)
        return sorted(found)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path / "data", monkeypatch)


def replayed(home: Home) -> int:
    """Replay all; return how many windows are frozen."""
    return replay(home.settings).frozen


def test_points_of_expired_records_stay_whatever_is_replayed(home: Home) -> None:
    before = home.content()
    assert home.of("sensor.a") == list(range(DAYS))
    home.expire({"state_changed": DAY}, 4)
    assert replayed(home) == FROZEN
    assert home.content() == before
    findings = plan(home.settings, Scope())
    assert (findings.frozen, findings.differs) == (FROZEN, False)
    home.follow()
    found = audit(home.settings, Scope())
    assert (found.frozen, found.differs) == (FROZEN, False)
    assert home.content() == before


def test_points_of_records_that_are_lost_stay_whatever_is_replayed(home: Home) -> None:
    for day in (7, 8, 9):
        write_log(home.data_dir, [state("sensor.a", str(day), DAY_0 + day * DAY)])
        seal(home.data_dir)
    write_log(home.data_dir, [state("sensor.a", "10", DAY_0 + 10 * DAY)])
    home.follow()
    before = home.content()
    assert home.lose(segment=2) == 1
    normalizer = HomeAssistantNormalizer()
    frozen = [day for day in range(11) if is_frozen(LogView(home.data_dir), normalizer, DAY_0 + day * DAY)]
    assert frozen == [7, 8, 9, 10], "up to the next record, and the weather then may be asked for two hours later"
    stayed = replayed(home)
    assert stayed == len(frozen), "no other window was ever written"
    assert home.content() == before
    home.follow()
    found = audit(home.settings, Scope())
    assert (found.frozen, found.differs) == (stayed, False)
    assert home.content() == before


def test_expiring_what_nobody_projects_freezes_nothing(home: Home) -> None:
    before = home.content()
    home.expire({"call_service": DAY}, 6)
    assert len(LogView(home.data_dir).vanished.expired) == 1
    assert replayed(home) == 0
    assert home.content() == before


def test_a_new_ledger_and_a_second_target_know_it_from_the_log(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = home.content()
    home.expire({"state_changed": DAY}, 4)
    for path in home.data_dir.glob("ledger.sqlite*"):
        path.unlink()
    replay(home.settings)
    assert home.content() == before, "what has expired stays also where nobody knows who wrote it"
    second = MemoryTarget(reads=True)
    second.name = "second"
    monkeypatch.setattr(replaying, "open_target", lambda settings, *_: second)
    replay(home.settings)
    days = {(time // 1000 - DAY_0) // DAY for prefix, time in second.content if "entity_id=sensor.a" in prefix}
    assert days == {3, 4, 5}


def test_a_late_record_makes_no_frozen_window_stale(home: Home) -> None:
    home.expire({"state_changed": DAY}, 4)
    before = home.content()
    write_log(home.data_dir, [state("sensor.a", "late", DAY_0 + 7 * SECOND, "import")])
    home.follow()
    assert home.content() == before
    ledger = Ledger(home.data_dir, "memory")
    assert ledger.windows("stale") == []
    ledger.close()


def test_which_windows_an_expired_record_freezes(home: Home) -> None:
    home.expire({"state_changed": DAY}, 4)
    view = LogView(home.data_dir)
    normalizer = HomeAssistantNormalizer()
    assert [day for day in range(DAYS) if is_frozen(view, normalizer, DAY_0 + day * DAY)] == [0, 1, 2]
    normalizer.repeat(3600 * SECOND)  # which reads seven days back
    assert all(is_frozen(view, normalizer, DAY_0 + day * DAY) for day in range(DAYS))
    others = [
        one for one in normalizers_of(home.settings) if one.name in ("coverage", "weather", "electricity_pricing")
    ]
    assert others
    assert not any(is_frozen(view, one, DAY_0) for one in others)


def test_expired_heartbeats_freeze_only_what_reads_them(home: Home) -> None:
    beats = [housekeeping_event(DAY_0 + hour * DAY // 24, "recorder", "heartbeat") for hour in range(8 * 24)]
    write_log(home.data_dir, beats)
    home.follow()
    before = home.content()
    home.expire({"homeiq_heartbeat": DAY}, 8)
    view = LogView(home.data_dir)
    states = HomeAssistantNormalizer()
    assert not any(is_frozen(view, states, DAY_0 + day * DAY) for day in range(8))
    states.repeat(3600 * SECOND)
    assert [day for day in range(8) if is_frozen(view, states, DAY_0 + day * DAY)] == list(range(6))
    assert replayed(home) == 6, "those of homeiq_coverage"
    assert home.content() == before


@pytest.mark.parametrize("by", ["replay", "follower"])
@pytest.mark.parametrize("exact", [False, True])
def test_what_is_forgotten_leaves_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, exact: bool
) -> None:
    home = Home(tmp_path / "data", monkeypatch, exact=exact)
    home.forget("person.*")
    assert home.of(SECRET) == list(range(DAYS))
    if by == "replay":
        replay(home.settings, Scope(stale=True))
    home.follow()
    assert home.of(SECRET) == []
    assert home.of("sensor.a") == list(range(DAYS))
    assert not audit(home.settings, Scope()).differs


def test_a_forget_that_was_killed_before_its_word_is_finished_by_the_next_compaction(home: Home) -> None:
    def killed(records: int, left: bool) -> None:
        raise KeyboardInterrupt

    with open_sink(home.data_dir, threading.Event()) as sink:
        noting(sink)("forgetting", {"entity": "person.*", "since": None, "until": None, "records": DAYS})
        sink.rotate()
        with pytest.raises(KeyboardInterrupt):
            forgetting.forget(home.data_dir, lambda name: name == SECRET, None, None, told=killed)
    (unfinished,) = LogView(home.data_dir).vanished.unfinished
    assert (unfinished.entity, unfinished.records) == ("person.*", DAYS)
    assert home.of(SECRET) == list(range(DAYS)), "nobody has said that their points are to go"
    write_log(home.data_dir, [state(SECRET, "home", DAY_0 + 7 * DAY)])
    compact(home.settings, as_json=True, background=False)
    vanished = LogView(home.data_dir).vanished
    (forgotten,) = vanished.forgotten
    assert (forgotten.entity, forgotten.records, vanished.unfinished) == ("person.*", DAYS, ())
    home.follow()
    assert home.of(SECRET) == [7], "what came after it was begun was not meant"


def test_what_a_damaged_segment_kept_from_being_forgotten_goes_once_it_is_mended(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(home.data_dir, [state("sensor.a", "8", DAY_0 + 8 * DAY)])
    seal(home.data_dir)
    name = list_files(home.data_dir).slices[0].segment
    whole = name.path.read_bytes()
    name.path.write_bytes(whole[:-9])
    with pytest.raises(LogCorrupt, match=r"records are forgotten, but .*homeiq mend, and run it again"):
        home.forget("person.*")
    assert LogView(home.data_dir, lacking=True).vanished.unfinished
    name.path.write_bytes(whole)
    content = bytearray(whole)
    content[len(content) // 3] ^= 1
    name.path.write_bytes(content)
    compact(home.settings, as_json=True, background=True)
    assert "homeiq mend, and run it again" in capsys.readouterr().err, "the rest of the compaction is done"
    name.path.write_bytes(whole)
    write_log(home.data_dir, [state(SECRET, "home", DAY_0 + 9 * DAY)])
    compact(home.settings, as_json=True, background=True)
    assert LogView(home.data_dir).vanished.unfinished == ()
    home.follow()
    assert home.of(SECRET) == [9]
    assert home.of("sensor.a") == [*range(DAYS), 8]


def test_nothing_that_came_later_is_forgotten_where_the_log_has_lost_that_it_was_finished(home: Home) -> None:
    home.forget("person.*")
    seal(home.data_dir)
    write_log(home.data_dir, [state(SECRET, "home", DAY_0 + 7 * DAY)])
    write_log(home.data_dir, [])
    seal(home.data_dir)
    parts = [part.segment for part in list_files(home.data_dir).slices]
    (name,) = (
        one for one in parts if any("homeiq_forgotten" in table["event_type"].to_pylist() for table in row_groups(one))
    )
    assert not any("homeiq_forgetting" in table["event_type"].to_pylist() for table in row_groups(name))
    whole = name.path.read_bytes()
    name.path.write_bytes(whole[:-9])
    compact(home.settings, as_json=True, background=False)
    name.path.write_bytes(whole)
    held = [record for table in LogView(home.data_dir).scan() for record in records_of(table)]
    assert [record.time for record in held if record.entity_id == SECRET] == [DAY_0 + 7 * DAY]


def test_only_the_range_is_forgotten(home: Home) -> None:
    home.forget(SECRET, "2026-11-25T00:00:00+00:00", "2026-11-27T00:00:00+00:00")
    home.follow()
    assert home.of(SECRET) == [0, 1, 4, 5]


@pytest.mark.parametrize("by", ["replay", "follower"])
def test_what_is_forgotten_leaves_frozen_windows_too(home: Home, by: str) -> None:
    home.expire({"state_changed": DAY}, 4)
    home.forget(SECRET)
    if by == "replay":
        assert replayed(home) == FROZEN
    home.follow()
    assert home.of(SECRET) == []
    assert home.of("sensor.a") == list(range(DAYS))


@pytest.mark.parametrize("frozen", [False, True])
def test_it_leaves_the_embedded_target_and_its_files(tmp_path: Path, frozen: bool) -> None:
    data_dir = tmp_path / "data"
    write_log(data_dir, events())
    settings = Settings(data_dir=data_dir)
    follow(settings, Ends())
    home = Home.__new__(Home)
    home.data_dir, home.settings = data_dir, settings
    if frozen:
        home.expire({"state_changed": DAY}, 4)
    home.forget(SECRET)
    follow(settings, Ends())
    held = list(EmbeddedTarget(data_dir).read(["home_assistant_events"], DAY_0, DAY_0 + 9 * DAY))
    assert {stored.tags["entity_id"] for stored in held} == {"sensor.a"}
    assert len(held) == DAYS
    assert not any(SECRET.encode() in path.read_bytes() for path in data_dir.glob("points/**/*.parquet"))
    assert not audit(settings, Scope()).differs


def test_compact_lets_expire_what_the_settings_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, events())
    settings = Settings.model_validate({"data_dir": tmp_path, "retention": {"event_types": {"call_service": "30d"}}})
    compact(settings, as_json=True, background=False)
    assert '"records":0' in capsys.readouterr().out.partition("expired")[2]
