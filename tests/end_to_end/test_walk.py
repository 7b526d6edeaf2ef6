"""A newcomer's walk: an empty home folder, a real Home Assistant, a real InfluxDB, and what goes wrong in life.

Nothing is repaired here but by what `homeiq doctor` says to do. `--walk docs/walk.md` keeps what was typed, what was said
and how long it took, and pictures of the terminal beside it (`make walk`).
"""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SystemClock, to_iso
from rich.console import Console
from rich.text import Text

from servers.chromium import Page
from servers.home_assistant import VERSION as HOME_ASSISTANT
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import InfluxDBServer
from servers.web import request

PLACES = ("What does not", "What needs attention", "What to do")


class Walk:
    """What was typed, and what came of it."""

    def __init__(self, homeiq: Homeiq, places: dict[str, str]) -> None:
        self.homeiq = homeiq
        self.began = time.monotonic()
        self.lines: list[str] = []
        self.table: list[tuple[str, str, float]] = []
        self.pictures: dict[str, str] = {}
        self._places = places

    def step(self, heading: str, happened: str) -> None:
        """Begin a part; say what happens."""
        self._step, self._since = heading, time.monotonic()
        self.lines += ["", f"## {heading}", happened]

    def done(self, what: str) -> None:
        """End a part: say what is there now."""
        self.table.append((self._step, what, time.monotonic() - self._since))

    def type(self, command: str, *, code: int = 0, show: int = 20) -> subprocess.CompletedProcess[str]:
        """Type a command of homeiq, and read what it says."""
        result = self.homeiq.run(*shlex.split(command, comments=True)[1:], check=False)
        assert result.returncode == code, result.stdout + result.stderr
        said = (result.stderr + result.stdout).splitlines()
        self._keep(command, said[:show] + (["…"] if len(said) > show else []))
        return result

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Type a command that goes on."""
        process = self.homeiq.start(*shlex.split(command)[1:])
        self._keep(command, [])
        return process

    def doctor(self, code: str | None = None, picture: str = "") -> dict[str, Any]:
        """Ask the doctor; return the finding of a code, or {} where all is well and none was asked for."""
        result = self.homeiq.run("doctor", check=False, FORCE_COLOR="1", TTY_COMPATIBLE="1")
        said = [line.plain for line in Text.from_ansi(result.stdout).split("\n")]
        if picture:
            self.pictures[picture] = result.stdout
        shown, showing = [said[0]], True
        for line in said[1:]:
            if line.endswith("----"):
                showing = line.startswith(PLACES)
                shown += [] if showing or shown[-1] == "…" else ["…"]
            if showing and line.strip():
                shown.append(line)
        self._keep("homeiq doctor", shown)
        found = self.asked()
        assert result.returncode == (0 if found["ok"] else 1)
        if code is None:
            assert found["ok"], found["findings"]
            return {}
        by_code = {finding["code"]: finding for finding in found["findings"]}
        assert code in by_code, found["findings"]
        return by_code[code]  # type: ignore[no-any-return]

    def asked(self) -> dict[str, Any]:
        """Ask the doctor, for a program."""
        return json.loads(self.homeiq.run("doctor", "--json", check=False).stdout)  # type: ignore[no-any-return]

    def until_well(self, *gone: str) -> None:
        """Wait until the doctor says Yes, and nothing of these codes any more."""

        def well() -> bool:
            found = self.asked()
            codes = {finding["code"] for finding in found["findings"] if finding["severity"] != "good"}
            return found["ok"] and not codes & set(gone)

        wait_for("Yes", well, 180)

    def _keep(self, command: str, said: list[str]) -> None:
        self.lines += ["", "```text", f"$ {self._as_at_home(command)}", *map(self._as_at_home, said), "```"]

    def _as_at_home(self, text: str) -> str:
        for place, name in self._places.items():
            text = re.sub(f"{re.escape(place)}( *)", partial(_in_place, name), text)
        return text.rstrip()

    def write(self, path: Path) -> None:
        """Write the log of it as a page of the documentation."""
        rows = [f"| {step} | {what} | {seconds:.0f} s |" for step, what, seconds in self.table]
        head = [
            "# A walk from nothing to a repaired home",
            f"An empty home folder, a real Home Assistant {HOME_ASSISTANT} with its demo, a real InfluxDB 1.8. Made by",
            "`make walk`, which is a test too: nothing is repaired in it but by what `homeiq doctor` says to do. Of the",
            "doctor's words only the answer is shown, and what is not well. The times are those of two virtual cores; the",
            "test's own waiting and reading back is in them.",
            "",
            "| | | |",
            "| --- | --- | --- |",
            *rows,
            "",
            "![homeiq doctor](images/doctor.png)",
            "",
            "![homeiq status](images/status.png)",
        ]
        path.write_text("\n".join([*head, *self.lines, "", *_GUESSED, ""]), encoding="utf-8")

    def photograph(self, page: Page, folder: Path) -> None:
        """Make pictures of what the terminal showed."""
        for name, said in self.pictures.items():
            console = Console(record=True, width=84, file=io.StringIO())
            console.print(Text.from_ansi(self._as_at_home(said)), end="")
            file = self.homeiq.folder / f"{name}.html"
            code = '<pre style="font:15px/1.3 DejaVu Sans Mono,monospace;padding:1em;margin:0">{code}</pre>'
            file.write_text(
                console.export_html(inline_styles=True, code_format=f'<meta charset="utf-8">{code}'), encoding="utf-8"
            )
            page.size(800, 40 + 20 * len(said.splitlines()))
            page.open(file.as_uri())
            page.screenshot(folder / f"{name}.png")


_GUESSED = (
    "## What had to be guessed",
    "Walking it first, five things had to be guessed, and do not any more:",
    "",
    "1. Nothing said that a unit was wrong: the doctor did not look. It does, and proposes the rule.",
    "2. `homeiq init` was connected to `InfluxDB unknown`: a server that was built by hand does not know its version.",
    "3. `homeiq gaps` said `no` of gaps that nothing can close, as those of the recorder itself: it says `-`.",
    "4. `1 events gave 1 points`, `1 segments and 1 tails`: whether that was meant as one.",
    "5. The doctor said Yes, and no word of the gap, while it was still open, until the recorder had written down for the",
    "   first time what it remembers: it says so.",
)


def _in_place(name: str, found: re.Match[str]) -> str:
    """Return a name in place of a text that ends with spaces: what stands in a column stays in it."""
    return name.ljust(len(found[0])) if len(found[1]) > 1 else name + found[1]


def values(influxdb: InfluxDBServer, entity_id: str, field: str = "state") -> list[Any]:
    query = f"SELECT \"{field}\" FROM home_assistant_events WHERE entity_id = '{entity_id}'"
    return [value for series in influxdb.query(query, "home") for _, value in series["values"]]


def test_from_nothing_to_a_repaired_home(
    home_assistant_factory: Callable[..., HomeAssistantServer],
    influxdb_factory: Callable[..., InfluxDBServer],
    request: pytest.FixtureRequest,
) -> None:
    home, influxdb = home_assistant_factory(), influxdb_factory(auth_enabled=True)
    influxdb.create_database("home")
    me = Path(tempfile.mkdtemp(prefix="me-"))  # a short name, as a home folder has
    request.addfinalizer(lambda: shutil.rmtree(me))
    for name, token in (("ha-token", home.token), ("influx-token", influxdb.token)):
        (me / name).write_text(f"{token}\n")
    places = {home.url: "http://homeassistant.local:8123", influxdb.url: "http://localhost:8086", str(me): "/home/me"}
    with Homeiq(me) as homeiq:
        del homeiq.environment["HOMEIQ_DATA_DIR"]
        homeiq.data_dir = me / ".local" / "share" / "homeiq"
        homeiq.environment["COLUMNS"] = "80"
        walk = Walk(homeiq, places)

        walk.step("Nothing yet", "An empty home folder. What now?")
        assert walk.doctor("log-missing")["remedy"] == ["homeiq init", "homeiq run"]
        walk.type(
            f"homeiq init --url {home.url} --token-file ha-token --influxdb-url {influxdb.url}"
            " --influxdb-token-file influx-token --influxdb-bucket home"
        )
        running = walk.start("homeiq run")
        walk.until_well()
        walk.doctor(picture="doctor")
        assert values(influxdb, "sun.sun")
        walk.done("recorded, and in InfluxDB")
        walk.pictures["status"] = homeiq.run("status", FORCE_COLOR="1", TTY_COMPATIBLE="1").stdout

        walk.step(
            "A gap", "The machine that homeiq runs on loses its power (`kill -9`). Something happens at home meanwhile."
        )
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        home.set_state("sensor.walk", "while nobody listened")
        finding = walk.doctor("recorder-not-running")
        running = walk.start(finding["remedy"][-1])
        wait_for("what was missed", lambda: values(influxdb, "sensor.walk") == ["while nobody listened"], 120)
        walk.until_well("gaps-not-closed", "recorder-not-running")
        closed = "SELECT bool_and(closed) AS closed FROM gaps WHERE source = 'home_assistant'"
        wait_for("a gap that is closed", lambda: homeiq.sql(closed)[0]["closed"], 120)
        assert "1 closed" in walk.type("homeiq gaps --source home_assistant").stdout
        walk.doctor()
        walk.done("the gap is closed from Home Assistant's history")

        walk.step("An outage", "InfluxDB is stopped. Something happens at home meanwhile.")
        influxdb.stop()
        home.set_state("sensor.walk", "while it was away")
        assert walk.doctor("influxdb-unreachable")["severity"] == "wrong"
        influxdb.start()
        walk.lines += ["", "It is started again, and nothing else is done:"]
        wait_for("the event", lambda: "while it was away" in values(influxdb, "sensor.walk"), 120)
        walk.until_well("influxdb-unreachable", "follower-behind")
        walk.doctor()
        walk.done("what came meanwhile is in InfluxDB")

        walk.step(
            "A wrong unit",
            "A script says `F` where Home Assistant knows `°F`, since yesterday: 66.2 stands among degrees Celsius.",
        )
        greenhouse = {"unit_of_measurement": "F", "device_class": "temperature"}
        home.set_state("sensor.greenhouse", "66.2", greenhouse)
        yesterday = to_iso(SystemClock().now() - DAY)
        push(homeiq, {"state": "66.2", "attributes": greenhouse, "last_updated": yesterday})
        wait_for("both points", lambda: values(influxdb, "sensor.greenhouse", "value") == [66.2, 66.2], 120)
        finding = walk.doctor("unit-unknown")
        proposed = finding["remedy"][0].removeprefix("# homeiq.yaml: ")
        config = me / ".config" / "homeiq" / "homeiq.yaml"
        walk.lines += [
            "",
            "The line that it proposes is put at the end of `homeiq.yaml`:",
            "",
            "```yaml",
            proposed,
            "```",
        ]
        with config.open("a") as file:
            file.write(f"\n{proposed}\n")
        finding = walk.doctor("settings-not-in-effect")
        assert homeiq.stop(running) == 0
        running = walk.start(finding["remedy"][-1])
        wait_for("the running day", lambda: 19.0 in values(influxdb, "sensor.greenhouse", "value"), 120)
        walk.until_well("settings-not-in-effect")
        finding = walk.doctor("normalizer-changed")
        for command in finding["remedy"]:
            walk.type(command)
        assert values(influxdb, "sensor.greenhouse", "value") == [19.0, 19.0]
        assert values(influxdb, "sensor.greenhouse") == ["66.2", "66.2"], "what was said stays as it was said"
        walk.until_well("normalizer-changed", "unit-unknown", "settings-not-in-effect", "gaps-not-closed")
        walk.doctor()
        walk.done("both days are in °C")

        walk.step(
            "Is it all there?", "The proof: the whole database is read back, and compared with what the log makes."
        )
        walk.type("homeiq audit")
        walk.done("the target equals f(log)")
        assert homeiq.stop(running) == 0
        if path := request.config.getoption("walk"):
            walk.write(Path(path))
            walk.photograph(request.getfixturevalue("page"), Path(path).parent / "images")


def push(homeiq: Homeiq, state: dict[str, Any]) -> None:
    """Hand a state to the recorder, as a device does that was offline."""
    event = {"event_type": "state_changed", "entity_id": "sensor.greenhouse", "new_state": state}
    answer = request("POST", f"{homeiq.url()}/events", body=event)
    assert answer.status == 201, answer.body
