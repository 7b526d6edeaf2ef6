"""Replays against a real InfluxDB: repeated, killed, repaired, and the same byte for byte under any circumstances."""

import collections
import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from homeiq.replayer.normalizers import described as normalizer

from end_to_end.logs import days, odd_events, odd_frames, write_log
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer
from servers.line_protocol import parse

_ODD_FIELDS = {
    "attr_a,b_str": "c,d",
    "attr_e f_str": "g h",
    "attr_i=j_str": "k=l",
    'attr_s"t_str': 'u"v',
    "attr_ключ_str": "значение",
    "attr_big": 2.0**64,
    "attr_tiny": 5e-324,
    "attr_zero": 0.0,
    "attr_flag_bool": True,
    "attr_list_json": '[1,[2,[3.5,null,"x"]],{"k":null}]',
    "attr_x_str": "text",
    "attr_x_bool__json": "[1]",
}
"""What some of the odd attributes become."""


def projecting(folder: Path, influxdb: InfluxDBServer, database: str) -> Homeiq:
    """Return homeiq with a log in `folder` and a database as its target."""
    return Homeiq(folder, INFLUXDB_URL=influxdb.url, INFLUXDB_TOKEN="any", INFLUXDB_BUCKET=database)


def test_repeated_and_killed_replays_end_in_the_same_content(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path
) -> None:
    write_log(tmp_path / "data", days(6, 10_000))
    with projecting(tmp_path, influxdb, influx_database) as homeiq:
        first_lines = homeiq.run("replay", "--output", "-").stdout
        homeiq.run("replay", "--since", "2026-11-01")
        first = influxdb.read_back(influx_database)
        assert first == parse(first_lines)
        homeiq.run("replay", "--since", "2026-11-01")
        assert influxdb.read_back(influx_database) == first

        for day in (21, 23):  # so that the third has something to write
            influxdb.query(f"DELETE WHERE time >= '2026-11-{day}' AND time < '2026-11-{day + 1}'", influx_database)
        left = _points(influxdb, influx_database)
        assert left == len(first) - 20_000
        third = homeiq.start("replay", "--since", "2026-11-01")
        wait_for("some of what was missing", lambda: _points(influxdb, influx_database) > left)
        third.kill()
        third.wait()
        assert left < _points(influxdb, influx_database) < len(first), "it was killed in the middle"
        homeiq.run("replay", "--since", "2026-11-01")
        assert influxdb.read_back(influx_database) == first
        assert homeiq.run("replay", "--output", "-").stdout == first_lines


def _points(influxdb: InfluxDBServer, database: str) -> int:
    (series,) = influxdb.query("SELECT count(origin) FROM home_assistant_events", database)
    return int(series["values"][0][1])


def test_what_is_forgotten_leaves_influxdb(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(2, 500))
    with projecting(tmp_path, influxdb, influx_database) as homeiq:
        homeiq.run("compact")
        homeiq.run("replay")
        before = influxdb.read_back(influx_database)
        entities = sorted({dict(tags).get("entity_id", "") for _, tags, _ in before})
        gone = next(entity for entity in entities if entity.startswith("sensor."))
        homeiq.run("forget", "--entity", gone, "--yes")
        homeiq.run("replay", "--stale")
        wanted = {key: fields for key, fields in before.items() if dict(key[1]).get("entity_id") != gone}
        assert influxdb.read_back(influx_database) == wanted != before
        audit = json.loads(homeiq.run("audit", "--json", check=False).stdout)
        assert {(one["new"], one["changed"], one["removed"]) for one in audit["tallies"]} == {(0, 0, 0)}
        assert homeiq.sql(f"SELECT 1 FROM events WHERE entity_id = '{gone}'") == []


