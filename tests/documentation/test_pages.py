"""Every shell block of README and docs is run, in the order of its page, in a home folder of its own.

Behind all pages are the log of `home.py` with its points, a simulated Home Assistant and, where a page speaks of InfluxDB,
a real one. After a change of what commands print, `HOMEIQ_RENEW_DOCS=1 pytest tests/documentation/test_pages.py` writes
what they print now into the pages, where `git diff` shows it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from homeiq.clock import DAY, from_iso
from homeiq.connectors.simulated import DEFAULT_TOKEN
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.replay import replay
from homeiq.settings import Settings
from homeiq.storage.reader import LogReader

from servers.influxdb import InfluxDBServer
from servers.ports import free_port
from servers.simulated import SimulatedServer

from . import old_database
from .blocks import Block, Command, blocks_of
from .home import write_home
from .reader import ANOTHER, Reader, copied
from .warm import Warm

ROOT = Path(__file__).parent.parent.parent
GENERATED = ("docs/reference/", "docs/errors.md")
ANOTHER_HOME = ("README.md",)
"""Pages that show what was printed of another home than the one behind the pages: run, but not compared."""
NOT_HERE = {
    "docs/service.md": "it installs a service of systemd, which a test machine has not; tests/commands/test_service.py",
}
"""Pages of which nothing is run here, and why."""
_MARKS = 20
"""So many blocks at most are marked as not run: a mark is for what no test machine has."""


def pages() -> list[str]:
    """Return the pages with shell blocks, as paths from the root."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [str(path.relative_to(ROOT)) for path in paths]
    return [name for name in names if not name.startswith((*GENERATED, *NOT_HERE)) and blocks_in(name)]


def blocks_in(name: str) -> list[Block]:
    """Return the blocks of a page."""
    return blocks_of((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder behind all pages: the log, and its points in the embedded target."""
    data_dir = tmp_path_factory.mktemp("recorded") / "data"
    write_home(data_dir)
    settings = Settings(data_dir=data_dir)
    replay(settings)
    with contextlib.closing(Ledger(data_dir, next(iter(settings.all_targets())))) as ledger:
        ledger.advance(LogReader(data_dir).end(), [])  # as a follower leaves it that has come to the end
    return data_dir


@pytest.fixture(scope="session")
def simulated() -> Iterator[SimulatedServer]:
    """A Home Assistant to connect to, whose history goes back over the last days."""
    with SimulatedServer(speed=60.0) as server:
        yield server


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """homeiq, which begins at once."""
    with Warm(tmp_path_factory.mktemp("warm")) as process:
        yield process


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, recorded: Path, simulated: SimulatedServer, warm: Warm, tmp_path: Path
) -> Iterator[Reader]:
    """A reader at the beginning of a page."""
    name: str = request.param
    text = (ROOT / name).read_text(encoding="utf-8")
    places = {
        "http://homeassistant.local:8123": simulated.url,
        "HOME_ASSISTANT_TOKEN=...": f"HOME_ASSISTANT_TOKEN={DEFAULT_TOKEN}",
        "localhost:8002": f"127.0.0.1:{(port := free_port())}",
        "/mnt/nas": str(tmp_path / "nas"),
        "/var/lib/homeiq": str(tmp_path / "var"),
        "/config/": f"{tmp_path / 'config'}/",
        "/etc/homeiq": str(tmp_path / "etc"),
        "/run/secrets": str(tmp_path / "secrets"),
    }
    variables = {"HOMEIQ_HTTP__PORT": str(port)}
    with contextlib.ExitStack() as stack:
        if "http://localhost:8086" in text:
            influxdb: InfluxDBServer = request.getfixturevalue("influxdb")
            places |= {"http://localhost:8086": influxdb.url, "INFLUXDB_TOKEN=...": "INFLUXDB_TOKEN=any"}
            for bucket in ("home_assistant_events", "home_2"):
                influxdb.create_database(bucket)
                stack.callback(influxdb.drop, bucket)
        reader = stack.enter_context(Reader(tmp_path, places, variables, programs=warm.programs))
        copied(recorded, reader.home / ".local" / "share" / "homeiq")
        (tmp_path / "secrets").mkdir()
        for secret in ("home-assistant", "home-assistant-token", "influxdb", "influxdb-token"):
            (tmp_path / "secrets" / secret).write_text(f"{DEFAULT_TOKEN}\n")
        if "/config/" in text:
            (tmp_path / "config").mkdir()
            old_database.write(tmp_path / "config" / "home-assistant_v2.db")
        yield reader


@pytest.mark.parametrize(("name", "reader"), [(name, name) for name in pages()], indirect=["reader"])
def test_what_a_page_says_to_do_works(name: str, reader: Reader) -> None:
    wrong: list[str] = []
    seen: list[tuple[Block, Command, list[str]]] = []
    for block in blocks_in(name):
        if block.not_run:
            continue
        for command, lines, complaint in reader.read(block):
            seen.append((block, command, lines))
            if complaint and not (name in ANOTHER_HOME and complaint == ANOTHER):
                said = "\n    ".join(lines)
                wrong.append(f"{name}:{command.first + 1}: {command.text}\n  {complaint}:\n    {said}")
    if os.environ.get("HOMEIQ_RENEW_DOCS") and name not in ANOTHER_HOME:
        _renew(ROOT / name, seen)
    assert not wrong, "\n".join(wrong)


def _renew(path: Path, seen: list[tuple[Block, Command, list[str]]]) -> None:
    """Write what was printed in place of what the page shows."""
    text = path.read_text(encoding="utf-8").split("\n")
    for block, command, lines in reversed(seen):
        if command.shown is not None and "…" not in [line.strip() for line in command.shown]:
            printed = [block.indent + line for line in lines]
            text[command.last : command.last + len(command.shown)] = printed
    path.write_text("\n".join(text), encoding="utf-8")


def test_few_blocks_are_not_run() -> None:
    marked = [f"{name}:{block.line + 1}" for name in pages() for block in blocks_in(name) if block.not_run]
    assert len(marked) <= _MARKS, marked


def test_the_log_behind_the_pages_is_of_three_days() -> None:
    from .home import END, START

    assert (END - START) // DAY == 3
    assert from_iso("2026-11-24T00:00:00") == END
