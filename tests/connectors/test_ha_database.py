"""Home Assistant's database in all forms that its tables had: the same states, events and hours come out of each."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import from_iso
from homeiq.commands.importing import import_home_assistant
from homeiq.connectors.ha_database import HomeAssistantDatabase
from homeiq.connectors.ha_rows import BadRow, microseconds, state_event
from homeiq.errors import LogError, UsageError
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.projection import rank_of
from homeiq.storage.log import EventLog
from homeiq.storage.reader import read_everything
from homeiq.storage.record import Event, Record
from homeiq.storage.spool import Bad

NOW = from_iso("2026-11-24T00:00:00")
T1, T2 = from_iso("2022-05-01T10:11:12.123456"), from_iso("2022-05-01T10:11:13")
F1, F2 = T1 / 1e6, T2 / 1e6
X1, X2 = "2022-05-01 10:11:12.123456", "2022-05-01 10:11:13"
ATTRIBUTES = '{"unit_of_measurement":"°F", "n":1.0}'
UUID = "0180812ab3c44f0e8a9b0c1d2e3f4a5b"
CONTEXT = bytes.fromhex(UUID)

INLINE = f"""
CREATE TABLE states (state_id INTEGER PRIMARY KEY, domain TEXT, entity_id TEXT, state TEXT, attributes TEXT,
  event_id INTEGER, last_changed DATETIME, last_updated DATETIME, created DATETIME, old_state_id INTEGER,
  context_id TEXT, context_user_id TEXT, context_parent_id TEXT);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, event_type TEXT, event_data TEXT, origin TEXT, time_fired DATETIME,
  context_id TEXT, context_user_id TEXT, context_parent_id TEXT);
INSERT INTO states VALUES (2, 'sensor', 'sensor.a', '', '{{}}', 8, '{X2}', '{X2}', '{X2}', 1, NULL, NULL, NULL);
INSERT INTO states VALUES
  (1, 'sensor', 'sensor.a', '71.6', '{ATTRIBUTES}', 7, '{X1}', '{X1}', '{X1}', NULL, '{UUID}', NULL, NULL);
INSERT INTO events VALUES (7, 'state_changed', '{{}}', 'LOCAL', '{X1}', NULL, NULL, NULL);
INSERT INTO events VALUES (9, 'call_service', '{{"domain":"light"}}', 'LOCAL', '{X2}', NULL, NULL, NULL);
"""

SHARED_TEXT = f"""
CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id TEXT, state TEXT, attributes TEXT, event_id INTEGER,
  last_changed DATETIME, last_updated DATETIME, old_state_id INTEGER, attributes_id INTEGER,
  context_id TEXT, context_user_id TEXT, context_parent_id TEXT, origin_idx INTEGER);
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash INTEGER, shared_attrs TEXT);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, event_type TEXT, event_data TEXT, origin TEXT, origin_idx INTEGER,
  time_fired DATETIME, context_id TEXT, context_user_id TEXT, context_parent_id TEXT, data_id INTEGER);
CREATE TABLE event_data (data_id INTEGER PRIMARY KEY, hash INTEGER, shared_data TEXT);
INSERT INTO state_attributes VALUES (1, 0, '{ATTRIBUTES}'), (2, 0, '{{}}');
INSERT INTO event_data VALUES (5, 0, '{{"domain":"light"}}');
INSERT INTO states VALUES (1, 'sensor.a', '71.6', NULL, NULL, NULL, '{X1}', NULL, 1, '{UUID}', NULL, NULL, 0);
INSERT INTO states VALUES (2, 'sensor.a', '', NULL, NULL, NULL, '{X2}', 1, 2, NULL, NULL, NULL, 0);
INSERT INTO events VALUES (9, 'call_service', NULL, NULL, 0, '{X2}', NULL, NULL, NULL, 5);
"""

STAMPS = f"""
CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id TEXT, state TEXT, attributes TEXT,
  last_changed DATETIME, last_changed_ts FLOAT, last_updated DATETIME, last_updated_ts FLOAT, attributes_id INTEGER,
  context_id TEXT, context_user_id TEXT, context_parent_id TEXT);
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash INTEGER, shared_attrs TEXT);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, event_type TEXT, event_data TEXT, origin_idx INTEGER,
  time_fired DATETIME, time_fired_ts FLOAT, context_id TEXT, data_id INTEGER);
