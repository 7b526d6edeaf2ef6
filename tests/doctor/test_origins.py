"""Where the data comes from: in the log by source, origin and day; in a real InfluxDB, ours and others'."""

from pathlib import Path

import pytest
from homeiq.clock import DAY, SECOND, ManualClock, to_iso
from homeiq.doctor import origins
from homeiq.doctor.case import Case
from homeiq.doctor.finding import Finding
from homeiq.replayer.replay import replay
from homeiq.settings import Settings

from doctor.looking import QUICK, writing_to
from doctor.recorders import recorder_saying, source, status
from end_to_end.logs import START, days, write_log
from servers.influxdb import InfluxDBServer
from servers.influxdb2 import InfluxDB2

NOW = START + 3_600_000_000


def look(settings: Settings, now: int = NOW) -> tuple[dict[str, Finding], dict[str, object], tuple[str, ...]]:
    result = origins.check(Case(settings, None, ManualClock(now), QUICK))
    (section,) = result.sections
    return {finding.code: finding for finding in result.findings}, section.facts, result.unseen


def test_events_are_counted_by_source_and_origin_and_day(tmp_path: Path) -> None:
    count = write_log(tmp_path, days(1, 30))
    found, facts, unseen = look(Settings(data_dir=tmp_path))
    assert f"{count:,} events" in found["events-come"].sentence
    assert facts["events"] == [
        {"source": "home_assistant", "origin": "live", "day": "2026-11-20", "count": 30},
        {"source": "home_assistant", "origin": "snapshot", "day": "2026-11-20", "count": 3},
    ]
    assert unseen == ()


def test_a_day_without_an_event(tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 30))
    found, _, _ = look(Settings(data_dir=tmp_path), NOW + 2 * DAY)
    assert found["no-events"].severity == "wrong"
    assert "since 2026-11-20 00:00:00Z" in found["no-events"].sentence


@pytest.mark.parametrize(("seconds", "severity"), [(5, "attention"), (40, "wrong")])
def test_a_recorder_that_has_only_just_connected(tmp_path: Path, seconds: int, severity: str) -> None:
    write_log(tmp_path, days(1, 30))
    now = NOW + 10 * DAY
    with recorder_saying(tmp_path, status(source(since=to_iso(now - seconds * SECOND)))):
        found, _, _ = look(Settings(data_dir=tmp_path), now)
    assert found["no-events"].severity == severity


def test_points_of_another_system(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    write_log(tmp_path, days(1, 50))
    settings = Settings(data_dir=tmp_path, influxdb=writing_to(influxdb.url, influx_database))
    replay(settings)
    found, facts, _ = look(settings)
    assert not {"points-of-others", "points-of-others-now"} & set(found)
    before = influxdb.read_back(influx_database)
    ours = sum(measurement == "home_assistant_events" for measurement, _, _ in before)
    (states,) = [one for one in facts["points"]["influxdb"] if one["measurement"] == "home_assistant_events"]  # type: ignore[index]
    assert (states["ours"], states["others_at_least"]) == (ours, 0)

    old = (START - 400 * DAY) * 1000
    lines = "\n".join(f'home_assistant_events,entity_id=light.old state="on" {old + n}' for n in range(7))
    assert influxdb.write(influx_database, lines).status == 204
    found, facts, _ = look(settings)
    assert found["points-of-others"].severity == "good"
    assert "7 older points" in found["points-of-others"].sentence

    now = f'home_assistant_events,entity_id=light.now state="on" {NOW * 1000}'
    assert influxdb.write(influx_database, now).status == 204
    found, facts, _ = look(settings)
    assert found["points-of-others-now"].severity == "attention"
    assert "1 point in the last 24 h, 8 in all" in found["points-of-others-now"].sentence
    assert influxdb.read_back(influx_database).items() >= before.items(), "untouched"


@pytest.mark.parametrize("broken", [False, True])
def test_an_influxdb_2(tmp_path: Path, broken: bool) -> None:
    """Which answers to InfluxQL too; one that does not is said not to be counted."""
    server = InfluxDB2()
    try:
        write_log(tmp_path, days(1, 20))
        settings = Settings(data_dir=tmp_path, influxdb=writing_to(server.url, server.bucket, server.token))
        replay(settings)
        server.write(server.bucket, f'home_assistant_events,entity_id=light.old state="on" {NOW * 1000}')
        if broken:
            server.answers_to["/query"] = [(500, {}, {"message": "out of memory"})]
        found, _, unseen = look(settings)
    finally:
        server.close()
    if broken:
        assert "points-of-others-now" not in found
        assert "out of memory" in unseen[0]
    else:
        assert found["points-of-others-now"].sentence.endswith("1 point in the last 24 h, 1 in all")
        assert unseen == ()
