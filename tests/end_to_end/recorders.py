"""Recorders in the test's own process, whose waits a test may shorten, and what their logs and ledgers make."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.recorder.backfill import Pace
from homeiq.recorder.daemon import Recorder
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.replay import open_target, replay_to_output
from homeiq.settings import HomeAssistantSettings, RecordingSettings, Settings
from homeiq.storage.sql import query
from pydantic import SecretStr

from servers.line_protocol import parse

__all__ = [
    "QUICK",
    "Points",
    "account",
    "both_heard_from",
    "assert_same",
    "facts",
    "gaps",
    "points",
    "recording",
    "rows",
    "until",
]

QUICK = Pace(after=3.0, look=0.1, pause=0.01, again=1.0)
"""For a Home Assistant whose recorder commits each second."""

Points = dict[tuple[Any, ...], dict[str, Any]]


async def until(what: str, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until a condition holds, and return what it gave."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        if result := condition():
            return result
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@asynccontextmanager
async def recording(
    data_dir: Path,
    url: str,
    token: str,
    *,
    pace: Pace = QUICK,
    ping_seconds: float = 1.0,
    snapshot_seconds: float = 1.0,
) -> AsyncIterator[Recorder]:
    """Record into a folder, from the first snapshot to an orderly stop."""
    settings = HomeAssistantSettings(url=url, token=SecretStr(token))
    connector = HomeAssistantConnector(settings, ping_seconds=ping_seconds, snapshot_seconds=snapshot_seconds)
    recorder = Recorder(data_dir, RecordingSettings(group_seconds=0.05), [connector], pace=pace)
    running = asyncio.create_task(recorder.run())
    try:
        await until("the first snapshot", lambda: connector.settled_at() is not None or running.done())
        yield recorder
    finally:
        recorder.stop()
        await running


def account(settings: Settings, records: int) -> None:
    """Let the ledger be where a follower would have left it."""
    target = open_target(settings)
    ledger = Ledger(settings.data_dir, target.name)
    ledger.advance(records, [])
    ledger.close()
    target.close()


def rows(data_dir: Path, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    table = query(data_dir, sql)
    assert table is not None
    return table.to_pylist()  # type: ignore[no-any-return]


def gaps(data_dir: Path, source: str = "home_assistant") -> list[dict[str, Any]]:
    """Return the gaps of a source."""
    return rows(data_dir, f"SELECT * FROM gaps WHERE source = '{source}' ORDER BY start")


def both_heard_from(*data_dirs: Path) -> int:
    """Return the time (microseconds UTC) from which on the last of these recorders listened."""
    sql = "SELECT min(epoch_us(received_at)) AS at FROM events WHERE event_type = 'homeiq_connected'"
    return max(rows(data_dir, sql)[0]["at"] for data_dir in data_dirs)


def points(data_dir: Path, output: Path, since: int) -> Points:
    """Return what today's normalizers make of the states in a log, from a time on (microseconds UTC)."""
    replay_to_output(Settings(data_dir=data_dir), str(output), since, None)
    made = parse(output.read_text(encoding="utf-8"))
    return {key: fields for key, fields in made.items() if key[0] == "home_assistant_events"}


_NOT_IN_HISTORY = {
    *("origin", "context_id", "context_parent_id", "context_user_id"),
    *("old_state", "duration_in_state_seconds"),
}


def assert_same(made: Points, wanted: Points) -> None:
    """Compare points with those of a recorder that missed nothing, in all that Home Assistant's history holds.

    It holds no context, no old state, and not those attributes that an integration marks as not to be recorded: among
    them the mode of a text, so that whether it is a password can't be told, and its state is kept from the target.
    """
    assert {key for key in wanted if key not in made} == set(), "a state is missing"
    assert {key for key in made if key not in wanted} == set(), "a state was never there"
    for key, fields in made.items():
        assert _shared(fields, wanted[key], key) == _shared(wanted[key], fields, key), key


def _shared(fields: dict[str, Any], other: dict[str, Any], key: Any) -> dict[str, Any]:
    """Return those of a point's fields that its copy in another log can have too: either may be from the history."""
    left_out = _NOT_IN_HISTORY if {fields["origin"], other["origin"]} & {"backfill", "snapshot"} else {"origin"}
    hidden = ("state", "value") if dict(key[1])["domain"] in ("text", "input_text") else ()
    poorer = other["origin"] == "backfill"
    return {
        name: value
        for name, value in fields.items()
        if name not in left_out and not (poorer and name not in other and (name.startswith("attr_") or name in hidden))
    }


def facts(data_dir: Path, event_type: str) -> list[dict[str, Any]]:
    """Return what the recorder's own records of a type say."""
    return [
        json.loads(row["raw"])
        for row in rows(data_dir, f"SELECT raw FROM events WHERE event_type = '{event_type}' ORDER BY seq")
    ]
