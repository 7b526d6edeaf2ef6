"""Each view says what it should, and the example that is shown of it runs."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from homeiq.cli import cli
from homeiq.clock import SECOND, from_iso
from homeiq.storage import sql
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.record import Event, Origin, blank
from homeiq.storage.views import VIEWS, View, help_text

from .disks import FastFiles
from .test_sql import recorded, rows

NOON = from_iso("2026-11-23T12:00:00+00:00")
HOUR = 3600 * SECOND


def state(entity: str, text: str | None, time: int, origin: Origin = "live", raw: str = "{}") -> Event:
    return Event(time, time, "home_assistant", origin, "state_changed", entity, text, raw)


def registry(kind: str, time: int, *entries: dict[str, object]) -> Event:
    return Event(time, time, "home_assistant", "snapshot", f"{kind}_registry", None, None, json.dumps(entries))


def other(source: str, event_type: str, raw: object) -> Event:
    return Event(NOON, NOON, source, "live", event_type, None, None, json.dumps(raw))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    attributes = {"current_temperature": 20.5, "unit": "°C", "modes": ["heat"], "none": None, "on": True}
    raw = json.dumps({"data": {"new_state": {"attributes": attributes}}})
    call = {"domain": "light", "service": "turn_on", "service_data": {"entity_id": ["light.a", "light.b"]}}
    poll = {"request": {"method": "GET", "url": "http://x/"}, "status": 200, "body": '{"t": 1.5}'}
    return recorded(
        tmp_path_factory.mktemp("views"),
        state("sensor.outdoor", "1.5", NOON, raw=raw),
        state("sensor.outdoor", "2.5", NOON + HOUR),
        state("light.a", "on", NOON),
        state("light.a", None, NOON + HOUR),
        registry("area", NOON, {"area_id": "k", "name": "Kitchen"}, {"area_id": "h", "name": "Hall"}),
        registry("device", NOON, {"id": "d", "area_id": "h", "manufacturer": "M", "name": "Lamp"}),
        registry("entity", NOON, {"entity_id": "light.a", "platform": "hue", "device_id": "d", "name": "A"}),
        registry("entity", NOON + HOUR, {"entity_id": "light.a", "platform": "hue", "device_id": "d", "area_id": "k"}),
        other("home_assistant", "call_service", {"data": call, "context": {"user_id": "u"}}),
        other("home_assistant", "call_service", {"data": {**call, "service_data": {"entity_id": "light.a"}}}),
        other("home_assistant", "call_service", {"data": {**call, "service_data": {}}}),
        other("weather", "poll", poll),
        other("weather", "blank", {"reason": "expired"}),
        other("od'd \"source", "thing", [1]),
        other("weather", "homeiq_connected", {}),
    )


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_each_example_runs_and_the_comment_has_it(home: Path, view: View) -> None:
    assert sql.query(home, view.example) is not None
    what = "duckdb_functions() WHERE function_name" if view.parameter else "duckdb_views() WHERE view_name"
    (row,) = rows(home, f"SELECT comment FROM {what} = '{view.name}'")
    assert row["comment"] == f"{view.comment} For example: {view.example}"


@pytest.mark.parametrize("view", [view for view in VIEWS if view.name != "points"], ids=lambda view: view.name)
def test_the_columns_are_those_that_help_names(home: Path, view: View) -> None:
    named = re.sub(r"\(.*?\)", "", view.columns.replace('"', ""))
    columns = [
        row["column_name"] for row in rows(home, f"DESCRIBE FROM {view.name}{'(now())' if view.parameter else ''}")
    ]
    if view.name == "registry":
        named = ", ".join(columns)
    if "…" in named:
        begin, end = (part.strip(" ,").split(", ") for part in named.split("…"))
        assert columns[: len(begin)] == [name.strip() for name in begin]
        assert columns[-1:] == end
    else:
        assert columns == [name.strip() for name in named.split(",")]


def test_help_lists_each_view_with_its_example() -> None:
    shown = CliRunner().invoke(cli, ["sql", "--help"]).output
    assert [line.strip() for line in help_text().splitlines()] == [
        line.strip() for line in shown[shown.index("Views, each") :].splitlines() if line.strip()
    ]
    words = " ".join(shown.split())
    assert all(text in words for view in VIEWS for text in (view.name, view.columns, view.comment, view.example))


def test_a_state_lasts_until_the_next(home: Path) -> None:
    found = rows(home, "SELECT entity_id, state, seconds FROM state_history ORDER BY ALL")
    assert found == [
        {"entity_id": "light.a", "state": "on", "seconds": 3600.0},
        {"entity_id": "sensor.outdoor", "state": "1.5", "seconds": 3600.0},
        {"entity_id": "sensor.outdoor", "state": "2.5", "seconds": None},
    ]


def test_a_state_has_its_day(home: Path) -> None:
    assert rows(home, "SELECT DISTINCT day::VARCHAR AS day FROM states") == [{"day": "2026-11-23"}]
    assert rows(home, "SELECT count(*) AS n FROM state_history WHERE day = DATE '2026-11-23'") == [{"n": 3}]
    assert rows(home, "SELECT count(*) AS n FROM states WHERE day IS DISTINCT FROM time::DATE") == [{"n": 0}]


def test_attributes_are_one_row_each(home: Path) -> None:
    found = {row["attribute"]: (row["value"], row["number"]) for row in rows(home, "FROM attributes")}
    assert found == {
        "current_temperature": ("20.5", 20.5),
        "unit": ("°C", None),
        "modes": ('["heat"]', None),
        "none": (None, None),
        "on": ("true", None),
    }


def test_calls_name_all_their_entities(home: Path) -> None:
    found = rows(home, "SELECT entity_ids, user_id FROM calls ORDER BY seq")
    assert found == [
        {"entity_ids": ["light.a", "light.b"], "user_id": "u"},
        {"entity_ids": ["light.a"], "user_id": None},
        {"entity_ids": [], "user_id": None},
    ]


def test_the_registry_is_as_of_a_time(home: Path) -> None:
    for when, area in (("2026-11-23 11:00", "Hall"), ("2026-11-23 12:30", "Hall"), ("2026-11-23 13:00", "Kitchen")):
        assert rows(home, f"SELECT area, manufacturer FROM registry_at('{when}')") == [
            {"area": area, "manufacturer": "M"}
        ]
    assert rows(home, "SELECT area, device FROM registry") == [{"area": "Kitchen", "device": "Lamp"}]


def test_each_source_has_a_view_without_blanks_and_our_own_words(home: Path) -> None:
    (row,) = rows(home, "SELECT url, status, body->>'t' AS t FROM weather")
    assert row == {"url": "http://x/", "status": 200, "t": "1.5"}
    assert rows(home, 'SELECT body::VARCHAR AS b FROM "od\'d ""source"') == [{"b": "[1]"}]
    names = {row["name"] for row in rows(home, "SHOW TABLES")}
    assert {"weather", "home_assistant", "od'd \"source", "states"} <= names
    assert "recorder" not in names


def test_blank_rows_are_events_and_nothing_else(tmp_path: Path) -> None:
    gone = blank(1, NOON, "home_assistant", "expired")
    recorded(tmp_path, Event(*(getattr(gone, name) for name in Event.__slots__)))
    assert rows(tmp_path, "SELECT count(*) AS n FROM events") == [{"n": 1}]
    for name in ("states", "state_history", "attributes", "calls", "registry"):
        assert rows(tmp_path, f"SELECT count(*) AS n FROM {name}") == [{"n": 0}]


def sealed(data_dir: Path, *events: Event) -> None:
    with EventLog(data_dir, files=FastFiles()) as log:
        log.append(events)
        log.rotate()
    compact(data_dir, FastFiles())


def test_a_query_by_entity_and_time_reads_few_row_groups(tmp_path: Path) -> None:
    days, entities, each = 60, 20, 100
    step = 24 * HOUR // each
    times = [(day, place) for day in range(days) for place in range(each)]
    sealed(
        tmp_path,
        *[state(f"sensor.s{n:02}", str(p), NOON + d * 24 * HOUR + p * step) for d, p in times for n in range(entities)],
    )
    where = "entity_id = 'sensor.s03' AND time >= '2027-01-20' AND time < '2027-01-21'"
    with sql.connect(tmp_path) as database:
        ((_, plan),) = database.execute(f"EXPLAIN ANALYZE SELECT avg(value) FROM states WHERE {where}").fetchall()
        assert re.findall(r"Row Groups Scanned: (\d+) / (\d+)", plan) == [("1", "2")]


def test_docs_say_of_each_view_what_help_says() -> None:
    docs = (Path(__file__).parent.parent.parent / "docs" / "sql.md").read_text(encoding="utf-8")
    for view in VIEWS:
        assert f"**`{view.name}`** {view.columns}\n{view.comment}\n\n    {view.example}\n" in docs
