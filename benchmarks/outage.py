"""A long outage of InfluxDB: how soon the newest event is there after its return, and how fast the rest follows."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from homeiq.clock import DAY, SECOND, from_iso, to_iso
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.replay import open_target
from homeiq.settings import InfluxDBSettings, Settings
from homeiq.storage import segment
from homeiq.storage.log import EventLog, log_folder
from homeiq.storage.maintenance import MERGED_RECORDS, seal
from homeiq.storage.manifest import segment_name
from homeiq.storage.record import Event

from end_to_end.logs import registries
from servers import influxdb as influx
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer

__all__ = ["outage"]

_START: Final = from_iso("2026-11-01T00:00:00+00:00")
_RATE: Final = 20
_SENSORS: Final = 200
_BEFORE: Final = 100_000
_NEWEST: Final = 500

_EVENTS: Final = """
SELECT seq, make_timestamptz(micros) AS time, make_timestamptz(micros + 2000) AS received_at,
    'home_assistant' AS source, 'live' AS origin, 'state_changed' AS event_type, entity_id, state,
    concat('{{"event_type":"state_changed","data":{{"entity_id":"', entity_id, '","old_state":null,"new_state":{{',
        '"entity_id":"', entity_id, '","state":"', state, '","attributes":{{"state_class":"measurement",',
        '"unit_of_measurement":"°C","device_class":"temperature","friendly_name":"', entity_id, '"}},"last_updated":"',
        moment, '","context":{{"id":"', md5(seq::VARCHAR), '","parent_id":null,"user_id":null}}}}}},"origin":"LOCAL",',
        '"time_fired":"', moment, '"}}') AS raw
FROM (
    SELECT seq, micros, strftime(make_timestamp(micros), '%Y-%m-%dT%H:%M:%S.%f+00:00') AS moment,
        printf('sensor.s%03d', seq % {sensors}) AS entity_id,
        printf('%.1f', 15 + seq % 10 + (hash(seq) % 50) / 10.0) AS state
    FROM (SELECT seq, {start} + seq * {step} + (hash(seq + 7) % {step})::BIGINT AS micros
        FROM range({first}, {last} + 1) AS numbers(seq))
)
ORDER BY time_bucket(INTERVAL 1 MONTH, time), entity_id, time
"""
"""One segment's records, in the order in which compaction leaves them."""


def outage(folder: Path, events: int) -> dict[str, Any]:
    """Let so many events, at 20/s, come while InfluxDB is away."""
    if not influx.INSTALLATION.complete:
        return {"outage": "not installed: make servers"}
    folder.mkdir()
    server = InfluxDBServer(folder / "influxdb")
    server.start()
    try:
        database = server.create_database("home")
        with Homeiq(folder, INFLUXDB_URL=server.url, INFLUXDB_TOKEN="any", INFLUXDB_BUCKET=database) as homeiq:
            target = InfluxDBSettings(url=server.url, token="any", bucket=database)
            return _measured(homeiq, server, database, Settings(data_dir=homeiq.data_dir, influxdb=target), events)
    finally:
        server.kill()


def _measured(homeiq: Homeiq, server: InfluxDBServer, database: str, settings: Settings, events: int) -> dict[str, Any]:
    data_dir = homeiq.data_dir
    with EventLog(data_dir) as log:
        log.append(registries(_START, temperature="°C"))
        log.rotate()
    seal(data_dir)
    end = _add_segments(data_dir, _BEFORE)
    follower = homeiq.start("replay", "--follow")
    done = _done(settings)
    wait_for("what was there before", lambda: done(end), 600)
    server.stop()
    _append(data_dir, end + 1, 1)
    time.sleep(3)  # so that the follower meets the outage
    began = time.monotonic()
    end = _add_segments(data_dir, events - _NEWEST)
    made = time.monotonic() - began
    newest = _append(data_dir, end + 1, _NEWEST)
    end += _NEWEST
    time.sleep(30)  # it has been away for long
    busy = os.getloadavg()[0]
    server.start()
    back = time.monotonic()
    query = f"SELECT count(available) FROM home_assistant_events WHERE time = {newest * 1000}"
    wait_for("the newest point", lambda: server.query(query, database), 600)
    seen = time.monotonic() - back
    wait_for("the backlog", lambda: done(end), 3_600)
    drained = time.monotonic() - back
    began = time.monotonic()
    audited = homeiq.run("audit", check=False, seconds=7_200)
    audit_seconds = time.monotonic() - began
    print(audited.stdout, file=sys.stderr)
    assert homeiq.stop(follower) == 0
    return {
        "outage_events": events,
        "outage_days": events / _RATE * SECOND / DAY,
        "outage_log_made_seconds": made,
        "outage_load_at_return": busy,
        "outage_newest_seen_seconds": seen,
        "outage_drained_seconds": drained,
        "outage_drained_events_a_second": events / drained,
        "outage_audit_exit_code": audited.returncode,
        "outage_audit_seconds": audit_seconds,
        "outage_load_at_the_end": os.getloadavg()[0],
    }


def _done(settings: Settings) -> Callable[[int], bool]:
    target = open_target(settings)
    ledger = Ledger(settings.data_dir, target.name)

    def done(end: int) -> bool:
        return ledger.position >= end and not ledger.windows("stale") and not ledger.windows("writing")

    return done


def _add_segments(data_dir: Path, count: int) -> int:
    """Add events to a log whose tail is empty, as sealing and merging leave them; return the last seq."""
    (tail,) = log_folder(data_dir).glob("tail-*")
    last = int(tail.stem.removeprefix("tail-")) - 1 + count
    for table, first, end in _segments(last - count + 1, last):
        day = table["received_at"][0].as_py().date()
        path = log_folder(data_dir) / f"date={day}" / segment_name(first, end, 1)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".tmp")
        part.write_bytes(segment.write([table], first, end, ""))
        part.rename(path)
    (log_folder(data_dir) / f"tail-{last + 1:020}.ndjson").touch()
    tail.unlink()
    return last


def _segments(first: int, last: int) -> Iterator[tuple[pa.Table, int, int]]:
    with duckdb.connect() as maker:
        maker.execute("SET TimeZone = 'UTC'")
        for begin in range(first, last + 1, MERGED_RECORDS):
            end = min(begin + MERGED_RECORDS - 1, last)
            text = _EVENTS.format(
                **{"sensors": _SENSORS, "start": _START, "step": SECOND // _RATE, "first": begin, "last": end}
            )
            yield maker.sql(text).to_arrow_table().cast(segment.SCHEMA), begin, end


def _append(data_dir: Path, first: int, count: int) -> int:
    """Append events as a recorder does, and begin a new tail; return the time of the last one."""
    time_of_last = 0
    with EventLog(data_dir) as log:
        events = []
        for seq in range(first, first + count):
            time_of_last = _START + (seq + 1) * (SECOND // _RATE) - 1
            at, entity = to_iso(time_of_last), f"sensor.s{seq % _SENSORS:03}"
            new = f'{{"entity_id":"{entity}","state":"{seq % 40}","attributes":{{}},"last_updated":"{at}"}}'
            data = f'{{"entity_id":"{entity}","old_state":null,"new_state":{new}}}'
            raw = f'{{"event_type":"state_changed","data":{data},"origin":"LOCAL","time_fired":"{at}"}}'
            kind = "home_assistant", "live", "state_changed"
            events.append(Event(time_of_last, time_of_last, *kind, entity, str(seq % 40), raw))
        log.append(events)
        log.rotate()
    seal(data_dir)
    return time_of_last
