"""The table of docs/targets.md says what each target says of itself once it is connected."""

import re
from pathlib import Path

import pytest
from homeiq.replayer.targets.base import Target

from contracts.kept import Fake2, InfluxDB1, Kept, LineProtocol
from servers.influxdb2 import InfluxDB2

DOCS = Path(__file__).parents[2] / "docs" / "targets.md"
ROWS = {
    cells[0]: cells[1:]
    for line in re.findall(r"^\| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    if (cells := line.split(" | ")) and cells[0] not in ("target", "---")
}


def row_of(target: Target) -> list[str]:
    return ["yes" if able else "no" for able in (target.reads, target.deletes, target.deletes_exactly)]


def test_each_target_says_what_the_table_says(kept: Kept) -> None:
    kept.target.connect(0)
    named = {InfluxDB1: "InfluxDB 1.8", Fake2: "InfluxDB 2.x", LineProtocol: "line protocol"}
    name = named.get(type(kept), "embedded")
    assert ROWS[name][1:4] == row_of(kept.target)
    assert (ROWS[name][4] == "for ever") == (name in ("embedded", "line protocol"))


@pytest.mark.parametrize(
    ("name", "version"), [("InfluxDB 3", "3.4.1"), ("VictoriaMetrics", "1.8.0")], ids=["InfluxDB 3", "VictoriaMetrics"]
)
def test_what_answers_like_these_says_so_too(influxdb_2: InfluxDB2, name: str, version: str) -> None:
    influxdb_2.answers_to["/health"] = [(200, {}, "OK")]
    influxdb_2.answers_to["/ping"] = [(204, {"X-Influxdb-Version": version}, None)]
    kept = Fake2(influxdb_2)
    kept.target.connect(0)
    assert ROWS[name][1:4] == row_of(kept.target)
    assert len(kept.target.cannot) == 2
    assert kept.target.retention is None
    kept.close()


def test_there_are_no_other_rows() -> None:
    assert set(ROWS) == {
        *("InfluxDB 2.x", "InfluxDB 1.8", "InfluxDB 3", "VictoriaMetrics", "embedded", "line protocol"),
    }
