"""The real InfluxDB ends in the content that the log makes, whatever happened to it, to homeiq, or to a normalizer."""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer.audit import audit
from homeiq.replayer.normalizers import electricity_pricing
from homeiq.replayer.replay import replay
from homeiq.replayer.scope import Scope
from homeiq.settings import InfluxDBSettings, Settings
from homeiq.storage.maintenance import seal
from homeiq.storage.record import Event

from end_to_end.logs import START, days, registries, write_log
from end_to_end.recorders import account
from servers.faulty_proxy import FAULTS, FaultyProxy
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import Content, InfluxDBServer
from servers.line_protocol import parse


def settings_of(data_dir: Path, server: InfluxDBServer, database: str) -> Settings:
    return Settings(data_dir=data_dir, influxdb=InfluxDBSettings(url=server.url, token="any", bucket=database))


def ours(content: Content) -> Content:
    """Return the points of ours, without the marker."""
    return {key: fields for key, fields in content.items() if "origin" in fields and key[0] != "homeiq_target"}


def prices(days: int) -> list[Event]:
    """Return polls of aWATTar, one an hour, for so many days."""
    polls = []
    for hour in range(days * 24):
        at = START + hour * 3_600 * SECOND
        start = (at - at % DAY) // 1000
        data = [
            {
                "start_timestamp": start + n * 3_600_000,
                "end_timestamp": start + (n + 1) * 3_600_000,
                "marketprice": float(n * 10 - 20),
                "unit": "Eur/MWh",
            }
            for n in range(24)
        ]
        request = {"method": "GET", "url": "https://api.awattar.de/v1/marketdata", "params": {}}
        raw = {
            **{"provider": "awattar", "request": request, "status": 200, "headers": {}},
            "body": json.dumps({"object": "list", "data": data, "url": "/de/v1/marketdata"}),
        }
        polls.append(Event(at, at, "electricity_pricing", "live", "polled", None, None, json.dumps(raw)))
    return polls