CREATE TABLE event_data (data_id INTEGER PRIMARY KEY, shared_data TEXT);
INSERT INTO state_attributes VALUES (1, 0, '{ATTRIBUTES}');
INSERT INTO event_data VALUES (5, '{{"domain":"light"}}');
INSERT INTO states VALUES (1, 'sensor.a', '71.6', NULL, NULL, NULL, NULL, {F1!r}, 1, '{UUID}', NULL, NULL);
INSERT INTO states VALUES (2, 'sensor.a', '', NULL, NULL, NULL, NULL, {F2!r}, NULL, NULL, NULL, NULL);
INSERT INTO events VALUES (9, 'call_service', NULL, 0, NULL, {F2!r}, NULL, 5);
"""

META = f"""
CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state TEXT, attributes CHAR(0),
  last_changed CHAR(0), last_changed_ts FLOAT, last_reported_ts FLOAT, last_updated CHAR(0), last_updated_ts FLOAT,
  attributes_id INTEGER, context_id CHAR(0), context_id_bin BLOB, context_user_id_bin BLOB,
  context_parent_id_bin BLOB, metadata_id INTEGER);
CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id TEXT);
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash INTEGER, shared_attrs TEXT);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, event_type CHAR(0), event_data CHAR(0), origin_idx INTEGER,
  time_fired_ts FLOAT, data_id INTEGER, context_id_bin BLOB, event_type_id INTEGER);
CREATE TABLE event_types (event_type_id INTEGER PRIMARY KEY, event_type TEXT);
CREATE TABLE event_data (data_id INTEGER PRIMARY KEY, shared_data TEXT);
INSERT INTO states_meta VALUES (3, 'sensor.a');
INSERT INTO state_attributes VALUES (1, 0, '{ATTRIBUTES}');
INSERT INTO event_data VALUES (5, '{{"domain":"light"}}');
INSERT INTO event_types VALUES (4, 'call_service');
INSERT INTO states VALUES
  (1, NULL, '71.6', NULL, NULL, NULL, {F1 + 9!r}, NULL, {F1!r}, 1, NULL, x'{UUID}', NULL, NULL, 3);
INSERT INTO states VALUES (2, NULL, '', NULL, NULL, NULL, NULL, NULL, {F2!r}, NULL, NULL, NULL, NULL, NULL, 3);
INSERT INTO events VALUES (9, NULL, NULL, 0, {F2!r}, 5, NULL, 4);
"""

# Upgraded halfway: the older row has its old form still.
MIXED = META.replace(
    f"(1, NULL, '71.6', NULL, NULL, NULL, {F1 + 9!r}, NULL, {F1!r}, 1, NULL, x'{UUID}', NULL, NULL, 3)",
    f"(1, 'sensor.a', '71.6', '{ATTRIBUTES}', '{X1}', NULL, NULL, '{X1}', NULL, NULL, '{UUID}', NULL, NULL, NULL, NULL)",
)

STATISTICS = f"""
CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id TEXT, source TEXT, unit_of_measurement TEXT,
  has_mean BOOLEAN, has_sum BOOLEAN, name TEXT);
