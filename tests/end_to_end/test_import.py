"""A real, running Home Assistant's own database is imported: beside a recorder, and compared with what one heard live."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from homeiq.clock import SECOND, from_iso

from end_to_end.recorders import points, rows
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.websocket import Socket

_NOT_KEPT = {"origin", "old_state", "duration_in_state_seconds"}


def committed(server: HomeAssistantServer, state: str) -> bool:
    sql = (
        "SELECT 1 FROM states JOIN states_meta USING (metadata_id)"
        " WHERE states_meta.entity_id = 'sensor.last' AND state = ?"
    )
    with closing(sqlite3.connect(f"file:{server.config_dir}/home-assistant_v2.db?mode=ro", uri=True)) as database:
        return database.execute(sql, (state,)).fetchone() is not None


@pytest.mark.timeout(240)
def test_the_database_of_a_running_home_assistant(home_assistant_factory, tmp_path: Path) -> None:
    server: HomeAssistantServer = home_assistant_factory(commit_interval=1)
    file = str(server.config_dir / "home-assistant_v2.db")
    server.set_state("sensor.before", "71.6", {"unit_of_measurement": "°F", "device_class": "temperature"})
    (tmp_path / "live").mkdir()
    (tmp_path / "alone").mkdir()
    environment = {
        **{"HOME_ASSISTANT_URL": server.url, "HOME_ASSISTANT_TOKEN": server.token},
        **{"HOMEIQ_RECORDING__GROUP_SECONDS": "0.1", "HOMEIQ_RECORDING__HEARTBEAT_SECONDS": "1"},
    }
    with Homeiq(tmp_path / "live", **environment) as live, Homeiq(tmp_path / "alone") as alone:
        process = live.start("run")
        wait_for("the recorder to be connected", live.connected)
        began = rows(live.data_dir, "SELECT max(epoch_us(received_at)) AS at FROM events")[0]["at"]
        for state in ("1", "unavailable", "3.5"):
            server.set_state("sensor.seen", state, {"unit_of_measurement": "°F", "x": [1]})
        server.delete_state("sensor.seen")
        server.call("light", "turn_on", {"entity_id": "light.bed_light"})
        server.set_state("sensor.last", "end")
        wait_for("Home Assistant's commit", lambda: committed(server, "end"))
        wait_for("the record", lambda: rows(live.data_dir, "SELECT 1 FROM events WHERE entity_id = 'sensor.last'"))

        for registry in ("config", "entity_registry", "device_registry"):
            live.run("export", "--event-type", registry, "--output", str(tmp_path / registry))
            alone.run("import", "ndjson", str(tmp_path / registry))
        first = json.loads(alone.run("import", "home-assistant", file, "--json").stdout)
        assert first["new"] > 100
        assert first["bad"] == 0
        assert json.loads(alone.run("import", "home-assistant", file, "--json").stdout)["new"] <= 5, "a newer copy"

        beside = json.loads(live.run("import", "home-assistant", file, "--json").stdout)
        assert 0 < beside["new"] < first["new"], "what was recorded live is not imported again"
        again = rows(
            live.data_dir,
            "SELECT entity_id, time FROM events WHERE event_type IN ('state', 'state_changed')"
            " GROUP BY ALL HAVING count(*) > 1",
        )
        assert again == []
        shown = "SELECT CAST(fields->>'value' AS DOUBLE) AS value FROM points WHERE entity_id = 'sensor.before'"
        wait_for("the imported point, which the follower makes by itself", lambda: rows(live.data_dir, shown))
        assert live.stop(process) == 0

        wanted = points(live.data_dir, tmp_path / "wanted", began)
        made = points(alone.data_dir, tmp_path / "made", began)
        both = [key for key in made if key in wanted and wanted[key]["origin"] == "live"]
        assert len([key for key in both if dict(key[1])["entity_id"] == "sensor.seen"]) >= 2
        for key in both:
            left_out = {name for name in wanted[key] if name.startswith("attr_") and name not in made[key]} | _NOT_KEPT
            expected = {name: value for name, value in wanted[key].items() if name not in left_out}
            if dict(key[1])["domain"] not in ("text", "input_text"):
                assert {name: value for name, value in made[key].items() if name != "origin"} == expected, key


@pytest.mark.timeout(240)
def test_statistics_that_home_assistant_keeps(home_assistant_factory, tmp_path: Path) -> None:
    """Hours of years ago, which Home Assistant itself writes into its database: they outlive its ten days of states."""
    server: HomeAssistantServer = home_assistant_factory(commit_interval=1)
    file = str(server.config_dir / "home-assistant_v2.db")
    hours = [f"2021-03-28T{hour:02}:00:00+00:00" for hour in range(4)]
    energy = [{"start": hour, "state": 10.0 + n, "sum": float(n)} for n, hour in enumerate(hours)]
    warmth = [{"start": hour, "mean": 68.0, "min": 50.0, "max": 86.0} for hour in hours]
    with Socket(server) as socket:
        for statistic, unit, has_mean, rows_of in (
            ("sensor.energy", "Wh", False, energy),
            ("sensor.warmth", "°F", True, warmth),
        ):
            about = {"statistic_id": statistic, "source": "recorder", "name": None, "unit_of_measurement": unit}
            what = {**about, "has_mean": has_mean, "has_sum": not has_mean}
            socket.ask("recorder/import_statistics", metadata=what, stats=rows_of)
    sql = "SELECT count(*) FROM statistics JOIN statistics_meta m ON m.id = metadata_id WHERE statistic_id LIKE 'sensor.%'"

    def there() -> bool:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return bool(database.execute(sql).fetchone()[0] >= 8)

    wait_for("the statistics in the database", there)
    with Homeiq(tmp_path) as homeiq:
        first = json.loads(homeiq.run("import", "home-assistant", file, "--json").stdout)
        assert json.loads(homeiq.run("import", "home-assistant", file, "--json").stdout)["new"] < first["new"]
        homeiq.run("replay")
        found = homeiq.sql(
            "SELECT statistic_id, epoch(time) AS at, mean, max, state, sum, unit_of_measurement AS unit"
            " FROM points_home_assistant_statistics WHERE statistic_id IN ('sensor.energy', 'sensor.warmth') ORDER BY 1, 2"
        )
    assert [row["at"] for row in found[:4]] == [from_iso(hour) / SECOND for hour in hours]
    assert [(row["state"], row["sum"], row["unit"]) for row in found[:4]] == [
        ((10.0 + n) / 1000, n / 1000, "kWh") for n in range(4)
    ]
    assert [(row["mean"], row["max"], row["unit"]) for row in found[4:]] == [(20.0, 30.0, "°C")] * 4
