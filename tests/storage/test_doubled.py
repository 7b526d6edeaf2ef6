"""A state that came twice counts once, and the best copy of it: against a plain reckoning of the same."""

import shutil
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.reader import read_everything
from homeiq.storage.record import ORIGIN_RANK, ORIGINS, Event, Origin
from homeiq.storage.sql import ask, connect
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FastFiles
from .test_sql import rows

STATES = st.builds(
    lambda time, origin, kind, entity, raw: Event(time, 9, "home_assistant", origin, kind, entity, "on", raw),
    st.integers(1, 4),
    st.sampled_from(ORIGINS),
    st.sampled_from(["state_changed", "state", "other"]),
    st.sampled_from(["light.a", "light.b", None]),
    st.sampled_from(['{"a":1}', '{"a":2}', '"é"', '"z"']),
)
STEPS = st.lists(st.sampled_from(["seal", "compact", "ask"]) | st.lists(STATES, min_size=1, max_size=6), max_size=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doubled")


def expected(data_dir: Path) -> list[int]:
    best: dict[object, tuple[int, bytes, int]] = {}
    for record in (record for group in read_everything(data_dir) for record in group):
        if record.event_type in ("state_changed", "state"):
            key = record.seq if record.entity_id is None else (record.entity_id, record.time)
            rank = (ORIGIN_RANK[record.origin], record.raw.encode(), -record.seq)
            best[key] = max(best.get(key, rank), rank)
    return sorted(-rank[2] for rank in best.values())


def seqs(data_dir: Path) -> list[int]:
    return [row["seq"] for row in rows(data_dir, "SELECT seq FROM states ORDER BY seq")]


@given(steps=STEPS)
@settings(max_examples=25, deadline=None)
def test_each_state_counts_once_wherever_its_copies_lie(folder: Path, steps: list[str | list[Event]]) -> None:
    shutil.rmtree(folder)
    EventLog(folder, files=FastFiles()).close()
    for step in steps:
        if step == "ask":
            assert seqs(folder) == expected(folder)
        elif isinstance(step, str):
            {"seal": seal, "compact": compact}[step](folder, FastFiles())
        else:
            with EventLog(folder, files=FastFiles()) as log:
                log.append(step)
                log.rotate()
    assert seqs(folder) == expected(folder)


def test_what_was_found_in_segments_is_not_looked_for_again(tmp_path: Path) -> None:
    for origin in ("backfill", "live"):
        with EventLog(tmp_path, files=FastFiles()) as log:
            log.append([Event(1, 2, "home_assistant", origin, "state", "light.a", "on", "{}")])  # type: ignore[arg-type]
            log.rotate()
        seal(tmp_path, FastFiles())
    assert seqs(tmp_path) == [2]
    kept = tmp_path / "doubled.parquet"
    assert pq.read_table(kept).to_pylist() == [{"loser": 1, "winner": 2}]
    made = kept.stat().st_ino
    assert seqs(tmp_path) == [2]
    assert kept.stat().st_ino == made
    for damage in (b"", b"PAR1 no", kept.read_bytes()[:40]):
        kept.write_bytes(damage)
        assert seqs(tmp_path) == [2]
    compact(tmp_path, FastFiles())
    assert seqs(tmp_path) == [2]


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeiq.storage.files import Files

    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append([Event(1, 2, "home_assistant", "live", "state", "light.a", "on", "{}")] * 2)
        log.rotate()
    seal(tmp_path, FastFiles())

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Files, "write_whole", refuse)
    assert seqs(tmp_path) == [1]
    assert not (tmp_path / "doubled.parquet").exists()


def test_a_view_of_ones_own_shows_the_log_as_it_is_now(tmp_path: Path) -> None:
    def state(entity_id: str, origin: Origin) -> Event:
        return Event(5, 9, "home_assistant", origin, "state_changed", entity_id, "on", "{}")

    EventLog(tmp_path, files=FastFiles()).close()
    with closing(connect(tmp_path, "")) as database:
        for statement in (
            "CREATE VIEW lights AS SELECT * FROM states",
            'CREATE VIEW "Lit now" AS SELECT entity_id FROM lights',
        ):
            ask(database, tmp_path, statement)
        assert _counted(database, tmp_path) == 0
        with EventLog(tmp_path, files=FastFiles()) as log:
            log.append([state("light.a", "live"), state("light.b", "live")])
        assert _counted(database, tmp_path) == 2
        with EventLog(tmp_path, files=FastFiles()) as log:
            log.append([state("light.a", "backfill")])
        assert _counted(database, tmp_path) == 2, "a state that came twice counts once"


def _counted(database: duckdb.DuckDBPyConnection, data_dir: Path) -> int:
    table = ask(database, data_dir, 'SELECT count(*) AS n FROM "Lit now"')
    assert table is not None
    return int(table["n"][0].as_py())