CREATE TABLE statistics (id INTEGER PRIMARY KEY, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT, mean FLOAT,
  min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
INSERT INTO statistics_meta VALUES (1, 'sensor.a', 'recorder', '°F', 1, 0, NULL);
INSERT INTO statistics VALUES (1, {F1!r}, 1, {F1 - 3600!r}, 71.6, 68, 75.2, NULL, NULL, NULL);
"""

H1, R1 = "2022-05-01 09:00:00.000000", "2022-05-01 00:00:00.000000"
HF, RF = from_iso("2022-05-01T09:00:00") / 1e6, from_iso("2022-05-01T00:00:00") / 1e6

# 2021.7: the statistic's own name is the key. 2021.9 to 2023.2: a number is, the times are texts. Later: seconds.
STATISTICS_ERAS = {
    "named": f"""
CREATE TABLE statistics_meta (statistic_id TEXT PRIMARY KEY, source TEXT, unit_of_measurement TEXT,
  has_mean BOOLEAN, has_sum BOOLEAN);
CREATE TABLE statistics (id INTEGER PRIMARY KEY, created DATETIME, source TEXT, statistic_id TEXT, start DATETIME,
  mean FLOAT, min FLOAT, max FLOAT, last_reset DATETIME, state FLOAT, sum FLOAT);
INSERT INTO statistics_meta VALUES ('sensor.a', 'recorder', 'kWh', 0, 1);
INSERT INTO statistics VALUES (1, '{H1}', 'recorder', 'sensor.a', '{H1}', NULL, NULL, NULL, '{R1}', 5.5, 2.5);
""",
    "texts": f"""
CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id TEXT, source TEXT, unit_of_measurement TEXT,
  has_mean BOOLEAN, has_sum BOOLEAN);
CREATE TABLE statistics (id INTEGER PRIMARY KEY, created DATETIME, start DATETIME, mean FLOAT, min FLOAT, max FLOAT,
  last_reset DATETIME, state FLOAT, sum FLOAT, metadata_id INTEGER);
INSERT INTO statistics_meta VALUES (1, 'sensor.a', 'recorder', 'kWh', 0, 1);
INSERT INTO statistics VALUES (1, '{H1}', '{H1}', NULL, NULL, NULL, '{R1}', 5.5, 2.5, 1);
""",
    "stamps": f"""
CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id TEXT, source TEXT, unit_of_measurement TEXT,
  has_mean BOOLEAN, has_sum BOOLEAN, name TEXT);
CREATE TABLE statistics (id INTEGER PRIMARY KEY, created DATETIME, created_ts FLOAT, metadata_id INTEGER,
  start DATETIME, start_ts FLOAT, mean FLOAT, min FLOAT, max FLOAT, last_reset DATETIME, last_reset_ts FLOAT,
  state FLOAT, sum FLOAT);