def test_the_price_error_of_thirty_days_is_corrected_by_one_line_and_a_replay(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EUR/MWh divided by 10,000, as the old service did."""
    write_log(tmp_path, iter([*registries(START), *prices(30)]))
    settings = settings_of(tmp_path, influxdb, influx_database)
    with monkeypatch.context() as wrong:
        wrong.setattr(electricity_pricing, "KWH_IN_MWH", 10_000)
        replay(settings)
    key = "current_price"
    before = {
        time: fields[key]
        for (name, _, time), fields in ours(influxdb.read_back(influx_database)).items()
        if key in fields
    }
    replay(settings)
    after = {
        time: fields[key]
        for (name, _, time), fields in ours(influxdb.read_back(influx_database)).items()
        if key in fields
    }
    assert before.keys() == after.keys()
    assert len(after) >= 30 * 24 - 24
    assert all(abs(after[time] - before[time] * 10) < 1e-9 for time in after)
    account(settings, 100_000_000)
    assert not any(tally.differs for tally in audit(settings, Scope()).tallies.values())


def current_prices(content: Content) -> dict[int, Any]:
    found = ((time, fields.get("current_price")) for (_, _, time), fields in ours(content).items())
    return {time: price for time, price in found if price is not None}


def follow(homeiq: Homeiq) -> Callable[[], bool]:
    """Return whether everything in the log is projected."""

    def done() -> bool:
        try:
            with sqlite3.connect(homeiq.data_dir / "ledger.sqlite") as ledger:
                stale = ledger.execute("SELECT count(*) FROM window WHERE state IN ('stale', 'writing')").fetchone()[0]
                position = ledger.execute("SELECT max(position) FROM target").fetchone()[0]
        except sqlite3.OperationalError:  # it is being made
            return False
        return bool(stale == 0 and position == homeiq.sql("SELECT max(seq) AS seq FROM events")[0]["seq"])

    return done


def test_a_day_of_outage_is_seen_at_once_and_drained(
    influxdb_factory: Callable[..., InfluxDBServer], tmp_path: Path
) -> None:
    """InfluxDB is down for a day at 5 events/s: what is newest is there within 5 s of its return, the rest soon.

    The machine may be busy with other tests: the 5 s are those of one that has two cores for this.
    """
    server = influxdb_factory()
    database = server.create_database("home")
    write_log(tmp_path / "data", days(1, 1_000))
    with Homeiq(tmp_path, INFLUXDB_URL=server.url, INFLUXDB_TOKEN="any", INFLUXDB_BUCKET=database) as homeiq:
        follower = homeiq.start("replay", "--follow")
        wait_for("the first points", follow(homeiq), 60)
        server.stop()
        write_log(tmp_path / "data", days(1, 5 * 86_400, seed=3))
        seal(tmp_path / "data")  # as a recorder does
        newest = homeiq.sql("SELECT epoch_us(max(time)) AS time FROM events WHERE event_type = 'state_changed'")[0][
            "time"
        ]
        wait_for("the follower to meet the outage", lambda: "cannot be reached" in homeiq.said())
        time.sleep(12)  # so long that a wait which doubled each time would have become one of 8 s
        server.start()
        back = time.monotonic()
        query = f"SELECT count(available) FROM home_assistant_events WHERE time = {newest * 1000}"
        wait_for("the newest point", lambda: server.query(query, database), 60)
        seen = time.monotonic() - back
        wait_for("the backlog", follow(homeiq), 240)
        busy = max(1.0, os.getloadavg()[0] / 2)
        assert seen < 5 * busy, f"seen after {seen:.1f} s"
        assert homeiq.run("audit").returncode == 0
        assert homeiq.stop(follower) == 0


def test_an_emptied_a_restored_and_an_exchanged_influxdb_are_noticed(
    influxdb_factory: Callable[..., InfluxDBServer], tmp_path: Path
) -> None:
    server = influxdb_factory()
    database = server.create_database("home")
    write_log(tmp_path / "data", days(3, 1_000))
    with Homeiq(tmp_path, INFLUXDB_URL=server.url, INFLUXDB_TOKEN="any", INFLUXDB_BUCKET=database) as homeiq:
        homeiq.run("replay")
        whole = ours(server.read_back(database))
        server.drop(database)
        server.create_database(database)
        audited = homeiq.run("audit", check=False)
        assert audited.returncode == 1
        assert "no marker" in audited.stdout
        homeiq.run("replay", "--stale")
        assert ours(server.read_back(database)) == whole

        copy = server.read_back(database, marker=True)
        write_log(tmp_path / "data", days(4, 500, seed=9))
        homeiq.run("replay")
        whole = ours(server.read_back(database))
        server.drop(database)
        server.create_database(database)
        restored = "\n".join(_line(key, fields) for key, fields in copy.items())
        assert server.write(database, restored).status == 204
        homeiq.run("replay", "--since", "2027-01-01")  # looks at the marker only
        homeiq.run("replay", "--stale")
        assert ours(server.read_back(database)) == whole

        other = tmp_path / "other"
        write_log(other / "data", days(1, 10))
        with Homeiq(other, INFLUXDB_URL=server.url, INFLUXDB_TOKEN="any", INFLUXDB_BUCKET=database) as stranger:
            refused = stranger.run("replay", check=False)
            assert refused.returncode == 1
            assert "another log" in refused.stderr
        assert ours(server.read_back(database)) == whole


def _line(key: Any, fields: dict[str, Any]) -> str:
    """Return a point as a line; the values of this test's log need no escapes but in strings."""
    measurement, tags, at = key
    texts = []
    for name, value in fields.items():
        if isinstance(value, str):
            texts.append(f'{name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')
        else:
            texts.append(f"{name}={str(value).lower() if isinstance(value, bool) else repr(float(value))}")
    return ",".join([measurement, *(f"{name}={value}" for name, value in sorted(tags))]) + f" {','.join(texts)} {at}"


def test_targets_at_once_each_at_its_own_pace(influxdb: InfluxDBServer, influx_database: str, tmp_path: Path) -> None:
    """InfluxDB, Parquet and a file of lines, and one that is not there: it holds up none of the others."""
    data = tmp_path / "data"
    write_log(data, days(2, 500))
    (tmp_path / "homeiq.yaml").write_text(
        f"influxdb: {{url: '{influxdb.url}', token: any, bucket: {influx_database}}}\n"
        "targets:\n"
        "  parquet: {kind: embedded}\n"
        f"  lines: {{kind: line_protocol, path: {tmp_path / 'lines.lp'}}}\n"
        "  away: {url: 'http://127.0.0.1:9', token: any}\n"
    )
    with Homeiq(tmp_path) as homeiq:
        process = homeiq.start("--config", str(tmp_path / "homeiq.yaml"), "run")
        wanted = parse(homeiq.run("replay", "--output", "-").stdout)
        events = {key: fields for key, fields in wanted.items() if key[0] == "home_assistant_events"}

        def there(content: Content) -> bool:
            return {key: fields for key, fields in content.items() if key[0] == "home_assistant_events"} == events

        wait_for("InfluxDB", lambda: there(influxdb.read_back(influx_database)), 60)
        wait_for("Parquet", lambda: homeiq.sql("SELECT count(*) AS n FROM points")[0]["n"] >= len(events), 60)
        lines = tmp_path / "lines.lp"
        wait_for("the file", lambda: lines.exists() and there(parse(lines.read_text())), 60)
        status = json.loads(homeiq.run("--config", str(tmp_path / "homeiq.yaml"), "status", "--json").stdout)
        targets = {target["name"].split()[0]: target for target in status["targets"]}
        assert all(target["followed"] for target in targets.values())
        process.kill()  # at an orderly stop it would wait half a minute for the one that is not there


def test_through_a_network_on_bad_days_the_content_is_the_same(
    influxdb: InfluxDBServer, influx_database: str, tmp_path: Path
) -> None:
    """503, 429, 413, 502, time-outs after the write was taken, cut connections, slow and garbage answers."""
    write_log(tmp_path / "data", days(2, 2_000))
    proxy = FaultyProxy(influxdb.url, in_ten=2)
    try:
        settings = {"INFLUXDB_URL": proxy.url, "INFLUXDB_TOKEN": "any", "INFLUXDB_BUCKET": influx_database}
        small = {"HOMEIQ_INFLUXDB__BATCH_LINES": "200", "HOMEIQ_INFLUXDB__TIMEOUT": "5"}
        small["HOMEIQ_INFLUXDB__CONCURRENCY"] = "3"
        with Homeiq(tmp_path, **settings, **small) as homeiq:
            follower = homeiq.start("replay", "--follow")
            wait_for("the first points", follow(homeiq), 120)
            homeiq.run("replay", "--since", "2026-11-01")  # done by the follower, and read back through it all
            wait_for("the replay", follow(homeiq), 120)
            faults = {fault: count for fault, count in proxy.did.items() if fault != "handed on"}
            assert len(faults) >= len(FAULTS) - 2, faults
            proxy.good = True
            audited = homeiq.run("audit", check=False)
            assert audited.returncode == 0, audited.stdout
            assert homeiq.stop(follower) == 0
            lines = homeiq.run("replay", "--output", "-").stdout
        assert ours(influxdb.read_back(influx_database)) == parse(lines)
    finally:
        proxy.close()
