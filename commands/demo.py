"""`homeiq demo`: a simulated home, recorded and projected, in one command. It reads no settings but the data folder."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ..clock import DAY, SECOND, SystemClock, to_iso
from ..connectors.home_assistant.client import HomeAssistantConnector
from ..connectors.simulated import DEFAULT_SPEED, DEFAULT_TOKEN, SimulatedHome, SimulatedHomeAssistant
from ..errors import UsageError
from ..recorder.companion import Companion
from ..recorder.daemon import Recorder
from ..settings import HomeAssistantSettings, HttpSettings, RecordingSettings
from ..storage.log import log_folder
from .record import follow_command, follower_environment
from .terminal import print_line, say

__all__ = ["QUERIES", "demo", "opens_browser"]

_BEFORE = 7 * DAY
_NOT_INHERITED = ("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_")

QUERIES = (
    (
        "which entities say the most",
        "SELECT entity_id, count(*) AS events FROM events WHERE entity_id IS NOT NULL"
        " GROUP BY ALL ORDER BY events DESC LIMIT 10",
    ),
    (
        "the mean of each metered circuit's power",
        "SELECT entity_id, round(avg(value), 1) AS mean_w, count(*) AS readings FROM states"
        " WHERE attributes->>'unit_of_measurement' = 'W' GROUP BY ALL ORDER BY mean_w DESC",
    ),
    (
        "what reached the target, hour by hour",
        "SELECT date_trunc('hour', time) AS hour, count(*) AS points, count(DISTINCT entity_id) AS entities"
        " FROM points GROUP BY ALL ORDER BY hour DESC LIMIT 10",
    ),
)


def demo(data_dir: Path | None, seconds: float | None, seed: int) -> None:
    """Show it, until Ctrl-C or for so many seconds, then say what was done. Raises UsageError, LogError."""
    folder = (data_dir or Path(os.environ.get("HOMEIQ_DATA_DIR") or "homeiq-demo")).expanduser().absolute()
    start = _refuse_or_continue(folder)
    asyncio.run(_demo(folder, seconds, seed, start))
    _summary(folder)


def _refuse_or_continue(folder: Path) -> int:
    """Return where simulated time begins: behind what is there. Raises UsageError if something real is there."""
    now = SystemClock().now()
    if not log_folder(folder).is_dir():
        return now - _BEFORE
    from ..storage.sql import query

    found = query(
        folder,
        "SELECT count(*) FILTER (origin <> 'simulated' AND source <> 'pushed' AND event_type NOT LIKE 'homeiq_%')"
        " + CASE WHEN count(*) FILTER (origin = 'simulated' AND source = 'home_assistant') > 0 THEN 0"
        " ELSE count(*) FILTER (source = 'pushed' AND origin <> 'simulated' AND event_type NOT LIKE 'homeiq_%') END"
        " AS real,"
        " max(epoch_us(time)) FILTER (event_type = 'state_changed') AS last FROM events",
    )
    row: Mapping[str, Any] = found.to_pylist()[0] if found is not None else {}
    if row.get("real"):
        raise UsageError(
            f"{folder} holds {row['real']:,} records of a real home",
            hint="give the demo a folder of its own by --data-dir",
        )
    last = row.get("last")
    return now - _BEFORE if last is None else last + SECOND


async def _demo(folder: Path, seconds: float | None, seed: int, start: int) -> None:
    simulator = SimulatedHomeAssistant(SimulatedHome(seed, start), token=DEFAULT_TOKEN, speed=DEFAULT_SPEED)
    await simulator.start()
    try:
        settings = HomeAssistantSettings(url=simulator.url, token=SecretStr(DEFAULT_TOKEN))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        home = {"HOME_ASSISTANT_URL": simulator.url, "HOME_ASSISTANT_TOKEN": DEFAULT_TOKEN}  # for the diagnosis
        follower = follow_command(folder, Path(os.devnull)), "the follower", follower_environment(environment | home)
        companion = Companion(*follower, unblocks=True)
        connector = HomeAssistantConnector(settings)
        recorder = Recorder(
            folder,
            RecordingSettings(),
            [connector],
            companions=[companion],
            purpose="homeiq demo",
        )
        say(f"a simulated home, {DEFAULT_SPEED:.0f} times as fast as life; Ctrl-C ends it")
        await recorder.run(lambda recorder: _show(recorder, seconds), _http())
    finally:
        await simulator.stop()


def _http() -> HttpSettings:
    """Return where to listen: as always, or at a free port where that one is in use."""
    usual = HttpSettings()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((usual.host, usual.port))
        except OSError:
            return HttpSettings(port=0)
    return usual


async def _show(recorder: Recorder, seconds: float | None) -> None:
    """Show live counters until the time is over."""
    began = time.monotonic()
    page = _Page(recorder)

    def left() -> float:
        return float("inf") if seconds is None else seconds - (time.monotonic() - began)

    console = Console(stderr=True)
    await asyncio.sleep(min(1.5, left()))  # until both processes have said that they began
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while left() > 0:
            page.tell()
            if console.is_terminal:
                live.update(_counters(recorder, time.monotonic() - began), refresh=True)
            await asyncio.sleep(max(0.0, min(0.5, left())))
    recorder.stop()


class _Page:
    """Tells where the status page is, once it can be opened; opens it where somebody sits before a screen."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told = False

    def tell(self) -> None:
        """Tell it, if it has not been told yet."""
        url = self._recorder.health.http["url"]
        if self._told or not url:
            return
        self._told = True
        say(f"the status page: {url}/")
        if opens_browser(os.environ, terminal=sys.stderr.isatty()):
            threading.Thread(target=webbrowser.open, args=(f"{url}/",), daemon=True).start()  # it may wait