INSERT INTO statistics_meta VALUES (1, 'sensor.a', 'recorder', 'kWh', 0, 1, NULL);
INSERT INTO statistics VALUES (1, NULL, {HF!r}, 1, NULL, {HF!r}, NULL, NULL, NULL, NULL, {RF!r}, 5.5, 2.5);
""",
}

ERAS = {"inline": INLINE, "shared_text": SHARED_TEXT, "stamps": STAMPS, "meta": META, "mixed": MIXED}


pytestmark = pytest.mark.usefixtures("signals_given_back")


@pytest.fixture(params=ERAS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    assert MIXED != META
    yield made(tmp_path / "ha?#.db", ERAS[request.param])  # noqa: PT022 (a name that a URI must quote)


def made(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def read(path: Path) -> list[Event | Bad]:
    with HomeAssistantDatabase(path) as found:
        list(found.prepare())
        return list(found.events(NOW))


def held(data_dir: Path) -> list[Record]:
    return [record for records in read_everything(data_dir) for record in records]


def imported(data_dir: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    import_home_assistant(data_dir, path, as_json=True)
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_each_era_says_the_same(database: Path) -> None:
    state, removal, call = (event for event in read(database) if isinstance(event, Event))
    assert (state.time, state.origin, state.event_type, state.entity_id, state.state) == (
        *(T1, "import", "state"),
        *("sensor.a", "71.6"),
    )
    assert ATTRIBUTES in state.raw, "verbatim"
    content = json.loads(state.raw)
    assert content["last_changed"] == content["last_updated"] == "2022-05-01T10:11:12.123456+00:00"
    digits = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUV")
    assert int(content["context"]["id"].translate(digits), 32) == int(UUID, 16), "a ULID, as the socket has it"
    assert (removal.time, removal.state) == (T2, None)
    assert (call.time, call.event_type) == (T2, "call_service")
    assert json.loads(call.raw)["data"] == {"domain": "light"}
    records = [Record(1, *(getattr(event, name) for name in Event.__slots__)) for event in (state, removal)]
    (made_of_state,), (made_of_removal,) = (
        HomeAssistantNormalizer().normalize(record, Home().at(record.time)) for record in records
    )
    assert made_of_state.fields["value"] == 22.0
    assert (made_of_removal.fields["removed"], made_of_removal.fields["available"]) == (True, False)


def test_the_hours_of_each_era_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, (name, script) in enumerate(STATISTICS_ERAS.items()):
        path = made(tmp_path / name, "CREATE TABLE states (state_id INTEGER PRIMARY KEY, state TEXT);" + script)
        (hour,) = read(path)
        assert isinstance(hour, Event)
        assert (hour.event_type, hour.entity_id, hour.time) == ("statistic", "sensor.a", round(HF * 1e6))
        said = json.loads(hour.raw)
        assert (said["state"], said["sum"], said["unit_of_measurement"]) == (5.5, 2.5, "kWh")
        assert said["last_reset"] == "2022-05-01T00:00:00.000000+00:00"
        assert imported(tmp_path / "data", path, capsys)["new"] == (number == 0), "another era's file adds nothing"


def test_twice_and_as_another_era_adds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, (name, script) in enumerate(ERAS.items()):
        path = made(tmp_path / name, script + STATISTICS)
        for again in (False, True):
            found = imported(tmp_path / "data", path, capsys)
            assert found["new"] == (4 if number == 0 and not again else 0), name
    assert [record.time for record in held(tmp_path / "data")] == sorted(r.time for r in held(tmp_path / "data"))


def test_only_what_is_new_of_a_newer_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "db", META + STATISTICS)
    imported(tmp_path / "data", path, capsys)
    made(path, f"INSERT INTO states (state_id, state, last_updated_ts, metadata_id) VALUES (3, '8', {F2 + 1!r}, 3)")
    made(path, "UPDATE statistics SET mean = 50")
    made(path, "UPDATE states SET last_reported_ts = 1")
    assert imported(tmp_path / "data", path, capsys)["new"] == 2
    hours = [record for record in held(tmp_path / "data") if record.event_type == "statistic"]
    assert json.loads(max(hours, key=rank_of).raw)["mean"] == 50, "the later one wins"
    made(path, "UPDATE statistics SET mean = 71.6")
    assert imported(tmp_path / "data", path, capsys)["new"] == 1, "put back: that is news too"


def test_a_live_state_and_one_of_an_entity_renamed_since_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with EventLog(tmp_path / "data") as log:
        log.append(
            [
                Event(T1, T1, "home_assistant", "live", "state_changed", "sensor.old_name", "71.6", "{}"),
                Event(T2, T2, "home_assistant", "live", "state_changed", "sensor.a", None, "{}"),
            ]
        )
    path = made(tmp_path / "db", META)
    assert imported(tmp_path / "data", path, capsys)["new"] == 1, "the call"


def test_what_is_no_state_is_set_aside(tmp_path: Path) -> None:
    path = made(tmp_path / "db", META)
    made(path, "INSERT INTO states (state_id, state, metadata_id) VALUES (5, 'x', 3)")
    made(path, f"INSERT INTO states (state_id, state, last_updated_ts) VALUES (6, 'x', {F2!r})")
    made(path, "UPDATE state_attributes SET shared_attrs = '[1'")
    with pytest.raises(LogError, match="3 could not be imported"):
        import_home_assistant(tmp_path / "data", path, as_json=False)
    assert len(held(tmp_path / "data")) == 2


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no table states"):
        HomeAssistantDatabase(made(tmp_path / "db", "CREATE TABLE x (a)"))


@pytest.mark.parametrize("text", ["2022-05-01T10:11:12.123456+00:00", "2026-11-24T12:00:00.999999+00:00"])
def test_times_are_exact(text: str) -> None:
    assert microseconds(from_iso(text) / 1e6, None) == microseconds(None, text) == from_iso(text)


def test_a_time_out_of_all_reason_is_bad() -> None:
    for seconds in (float("inf"), float("nan"), 1e300, "x", None):
        with pytest.raises(BadRow):
            state_event([1, "sensor.a", "1", "{}", seconds, None, None, None, *[None] * 6], NOW)
