"""The demo and the two processes of `run`, as a user starts them."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from homeiq.commands.demo import opens_browser

from end_to_end.logs import days, write_log
from servers.homeiq import Homeiq, wait_for
from servers.simulated import SimulatedServer
from servers.web import request


def follower_of(process: int) -> int | None:
    """Return the child process that follows the log."""
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        try:
            if b"--follow" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        except FileNotFoundError:
            continue
    return None


def test_demo_needs_nothing_and_what_it_prints_works(tmp_path: Path) -> None:
    (tmp_path / "homeiq.yaml").write_text("nonsense: true\n")
    elsewhere = {"INFLUXDB_URL": "http://127.0.0.1:9", "HOME_ASSISTANT_URL": "http://127.0.0.1:9", "HOMEIQ_X__Y": "z"}
    with Homeiq(tmp_path, **elsewhere) as homeiq:
        del homeiq.environment["HOMEIQ_DATA_DIR"]
        shown = homeiq.run("demo", "--seconds", "5").stdout
        assert (tmp_path / "homeiq-demo").is_dir()
        (tmp_path / "homeiq.yaml").unlink()
        commands = re.findall(r"^homeiq (--data-dir homeiq-demo sql .*)$", shown, re.MULTILINE)
        assert len(commands) == 3
        clean = {name: "" for name in elsewhere if name != "HOMEIQ_X__Y"}
        del homeiq.environment["HOMEIQ_X__Y"]
        for command in commands:
            assert len(homeiq.run(*shlex.split(command), **clean).stdout.splitlines()) > 2
        homeiq.data_dir = tmp_path / "homeiq-demo"
        homeiq.environment["HOMEIQ_DATA_DIR"] = str(homeiq.data_dir)
        homeiq.environment |= clean
        events = homeiq.sql("SELECT count(*) AS n FROM events WHERE origin = 'simulated'")[0]["n"]
        assert events >= 5 * 20
        wanted = homeiq.run("replay", "--output", "-").stdout.count("\n")
        assert homeiq.sql("SELECT count(*) AS n FROM points")[0]["n"] == wanted, "the log was drained at the end"
        assert f"projected  {wanted:,} points" in shown

        again = homeiq.start("demo")
        address = re.compile(r"the status page: (http://127.0.0.1:\d+/)$", re.MULTILINE)
        told = wait_for("the page's address", lambda: address.search(homeiq.said()))
        answer = request("GET", told[1])
        assert (answer.status, "<title>homeiq</title>" in answer.body) == (200, True)
        wait_for("more events", lambda: (homeiq.ask("position") or {"durable_seq": 0})["durable_seq"] > events + 100)
        assert homeiq.stop(again, signal.SIGINT) == 0
        wanted = homeiq.run("replay", "--output", "-").stdout.count("\n")
        assert homeiq.sql("SELECT count(*) AS n FROM points")[0]["n"] == wanted
        rows = homeiq.sql("SELECT time FROM events WHERE event_type = 'state_changed' ORDER BY seq")
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows), (
            "the second went on behind the first"
        )


def test_demo_refuses_a_real_home(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 10))
    with Homeiq(tmp_path) as homeiq:
        result = homeiq.run("demo", "--seconds", "1", check=False)
        assert (result.returncode, "records of a real home" in result.stderr) == (2, True)


def test_the_follower_is_started_again_and_ends_with_its_recorder(tmp_path: Path) -> None:
    with (
        SimulatedServer(speed=600) as home,
        Homeiq(tmp_path, HOME_ASSISTANT_URL=home.url, HOME_ASSISTANT_TOKEN=home.token) as homeiq,
    ):
        recorder = homeiq.start("run")
        first = wait_for("the follower", lambda: follower_of(recorder.pid))
        wait_for("points", lambda: homeiq.data_dir.is_dir() and homeiq.sql("SELECT 1 FROM points LIMIT 1"))
        os.kill(first, signal.SIGKILL)
        second = wait_for("another follower", lambda: (pid := follower_of(recorder.pid)) and pid != first and pid)
        before = homeiq.ask("position")
        wait_for("recording goes on", lambda: homeiq.ask("position") != before)
        wait_for("it to follow", lambda: homeiq.said().count("following the log") == 2)

        recorder.kill()
        recorder.wait()
        wait_for("the orphan to end", lambda: not Path(f"/proc/{second}").exists() or _is_zombie(second), 60)

        recorder = homeiq.start("run")
        wait_for("the third follower", lambda: homeiq.said().count("following the log") == 3)
        assert homeiq.stop(recorder) == 0
        wanted = homeiq.run("replay", "--output", "-").stdout.count("\n")
        assert homeiq.sql("SELECT count(*) AS n FROM points")[0]["n"] == wanted, "none twice, none missing"


def _is_zombie(process: int) -> bool:
    return ") Z " in Path(f"/proc/{process}/stat").read_text()


def test_simulate_speaks_and_stops(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "homeiq", "simulate", "--port", "0", "--speed", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as simulator:
        assert simulator.stdout is not None
        announced = simulator.stdout.readline()
        url, token = re.search(r"listens at (\S+); its token is (\S+)", announced).groups()  # type: ignore[union-attr]
        with Homeiq(tmp_path, HOME_ASSISTANT_URL=url, HOME_ASSISTANT_TOKEN=token) as homeiq:
            recorder = homeiq.start("record")
            wait_for("the connection", homeiq.connected)
            time.sleep(2)
            assert homeiq.stop(recorder) == 0
            origins = homeiq.sql("SELECT DISTINCT origin FROM events WHERE event_type = 'state_changed'")
            assert origins == [{"origin": "simulated"}]
        simulator.send_signal(signal.SIGTERM)
        assert simulator.wait(20) == 0
        assert simulator.stderr is not None
        assert simulator.stderr.read() == ""


def test_a_browser_is_opened_only_for_somebody_who_looks() -> None:
    screen = {"DISPLAY": ":0"}
    assert opens_browser(screen, terminal=True)
    assert opens_browser({"WAYLAND_DISPLAY": "wayland-0"}, terminal=True)
    assert not opens_browser(screen, terminal=False)
    assert not opens_browser({}, terminal=True)
    assert not opens_browser(screen | {"CI": "true"}, terminal=True)
