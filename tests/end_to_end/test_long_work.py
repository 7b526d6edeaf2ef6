"""Every long command: progress each so often, one line at the end, and Ctrl-C is one sentence that says how on."""

import logging
import os
import re
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from homeiq.cli import cli
from homeiq.commands import asking, importing, normalize, terminal
from homeiq.commands import backfill as backfilling
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal

from end_to_end.logs import days, registries, write_log
from servers.simulated import SimulatedServer

RULES = "rules:\n  - drop: true\n    entity: sensor.s1*\n"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with several small segments, a target, and files to import."""
    folder = tmp_path_factory.mktemp("long")
    data = folder / "data"
    write_log(data, days(3, 400))
    for _ in range(2):
        with EventLog(data) as one:
            one.append(registries())
        seal(data)
    (folder / "rules.yaml").write_text(RULES)
    for form in ("ndjson", "parquet"):
        run(data, "export", "--format", form, "--output", str(folder / f"file.{form}"))
    run(data, "backup", str(folder / "there"))
    with closing(sqlite3.connect(folder / "home-assistant_v2.db")) as database:
        database.executescript(
            "CREATE TABLE states (state_id INTEGER PRIMARY KEY, metadata_id INTEGER, state TEXT, attributes_id INTEGER,"
            " last_updated_ts REAL, last_changed_ts REAL, old_state_id INTEGER);"
            "CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id TEXT);"
            "CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, shared_attrs TEXT);"
            "INSERT INTO states_meta VALUES (1, 'sensor.x');"
        )
        rows = [(number, 1, str(number), None, 1.7e9 + number, None, None) for number in range(2_500)]
        database.executemany("INSERT INTO states VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.commit()
    return folder


@pytest.fixture
def folder(log: Path, tmp_path: Path) -> Path:
    """A copy of it, that a test may change."""
    shutil.copytree(log, tmp_path / "copy")
    assert run(tmp_path / "copy" / "data", "replay", "--jobs", "0", "--adopt").exit_code == 0
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def home() -> Iterator[SimulatedServer]:
    with SimulatedServer() as server:
        yield server


@pytest.fixture
def at_home(home: SimulatedServer, often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a Home Assistant to ask."""
    monkeypatch.setattr(backfilling, "_POLL_SECONDS", 0.001)
    monkeypatch.setenv("HOME_ASSISTANT_URL", home.url)
    monkeypatch.setenv("HOME_ASSISTANT_TOKEN", home.token)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Progress is said whenever there is any; afterwards signals and logging are as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers, level = logging.root.handlers[:], logging.root.level
    monkeypatch.setattr(terminal, "_LINE_SECONDS", 0.0)
    monkeypatch.setattr(asking, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(importing, "_AT_ONCE", 50)
    monkeypatch.setattr(normalize, "_EACH", 1)
    for name in [name for name in os.environ if name.startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_"))]:
        monkeypatch.delenv(name)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def run(data_dir: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["--config", os.devnull, "--data-dir", str(data_dir), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


SLOW = "SELECT sum(hash(range)) AS s FROM range(300000000)"

COMMANDS: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "replay": (lambda here: ["replay", "--since", "2026-11-20", "--jobs", "0"], "replayed "),
    "replay to a file": (lambda here: ["replay", "--output", str(here / "out.lp"), "--jobs", "0"], "replayed "),
    "plan": (lambda here: ["replay", "--since", "2026-11-20", "--plan"], "compared "),
    "audit": (lambda here: ["audit"], "compared "),
    "import ndjson": (lambda here: ["import", "ndjson", str(here / "file.ndjson")], "read "),
    "import parquet": (lambda here: ["import", "parquet", str(here / "file.parquet")], "read "),
    "import database": (lambda here: ["import", "home-assistant", str(here / "home-assistant_v2.db")], "put in order "),
    "export": (lambda here: ["export", "--output", str(here / "out.ndjson")], "read "),
    "backup": (lambda here: ["backup", str(here / "elsewhere")], "copied "),
    "restore": (lambda here: ["restore", str(here / "there")], "restored "),
    "verify": (lambda here: ["verify"], "verified "),
    "compact": (lambda here: ["compact"], "merged "),
    "forget": (lambda here: ["forget", "--entity", "sensor.s1*", "--yes"], "looked through "),
    "sql": (lambda here: ["sql", SLOW, "--parquet", str(here / "out.parquet")], "asked "),
    "backfill": (lambda here: ["backfill", "--since", "20m"], "recorded "),
    "normalize": (lambda here: ["normalize", "test", str(here / "rules.yaml"), "--since", "2026-11-01"], "tried "),
}


RIGHT = {"audit": 1}
"""Exit codes other than 0 of commands that did all that they should: nobody follows this log, which an audit says."""


def where(name: str, folder: Path) -> Path:
    """Return the data folder on which a command is run: a restore needs an empty one."""
    return folder / ("empty" if name == "restore" else "data")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("at_home")
def test_progress_and_one_line_at_the_end(name: str, folder: Path) -> None:
    arguments, word = COMMANDS[name]
    done = run(where(name, folder), *arguments(folder))
    assert done.exit_code == RIGHT.get(name, 0), done.output
    said = [line for line in done.stderr.splitlines() if word in line]
    assert any("/s" in line for line in said), done.stderr
    if name != "import database":  # rows are put in order before it is known how many there are
        assert any("left" in line for line in said) or name in ("normalize", "backfill"), done.stderr
    assert done.output.rstrip().splitlines()[-1][-1] not in ",:"
    assert "\x1b" not in done.output, "nothing that a file would not want"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("at_home")
def test_ctrl_c_ends_it_and_it_can_be_run_again(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, _ = COMMANDS[name]
    pressed = threading.Event()
    said = terminal.Display._say

    def press(self: terminal.Display, text: str) -> None:
        said(self, text)
        if not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(terminal.Display, "_say", press)
    stopped = run(where(name, folder), *arguments(folder))
    assert pressed.is_set()
    assert stopped.exit_code == 1, stopped.output
    sentences = [line for line in stopped.stderr.splitlines() if line.startswith("homeiq: ")]
    assert len(sentences) == 1, stopped.stderr
    assert "stopped before the end" in sentences[0]
    assert "run it again" in sentences[0] or "nothing was forgotten" in sentences[0]
    assert "Traceback" not in stopped.output
    assert not list(folder.glob("out.*")), "a file is whole or not there"
    assert not list(folder.glob("*.tmp"))
    assert run(folder / "data", "verify").exit_code == 0
    again = run(where(name, folder), *arguments(folder))
    assert again.exit_code == RIGHT.get(name, 0), again.output


def on_screen(said: str) -> list[str]:
    """Return the lines that stand on a terminal in the end, by what moves its cursor and erases."""
    lines, row = [""], 0
    for text, code in re.findall(r"([^\x1b\r\n]+)|(\r|\n|\x1b\[[0-9;?]*[A-Za-z])", said):
        if text:
            lines[row] = text
        elif code == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif code.endswith("A"):
            row -= int(code[2:-1] or 1)
        elif code.endswith("K"):
            lines[row] = ""
    return [line.rstrip() for line in lines if line.strip()]


def test_where_there_is_a_terminal_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(terminal, "_TERMINAL_SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with terminal.Display() as display:
        display.show("verified", 1_000, total=4_000)
        terminal.say("something else")
        display.show("verified", 2_000, total=4_000)
        shown = on_screen(capsys.readouterr().err)
        assert len(shown) == 2
        assert shown[0] == "something else"
        assert shown[1].startswith("50% verified 2,000/4,000 records, "), "one line that changes"
        display.show("verified", 3_000, total=4_000)
    assert on_screen(capsys.readouterr().err) == [], "it goes in the end"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"done": 0, "total": 100}, "verified 0/100 records, 0.0/s"),
        ({"done": 50, "total": 100}, "50% verified 50/100 records, 5.0/s, 10.0 s left"),
        ({"done": 5_000, "share": 0.1}, "10% verified 5,000 records, 500/s, 1 min 30 s left"),
        ({"done": 5e6, "total": 1e9, "unit": "MB"}, "0% verified 5/1,000 MB, 0.5/s"),
        ({"done": 200, "total": 100}, "100% verified 200/100 records, 20/s, 0.0 s left"),
    ],
)
def test_the_words_of_progress(facts: dict, text: str) -> None:  # type: ignore[type-arg]
    said = terminal.progress_text("verified", seconds=10.0, **({"unit": "records"} | facts))
    assert said == text
