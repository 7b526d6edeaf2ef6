"""What the two processes of `run` write into their logs: nothing in normal life, objects where asked, never a secret."""

import json
import os
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from end_to_end.logs import days, write_log
from end_to_end.test_demo import follower_of
from servers.homeiq import Homeiq, wait_for
from servers.simulated import SimulatedServer
from servers.web import serving

SECRETS = {
    "HOME_ASSISTANT_TOKEN": "secret-of-home-assistant",
    "INFLUXDB_TOKEN": "secret-of-influxdb",
    "HOMEIQ_HTTP__TOKEN": "secret-of-http",
    "HOMEIQ_WEATHER__API_KEY": "secret-of-weather",
    "HOMEIQ_AIR_QUALITY__API_KEY": "secret-of-air-quality",
    "HOMEIQ_ELECTRICITY_PRICING__TOKEN": "secret-of-tibber",
}


@pytest.fixture
def telltale() -> Iterator[str]:
    """The URL of a server that answers anything by an error in which the whole request stands, secrets and all."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            text = f"{self.path} {dict(self.headers)} {' '.join(SECRETS.values())}"
            body = json.dumps({"code": "unauthorized", "message": text, "error": text, "reason": text}).encode()
            self.send_response(500 if "lat" in self.path else 401, text[:200])
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Influxdb-Error", text[:300])
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as place:
        yield f"http://{place}"


def test_an_hour_of_normal_life_says_nothing(tmp_path: Path) -> None:
    """An hour of the home, sixty heartbeats and some seals, in some seconds."""
    quick = {
        "HOMEIQ_RECORDING__GROUP_SECONDS": "0.05",
        "HOMEIQ_RECORDING__HEARTBEAT_SECONDS": "0.1",
        "HOMEIQ_RECORDING__SEAL_RECORDS": "500",
    }
    with (
        SimulatedServer(speed=600) as home,
        Homeiq(tmp_path, HOME_ASSISTANT_URL=home.url, HOME_ASSISTANT_TOKEN=home.token, **quick) as homeiq,
    ):
        run = homeiq.start("run")
        wait_for("the follower", lambda: "following the log" in homeiq.said(), 60)
        wait_for("the recorder to be connected", homeiq.connected)
        start = homeiq.said()
        assert start.count("\n") <= 5, start
        beats = "SELECT count(*) AS n FROM events WHERE event_type = 'homeiq_heartbeat'"
        wait_for("an hour of the home", lambda: homeiq.sql(beats)[0]["n"] > 60, 60)
        segments = homeiq.data_dir / "log"
        wait_for("two segments", lambda: len(list(segments.glob("date=*/*.parquet"))) > 1, 60)
        assert homeiq.said() == start
        assert homeiq.stop(run) == 0
        assert homeiq.said().removeprefix(start).count("\n") <= 3, homeiq.said()


def test_no_secret_in_any_line(telltale: str, tmp_path: Path) -> None:
    """Errors of all kinds are provoked, at -v too, by a server that gives each secret back."""
    settings = {
        "HOME_ASSISTANT_URL": telltale,
        "INFLUXDB_URL": telltale,
        "HOMEIQ_WEATHER__PROVIDER": "openweathermap",
        "HOMEIQ_WEATHER__LATITUDE": "1",
        "HOMEIQ_WEATHER__LONGITUDE": "2",
        "HOMEIQ_AIR_QUALITY__PROVIDER": "airnow",
        "HOMEIQ_AIR_QUALITY__LATITUDE": "1",
        "HOMEIQ_AIR_QUALITY__LONGITUDE": "2",
        "HOMEIQ_ELECTRICITY_PRICING__PROVIDER": "tibber",
        "HOMEIQ_WEATHER__URL": telltale,
        "HOMEIQ_AIR_QUALITY__URL": telltale,
        "HOMEIQ_ELECTRICITY_PRICING__URL": telltale,
    }
    write_log(tmp_path / "data", days(1, 20))
    with Homeiq(tmp_path, **settings, **SECRETS) as homeiq:
        run = homeiq.start("-v", "--log-format", "json", "run")
        wait_for("Home Assistant's error", lambda: "Home Assistant" in homeiq.said() and homeiq.ask("status"))
        wait_for("InfluxDB's error", lambda: "InfluxDB at" in homeiq.said(), 60)
        wait_for("the utilities' errors", lambda: all(word in homeiq.said() for word in ("weather", "electricity")), 60)
        told = json.dumps(homeiq.ask("status"))
        follower = follower_of(run.pid)
        run.kill()  # in order, it would give the follower half a minute to reach a database that refuses it
        os.kill(follower, signal.SIGKILL)
        run.wait()
        for command in (["replay"], ["status"], ["backfill", "--since", "1h"]):
            result = homeiq.run("-v", *command, check=False, HOMEIQ_LOG_FORMAT="json")
            assert [word for word in SECRETS.values() if word in result.stdout + result.stderr] == []
        assert [word for word in SECRETS.values() if word in homeiq.said() + told] == []
        lines = [json.loads(line) for line in homeiq.said().splitlines()]
        assert {"homeiq.recorder.daemon", "homeiq.replayer.delivery"} <= {line["logger"] for line in lines}
        assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
