"""`homeiq status` and its screen, beside a real recorder and without one, on a terminal of 80 columns and on none."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from end_to_end.logs import days, write_log
from servers.homeiq import Homeiq, wait_for
from servers.influxdb2 import InfluxDB2
from servers.simulated import SimulatedServer


class Terminal:
    """`homeiq` on a terminal of 80 columns and 40 lines, without colour."""

    def __init__(self, homeiq: Homeiq, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.shown = ""
        environment = homeiq.environment | {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "", "LINES": ""}
        del environment["COLUMNS"], environment["LINES"]
        command = [sys.executable, "-m", "homeiq", *arguments]
        self.process = subprocess.Popen(
            command, env=environment, stdin=slave, stdout=slave, stderr=slave, cwd=homeiq.folder, start_new_session=True
        )

    def read(self) -> str:
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 65536).decode("utf-8", "replace")
        return self.shown

    def wait(self, what: str, condition: Callable[[str], object]) -> None:
        try:
            wait_for(what, lambda: condition(self.read()), 60)
        except AssertionError:
            sys.stderr.write(self.shown[-4000:])
            raise

    def end(self, how: Callable[[], object]) -> int:
        how()
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
            time.sleep(0.05)
        code = self.process.wait(1)
        self.read()
        after = termios.tcgetattr(self.slave)
        os.close(self.slave)
        os.close(self.master)
        assert after == self.before, "the terminal is as it was"
        return code


def plain(shown: str) -> list[str]:
    """Return the lines that were shown, without what moves the cursor."""
    return [
        line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown.replace("\x1b[H", "\n")).split("\n")
    ]


@pytest.mark.parametrize("how", ["q", "Ctrl-C"])
def test_the_screen_beside_a_recorder(tmp_path: Path, how: str) -> None:
    with (
        SimulatedServer(speed=600) as home,
        Homeiq(tmp_path, HOME_ASSISTANT_URL=home.url, HOME_ASSISTANT_TOKEN=home.token) as homeiq,
    ):
        recorder = homeiq.start("run")
        wait_for("the recorder to be connected", homeiq.connected)
        terminal = Terminal(homeiq, "status", "--watch")
        terminal.wait("a rate", lambda shown: re.search(r"recorder +ready .*[1-9][\d.]* events/s", shown))
        terminal.wait("the target", lambda shown: "followed; " in shown and "gaps       " in shown)
        terminal.wait("the source", lambda shown: re.search(r"home_assistant connected .*, last", shown))
        terminal.wait("its age", lambda shown: re.search(r"as of \d\.\d s ago", shown))
        terminal.wait("the disk", lambda shown: re.search(r"disk +[\d.]+ [kMGT]B free", shown))
        if how == "q":
            assert terminal.end(lambda: os.write(terminal.master, b"q")) == 0
        else:
            assert terminal.end(lambda: terminal.process.send_signal(signal.SIGINT)) == 0
        lines = plain(terminal.shown)
        assert max(map(len, lines)) <= 80
        assert "\x1b[3" not in terminal.shown, "no colour"
        assert "\x1b[?1049l" in terminal.shown, "the screen that was there before is back"
        assert "Traceback" not in terminal.shown

        once = homeiq.run("status").stdout
        assert re.search(r"recorder   runs; record [\d,]+ is durable, 0 were dropped\n +[\d.]+ events/s since", once)
        assert "gaps       none is known\n" in once
        assert re.search(r"disk       [\d.]+ .B free", once)
        facts = json.loads(homeiq.run("status", "--json").stdout)
        assert {"data_dir", "recorder", "targets", "problems", "gaps", "disk"} <= facts.keys()
        assert homeiq.stop(recorder) == 0


def test_without_a_terminal_and_without_a_recorder(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 10))
    with Homeiq(tmp_path) as homeiq:
        watching = homeiq.start("status", "--watch")
        wait_for("a line", lambda: re.search(r"\d\dZ the recorder does not run", homeiq.said()))
        assert homeiq.stop(watching, signal.SIGINT) == 0
        assert homeiq.said().count("\n") == 1, "a line every ten seconds only"
        as_json = homeiq.start("status", "--watch", "--json")
        wait_for("a line of JSON", lambda: '"recorder":null' in homeiq.said())
        assert homeiq.stop(as_json, signal.SIGTERM) == 0
        nowhere = homeiq.run("--data-dir", str(tmp_path / "nowhere"), "status", "--watch", check=False)
        assert (nowhere.returncode, "there is no log in" in nowhere.stderr) == (1, True)


def test_what_a_target_cannot_do(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 10))
    server = InfluxDB2()
    settings = {"INFLUXDB_URL": server.url, "INFLUXDB_ORG": server.org, "INFLUXDB_BUCKET": server.bucket}
    try:
        with Homeiq(tmp_path, INFLUXDB_TOKEN=server.write_only_token, **settings) as homeiq:
            assert "  cannot: " in homeiq.run("status").stdout
            assert "it is not read back" in homeiq.run("status").stdout
    finally:
        server.close()
    with Homeiq(tmp_path, INFLUXDB_TOKEN="any", **settings) as homeiq:
        facts = json.loads(homeiq.run("status", "--json").stdout)["targets"][0]
        assert (facts["cannot"], "cannot be reached" in facts["problem"]) == ([], True)
