"""What the page's timeline shows is what `homeiq gaps` and a count of the log say, however often it looked."""

from collections import Counter
from pathlib import Path

from homeiq.clock import DAY, SECOND, SystemClock
from homeiq.commands.coverage import Coverage
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event, housekeeping_event
from homeiq.storage.sql import query

from end_to_end.story import GAPS, write_story


def rows(data_dir: Path, sql: str) -> list[dict[str, object]]:
    table = query(data_dir, sql)
    assert table is not None
    return table.to_pylist()


def test_it_says_what_the_view_of_gaps_says(tmp_path: Path) -> None:
    now = SystemClock().now()
    write_story(tmp_path, now, per_hour=2)
    coverage = Coverage(tmp_path)
    coverage.look(now)
    shown = coverage.as_json(now)
    assert [source["name"] for source in shown["sources"]] == ["recorder", "home_assistant", "weather"]
    found = [
        (source["name"], round(gap["start"] * SECOND), gap["end"], gap["reason"], gap["closed"], gap["seconds"])
        for source in shown["sources"]
        for gap in source["gaps"]
    ]
    wanted = [
        (
            row["source"],
            row["start"],
            None if row["end"] is None else row["end"] / 1e6,
            row["reason"],
            row["closed"],
            row["seconds"],
        )
        for row in rows(tmp_path, 'SELECT * REPLACE (epoch_us(start) AS start, epoch_us("end") AS "end") FROM gaps')
    ]
    assert Counter(found) == Counter(wanted)
    assert len(found) >= len(GAPS) + 3
    partly = [gap for source in shown["sources"] for gap in source["gaps"] if gap["closed_from"] and not gap["closed"]]
    assert [gap["why"] for gap in partly] == ["its address could not be reached"]
    assert "Home Assistant's history does not reach back so far" in partly[0]["missing"]


def test_counts_grow_by_what_has_come_and_old_ones_go(tmp_path: Path) -> None:
    now = SystemClock().now()
    write_story(tmp_path, now, per_hour=2)
    coverage = Coverage(tmp_path)
    coverage.look(now)
    told = len(coverage.told)
    with EventLog(tmp_path) as log:
        log.append(
            [
                housekeeping_event(now, "recorder", "started", process=3),
                *(Event(now, now, "pushed", "manual", "x", None, None, "{}") for _ in range(3)),
            ]
        )
    coverage.look(now)
    coverage.look(now)
    assert len(coverage.told) == told + 1, "each record is read once"
    counted: Counter[tuple[object, ...]] = Counter()
    for source, origin, start, events in coverage.as_json(now)["days"]:
        counted[source, origin, start] += events
    wanted = rows(
        tmp_path,
        "SELECT source, origin, epoch_us(received_at) // 86400000000 * 86400 AS start, count(*) AS n FROM events"
        " WHERE NOT starts_with(event_type, 'homeiq_') GROUP BY ALL",
    )
    assert counted == Counter({(row["source"], row["origin"], row["start"]): row["n"] for row in wanted})
    assert sum(events for *_, events in coverage.as_json(now)["hours"]) < sum(counted.values())
    coverage._forget(now + 400 * DAY)
    assert coverage.as_json(now + 400 * DAY)["days"] == []


def test_an_empty_log_has_nothing(tmp_path: Path) -> None:
    with EventLog(tmp_path):
        pass
    coverage = Coverage(tmp_path)
    coverage.look(SystemClock().now())
    assert coverage.as_json(0)["sources"] == []
