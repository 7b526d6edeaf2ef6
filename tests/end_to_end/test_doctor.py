"""`homeiq doctor` beside homeiq, a real Home Assistant and a real InfluxDB: well, and broken one thing at a time."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doctor.looking import Shifted, at_home, look, one, writing_to
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer


def follower_of(recorder: int) -> int:
    """Return the process that `homeiq run` has started to follow the log."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == recorder and b"--follow" in (stat.parent / "cmdline").read_bytes():
                return int(stat.parent.name)
        except (OSError, ValueError, IndexError):
            continue
    return 0


def test_well_and_then_one_fault_after_the_other(
    home_assistant_factory: Callable[..., HomeAssistantServer],
    influxdb_factory: Callable[..., InfluxDBServer],
    tmp_path: Path,
) -> None:
    home, influxdb = home_assistant_factory(), influxdb_factory()
    influxdb.create_database("home")
    settings = {
        "HOME_ASSISTANT_URL": home.url,
        "HOME_ASSISTANT_TOKEN": home.token,
        "INFLUXDB_URL": influxdb.url,
        "INFLUXDB_TOKEN": "any",
        "INFLUXDB_BUCKET": "home",
    }

    def here(**more: Any) -> Any:
        return look(
            tmp_path / "data",
            home_assistant=at_home(home.url, home.token),
            influxdb=writing_to(influxdb.url, "home"),
            **more,
        )

    with Homeiq(tmp_path, **settings) as homeiq:
        running = homeiq.start("run")
        wait_for("Home Assistant", homeiq.connected, 120)
        wait_for("a follower", lambda: follower_of(running.pid), 60)
        wait_for("points", lambda: influxdb.query("SELECT count(state) FROM home_assistant_events", "home"), 120)

        def well() -> Any:
            result = homeiq.run("doctor", "--json", check=False)
            said = json.loads(result.stdout)
            return (result, said) if said["ok"] else None

        result, said = wait_for("Yes", well, 120)
        assert result.returncode == 0
        assert said["answer"].startswith("Yes: ")
        assert " projected; Home Assistant connected for " in said["answer"]
        good = {finding["code"] for finding in said["findings"] if finding["severity"] == "good"}
        expected = {"recorder-ready", "source-connected", "home-assistant-answers", "influxdb-writes"}
        assert good >= expected | {"follower-running", "events-come", "log-whole", "settings-read"}
        assert said["sources"]["home_assistant"]["connected"] is True
        assert said["way"]["targets"]["influxdb"]["followed"] is True
        assert said["targets"]["influxdb"]["probe_removed"] is True
        assert said["figures"]["entities"] > 50
        assert influxdb.query("SELECT * FROM homeiq_doctor", "home") == [], "beside the follower, without its lock"
        assert homeiq.run("doctor").stdout.startswith("Yes: ")
        assert home.token not in result.stdout + homeiq.run("doctor", "--report", "r.md").stdout
        assert home.token not in (tmp_path / "r.md").read_text()

        follower = follower_of(running.pid)
        os.kill(follower, signal.SIGSTOP)
        try:
            home.set_state("sensor.waits", "1")
            wait_for("a record that waits", lambda: here().as_json()["way"]["targets"]["influxdb"]["behind"], 60)
            found = one(here(clock=Shifted(300)), "follower-stuck")  # as if five minutes had passed
            assert found.severity == "wrong"
        finally:
            os.kill(follower, signal.SIGCONT)
        wait_for("a follower that goes on", lambda: here().ok, 120)

        influxdb.stop()
        found = here()
        assert one(found, "influxdb-unreachable").severity == "wrong"
        assert found.answer.startswith("No: InfluxDB at ")
        influxdb.start()
        wait_for("InfluxDB", lambda: here().ok, 120)

        home.stop()
        wait_for("a lost connection", lambda: not homeiq.connected(), 60)
        found = here()
        assert one(found, "home-assistant-not-connected").severity == "wrong"
        assert one(found, "home-assistant-unreachable").severity == "wrong"

        homeiq.stop(running)
        assert one(here(), "recorder-not-running").severity == "wrong"
        assert one(here(), "follower-not-running")
