"""A query's result in every form, as another program reads it."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from homeiq.commands.tables import print_table
from homeiq.storage.sql import query

from end_to_end.logs import days, odd_events, write_log

SQL = "SELECT seq, time, entity_id, state, value, attributes, origin FROM states ORDER BY seq"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    write_log(folder, odd_events())
    return folder


def printed(log: Path, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    table = query(log, SQL)
    assert table is not None
    print_table(table, form, None)
    return capsys.readouterr().out


def test_csv_has_a_header_and_loses_nothing(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(log, "csv", capsys)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    table = query(log, SQL)
    assert table is not None
    expected = table.to_pylist()
    assert [row["state"] for row in rows] == ["" if row["state"] is None else row["state"] for row in expected]
    assert [int(row["seq"]) for row in rows] == [row["seq"] for row in expected]
    assert text.startswith("seq,time,entity_id,state,value,attributes,origin\n")
    assert rows[0]["time"] == "2026-11-20 00:00:00.000000"


def test_json_is_a_list_of_objects(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(log, "json", capsys))
    table = query(log, SQL)
    assert table is not None
    assert [row["state"] for row in rows] == table["state"].to_pylist()
    assert rows[0]["time"] == "2026-11-20 00:00:00.000000Z"


def test_parquet_is_the_table(log: Path, tmp_path: Path) -> None:
    table = query(log, SQL)
    assert table is not None
    print_table(table, "table", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == table.to_pylist()


def test_for_people_one_row_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path, days(1, 3_000))
    table = query(tmp_path, "SELECT seq, state FROM states ORDER BY seq")
    assert table is not None
    print_table(table, "table", None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["seq", "┃", "state"]
    assert len(lines) == 2 + 1_000 + 1
    assert lines[-1] == "… and 2000 more rows; --csv, --json and --parquet give all"
