"""The log of version 1 opens for ever, and one of a later version is refused and left alone."""

import json
import os
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import duckdb
import pytest
from homeiq.errors import LogCorrupt, LogTooNew
from homeiq.storage import segment
from homeiq.storage.backup import back_up
from homeiq.storage.digest import digest_of
from homeiq.storage.log import EventLog, tails_in
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.mending import losses_of
from homeiq.storage.places import FolderPlace
from homeiq.storage.reader import LogReader
from homeiq.storage.record import decode, encode
from homeiq.storage.restore import restore
from homeiq.storage.sql import query
from homeiq.storage.verify import verify
from homeiq.storage.view import LogView
from hypothesis import given
from hypothesis import strategies as st

from .disks import FastFiles, contents, event, events, fill
from .independent_reader import read

DATA = Path(__file__).parent / "data"
KEPT = [json.loads(line) for line in (DATA / "version-1.ndjson").read_text(encoding="utf-8").splitlines()]
DOCUMENT = (Path(__file__).parents[2] / "docs" / "log-format.md").read_text(encoding="utf-8")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "version-1", tmp_path / "data"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_reader_reads_version_1(data_dir: Path) -> None:
    assert [asdict(one) for one in contents(data_dir)] == KEPT
    assert read(data_dir) == KEPT
    table = query(data_dir, "SELECT seq, source, event_type, entity_id, state, raw FROM events ORDER BY seq")
    assert table is not None
    assert table.to_pylist() == [{name: one[name] for name in table.column_names} for one in KEPT]
    assert LogView(data_dir).last_seq == len(KEPT)
    assert [found for found in verify(data_dir).findings if found.kind != "disagrees"] == []


def test_version_1_is_recorded_on_sealed_merged_and_copied(data_dir: Path, tmp_path: Path) -> None:
    with EventLog(data_dir, files=FastFiles()) as log:
        assert log.append(events(len(KEPT) + 1, 2))[0] == len(KEPT) + 1
        assert log.findings == []
    seal(data_dir, FastFiles())
    assert [asdict(one) for one in contents(data_dir)][: len(KEPT)] == KEPT
    compact(data_dir, FastFiles())
    assert read(data_dir) == [asdict(one) for one in contents(data_dir)]
    back_up(data_dir, FolderPlace(tmp_path / "backup", FastFiles()))
    assert read(tmp_path / "backup") == read(data_dir)
    assert read(data_dir)[: len(KEPT)] == KEPT


def test_the_reader_of_the_document_follows_its_rules_also_for_damage(tmp_path: Path) -> None:
    last = fill(tmp_path, 3)
    EventLog(tmp_path, files=FastFiles()).close()
    (made,) = seal(tmp_path, FastFiles())
    wide = made.path.with_name(made.path.name.replace(".0.", ".9."))
    wide.write_bytes(made.path.read_bytes()[:-1])  # of a high generation, and not valid
    fill(tmp_path, 1)
    with tails_in(tmp_path / "log")[-1][1].open("ab") as tail:
        tail.write(encode(last + 6, event(last + 6))[:-4])
    assert read(tmp_path) == [asdict(one) for one in contents(tmp_path)]
    assert len(read(tmp_path)) == last + 5


def newer_tail(data_dir: Path) -> None:
    body = b'{"v":2,"anything":["that","is","new"]'
    (data_dir / "log" / "tail-00000000000000000019.ndjson").write_bytes(
        b'%b,"sum":"%08x"}\n' % (body, zlib.crc32(body))
    )


def newer_segment(data_dir: Path) -> None:
    (path,) = (data_dir / "log").glob("date=*/*-*12.0.parquet")
    content = path.read_bytes()
    for tail in (data_dir / "log").glob("tail-*"):
        tail.unlink()
    assert content.count(b"homeiq.format\x18\x011") == 1, "the recorder finds the version by these bytes"
    newer = bytearray(content.replace(b"homeiq.format\x18\x011", b"homeiq.format\x18\x012"))
    place = newer.rindex(b"homeiq.digest\x18\x40") + len(b"homeiq.digest\x18\x40")
    newer[place : place + 64] = digest_of(newer, bytes(newer[place : place + 64]))
    path.write_bytes(newer)


@pytest.mark.parametrize("make_newer", [newer_tail, newer_segment])
@pytest.mark.parametrize(
    "use",
    [
        EventLog,
        lambda folder: list(LogReader(folder).read()),
        lambda folder: list(LogView(folder).scan()),
        lambda folder: query(folder, "SELECT count(raw) FROM events"),
        verify,
        losses_of,
        lambda folder: restore(FolderPlace(folder, FastFiles()), folder.with_name("restored"), files=FastFiles()),
        lambda folder: compact(folder, FastFiles()),
        lambda folder: back_up(folder, FolderPlace(folder.with_name("backup"), FastFiles())),
    ],
    ids=["append", "read", "view", "sql", "verify", "mend", "restore", "compact", "backup"],
)
def test_a_newer_log_is_refused_and_nothing_changes(
    data_dir: Path, make_newer: Callable[[Path], None], use: Callable[[Path], object]
) -> None:
    make_newer(data_dir)
    before = files_of(data_dir)
    with pytest.raises(LogTooNew, match=r"newer homeiq \(format 2\): update homeiq"):
        use(data_dir)
    after = files_of(data_dir)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"LOCK", "log/MAINTENANCE"}
    assert not (data_dir.with_name("restored") / "log").exists()


def test_our_own_newer_segment_is_no_invalid_one(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = (data_dir / "log").glob("date=*/*-*12.0.parquet")
    name = segment.SegmentName(9, 12, 0, path)
    assert segment.is_valid(name)
    path.write_bytes(path.read_bytes().replace(b"homeiq.format\x18\x011", b"homeiq.format\x18\x013"))
    assert not segment.is_valid(name), "a bit has flipped"
    path.write_bytes(path.read_bytes().replace(b"homeiq.format\x18\x013", b"homeiq.format\x18\x011"))
    monkeypatch.setattr(segment, "FORMAT_VERSION", 0)
    with pytest.raises(LogTooNew):
        segment.is_valid(name)


@given(bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_version_is_damage(bit: int) -> None:
    line = bytearray(encode(7, event(7)))
    line[5] ^= 1 << bit
    with pytest.raises(LogCorrupt):
        decode(bytes(line))


def test_the_queries_of_the_document_run(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data_dir)
    (block,) = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
    first, second = [text for text in block.split(";") if text.strip()]
    sealed = [one for one in KEPT if one["seq"] <= 12 and one["event_type"] == "state_changed"]
    counts = {name: sum(one["entity_id"] == name for one in sealed) for name in {one["entity_id"] for one in sealed}}
    assert dict(duckdb.sql(first).fetchall()) == counts
    means = duckdb.sql(second.replace("sensor.outdoor", "sensor.number_2")).to_arrow_table()["mean"].to_pylist()
    assert means
    assert set(means) == {21.5}


def test_the_line_that_the_document_shows_is_of_the_right_form() -> None:
    (shown,) = re.findall(r'^    (\{"v":1.*)$', DOCUMENT, re.MULTILINE)
    assert list(json.loads(shown)) == ["v", *segment.SCHEMA.names, "crc"]
    assert os.linesep not in shown