def opens_browser(environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Tell whether a browser may be opened: somebody looks at a terminal, and has a screen; never in CI."""
    screen = sys.platform == "darwin" or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return terminal and screen and not environment.get("CI")


def _counters(recorder: Recorder, seconds: float) -> Table:
    state = recorder.supervisors[0].state
    table = Table(show_header=False, show_edge=False, box=None)
    table.add_row("home", "connected" if state.connected else "not connected")
    table.add_row(
        "recorded", f"{recorder.intake.durable_seq:,} records, {state.events / max(seconds, 0.1):,.0f} events/s"
    )
    table.add_row("projected", f"up to record {_position(recorder.log.data_dir):,}")
    if state.last_event is not None:
        table.add_row("running for", f"{seconds:,.0f} s")
    return table


def _position(folder: Path) -> int:
    """Return how far the follower has come."""
    import sqlite3

    from ..replayer.overview import ledger_to_read

    try:
        with ledger_to_read(folder) as ledger:
            row = ledger.execute("SELECT max(position) FROM target").fetchone()
            return int(row[0] or 0)
    except sqlite3.Error:
        return 0


def _summary(folder: Path) -> None:
    from ..storage.sql import query

    table = query(
        folder,
        "SELECT (SELECT count(*) FROM events) AS records, (SELECT count(*) FROM points) AS points,"
        " (SELECT count(DISTINCT entity_id) FROM states) AS entities,"
        " (SELECT min(epoch_us(time)) FROM states) AS first, (SELECT max(epoch_us(time)) FROM states) AS last",
    )
    row = table.to_pylist()[0] if table is not None else {}
    print_line(f"recorded   {row['records']:,} records of {row['entities']} entities into {folder}")
    if row["first"] is not None:
        print_line(f"           from {to_iso(row['first'])[:16]} to {to_iso(row['last'])[:16]} UTC of simulated time")
    print_line(f"projected  {row['points']:,} points into the embedded target {folder / 'points'}")
    print_line("\nAsk DuckDB, for example:")
    for what, sql in QUERIES:
        command = shlex.join([_program(), "--data-dir", os.path.relpath(folder), "sql"])
        print_line(f'\n# {what}\n{command} "{sql}"')


def _program() -> str:
    """Return how this program was called, in a form that can be called again."""
    program = Path(sys.argv[0])
    if program.name != "homeiq":
        return "homeiq"
    here = os.path.relpath(program)
    if not here.startswith(".."):
        return here  # `uv run` finds it otherwise than whoever types it afterwards
    return "homeiq" if shutil.which("homeiq") == str(program) else str(program.absolute())
