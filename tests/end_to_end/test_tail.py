"""`homeiq tail` beside a real recorder, over its sealing, and without one, as a user has it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from end_to_end.logs import days, write_log
from servers.homeiq import Homeiq, wait_for
from servers.simulated import SimulatedServer


def test_events_as_they_come_over_sealing_and_a_new_start(tmp_path: Path) -> None:
    quick = {"HOMEIQ_RECORDING__GROUP_SECONDS": "0.05", "HOMEIQ_RECORDING__SEAL_RECORDS": "200"}
    with (
        SimulatedServer(speed=600) as home,
        Homeiq(tmp_path, HOME_ASSISTANT_URL=home.url, HOME_ASSISTANT_TOKEN=home.token, **quick) as homeiq,
    ):
        recorder = homeiq.start("record")
        wait_for("the recorder to be connected", homeiq.connected)
        with (tmp_path / "tail.ndjson").open("wb") as out, (tmp_path / "tail.said").open("wb") as said:
            command = [sys.executable, "-m", "homeiq", "tail", "--json", "-n", "3"]
            tail = subprocess.Popen(command, env=homeiq.environment, stdout=out, stderr=said, cwd=tmp_path)
        segments = homeiq.data_dir / "log"
        wait_for("the tail", lambda: (tmp_path / "tail.ndjson").stat().st_size)
        wait_for("two segments", lambda: len(list(segments.glob("date=*/*.parquet"))) > 1, 60)
        assert homeiq.stop(recorder) == 0
        recorder = homeiq.start("record")
        wait_for("the recorder to be connected again", homeiq.connected)
        assert homeiq.run("compact").returncode == 0
        assert homeiq.stop(recorder) == 0
        last = homeiq.sql("SELECT max(seq) AS seq FROM events WHERE event_type <> 'homeiq_heartbeat'")[0]["seq"]
        wait_for(
            "all of it",
            lambda: (tmp_path / "tail.ndjson").read_bytes().rpartition(b'{"seq":')[2].startswith(b"%d," % last),
        )
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 0
        assert (tmp_path / "tail.said").read_text() == ""
        shown = [json.loads(line)["seq"] for line in (tmp_path / "tail.ndjson").read_text().splitlines()]
        whole = homeiq.sql("SELECT seq FROM events WHERE event_type <> 'homeiq_heartbeat' ORDER BY seq")
        assert shown == [row["seq"] for row in whole][-len(shown) :], "none twice, none left out"
        assert len(shown) > 400


def test_without_a_recorder(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 100))
    with Homeiq(tmp_path, TZ="America/New_York") as homeiq:
        tail = homeiq.start("tail", "--entity", "sensor.s1*", "-n", "2")
        wait_for("events", lambda: homeiq.said().count("sensor.s1") == 2)
        wait_for("why no more come", lambda: "no recorder runs here" in homeiq.said())
        assert homeiq.stop(tail) == 0
        assert "  70 → " in homeiq.said()
        assert "2026-11-20 1" in homeiq.said(), "the time zone of this machine"


def test_a_closed_pipe_and_wrong_use(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 1_000))
    with Homeiq(tmp_path) as homeiq:
        said = subprocess.run(
            f"{sys.executable} -m homeiq tail -n 1000 | head -n 1; echo ${{PIPESTATUS[0]}}",
            shell=True,
            executable="/bin/bash",
            env=homeiq.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert said.stdout.splitlines()[1:] == ["0"]
        assert "Traceback" not in said.stderr
        assert "Exception" not in said.stderr
        assert homeiq.run("tail", "-n", "-1", check=False).returncode == 2
        nowhere = homeiq.run("--data-dir", str(tmp_path / "nowhere"), "tail", check=False)
        assert (nowhere.returncode, "there is no log in" in nowhere.stderr) == (1, True)