def test_a_wrong_normalizer_is_repaired_by_a_replay(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error: the unit of an attribute is not converted, so that 70 °F become 70 °C."""
    from homeiq.replayer.replay import replay
    from homeiq.settings import InfluxDBSettings, Settings

    write_log(tmp_path / "data", days(2, 500))
    target = InfluxDBSettings(url=influxdb.url, token="any", bucket=influx_database)
    settings = Settings(data_dir=tmp_path / "data", influxdb=target)
    with monkeypatch.context() as wrong:
        wrong.setattr(normalizer, "metric_attributes", lambda domain, attributes, home: (attributes, None))
        replay(settings)
    before = influxdb.read_back(influx_database)
    temperatures = {fields["attr_temperature"] for fields in before.values() if "attr_temperature" in fields}
    assert temperatures == {70.0}

    with projecting(tmp_path, influxdb, influx_database) as homeiq:
        homeiq.run("replay", "--since", "2026-11-01")
        after = influxdb.read_back(influx_database)
        assert after == parse(homeiq.run("replay", "--output", "-").stdout)
    temperatures = {fields["attr_temperature"] for fields in after.values() if "attr_temperature" in fields}
    assert temperatures == {21.1111111111}


def test_lines_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    """Before and after sealing and merging, and under any TZ, LANG and PYTHONHASHSEED."""
    write_log(tmp_path / "data", odd_events())
    write_log(tmp_path / "data", days(3, 2_000))
    with Homeiq(tmp_path) as homeiq:
        lines = homeiq.run("replay", "--output", "-").stdout
        assert lines.count("\n") > 6_000
        for number, (zone, language) in enumerate([("Asia/Kathmandu", "C"), ("America/New_York", "de_DE.UTF-8")]):
            environment = {"TZ": zone, "LANG": language, "LC_ALL": language, "PYTHONHASHSEED": str(number)}
            assert homeiq.run("replay", "--output", "lines.lp", **environment).returncode == 0
            assert (tmp_path / "lines.lp").read_bytes().decode("utf-8", "surrogateescape") == lines
        homeiq.run("compact")
        assert not list((tmp_path / "data" / "log").glob("tail-*1.ndjson"))
        assert homeiq.run("replay", "--output", "-").stdout == lines
        homeiq.run("compact")
        assert homeiq.run("replay", "--output", "-").stdout == lines


def test_odd_values_are_kept_verbatim_and_none_is_refused(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path
) -> None:
    events = list(odd_events())
    write_log(tmp_path / "data", iter(events))
    with projecting(tmp_path, influxdb, influx_database) as homeiq:
        rows = homeiq.sql("SELECT raw FROM events WHERE event_type = 'state_changed' ORDER BY seq")
        frames = [frame.removeprefix('{"id":1,"type":"event","event":').removesuffix("}") for frame in odd_frames()]
        assert [row["raw"] for row in rows] == frames, "as they came, byte for byte"
        assert sum(not frame.isascii() for frame in frames) >= 5
        replayed = homeiq.run("replay", "--since", "2026-11-01")
        summary = replayed.stdout
        assert "a text of more than 64 KiB" in replayed.stderr, "what no field can hold is counted, and said"
        states = sum(event.event_type == "state_changed" for event in events)
        assert f"{states:,} events gave {states:,} points" in summary, "no event is left out, for whatever reason"
        content = influxdb.read_back(influx_database)
        assert content == parse(homeiq.run("replay", "--output", "-").stdout)
        assert len(content) == states
        held = collections.defaultdict(set)
        for (_, tags, _), fields in content.items():
            for name, value in fields.items():
                held[dict(tags)["entity_id"], name].add(value)
        assert held["sensor.odd", "state"] >= {"nan", " 5 ", "0x10", "1_000", "٣", "end\\", "line\nbreak", "ünïcödé 🏠"}
        assert held["sensor.odd", "value"] == {1e5, -3.0, 1.0, 0.5}
        for name, value in _ODD_FIELDS.items():
            assert held["sensor.odd_attribute", name] >= {value}
            assert held["sensor.odd_attributes", name] >= {value}, "among all others, too"
        ledger = sqlite3.connect(homeiq.data_dir / "ledger.sqlite")
        assert ledger.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)
        ledger.close()
        assert "SECRET" not in str(content), "no credential reaches a target"


def test_the_follower_stops_in_order_and_goes_on(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path
) -> None:
    write_log(tmp_path / "data", days(2, 1_000))
    with projecting(tmp_path, influxdb, influx_database) as homeiq:
        follower = homeiq.start("replay", "--follow")
        wait_for("the first points", lambda: influxdb.read_back(influx_database))
        assert homeiq.stop(follower, signal.SIGINT) == 0
        wanted = parse(homeiq.run("replay", "--output", "-").stdout)
        assert influxdb.read_back(influx_database) == wanted, "at an orderly stop the log is drained"
        write_log(tmp_path / "data", days(4, 1_000, seed=2))
        follower = homeiq.start("replay", "--follow")
        started = time.monotonic()
        wanted = parse(homeiq.run("replay", "--output", "-").stdout)
        wait_for("the rest", lambda: influxdb.read_back(influx_database) == wanted, 60)
        assert time.monotonic() - started < 60
        assert homeiq.stop(follower) == 0
