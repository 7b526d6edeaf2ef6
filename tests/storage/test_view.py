import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from homeiq.errors import LogCorrupt
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.reader import list_files, records_of
from homeiq.storage.record import Event, Record
from homeiq.storage.view import LogView
from hypothesis import given, settings
from hypothesis import strategies as st

from .disks import FastFiles, contents, events, fill

EVENTS = st.builds(
    Event,
    st.integers(-5, 40),
    st.just(1_000_000),
    st.just("s"),
    st.just("live"),
    st.sampled_from(["state_changed", "state", "other"]),
    st.none() | st.sampled_from(["a.a", "a.b", "b.é", "z.z"]),
    st.none() | st.just("on"),
    st.text("ab", max_size=3),
)
ENTITY = st.none() | st.sampled_from(["a", "a.b", "b.é", "zz"])
STEPS = st.lists(st.lists(EVENTS, min_size=1, max_size=6) | st.sampled_from([seal, compact]), min_size=1, max_size=8)


def play(data_dir: Path, steps) -> None:  # type: ignore[no-untyped-def]
    """Append events, or rotate and let something be done with the files, step by step."""
    with EventLog(data_dir, rotate_records=3, files=FastFiles()) as log:
        for step in steps:
            if isinstance(step, list):
                log.append(step)
            else:
                log.rotate()
                step(data_dir, FastFiles())


@given(
    steps=STEPS,
    start=st.none() | st.integers(-6, 41),
    end=st.none() | st.integers(-6, 41),
    types=st.none() | st.lists(st.sampled_from(["state_changed", "state", "none"]), min_size=1),
    entities=st.none() | st.tuples(ENTITY, ENTITY),
    upto=st.none() | st.integers(0, 30),
)
@settings(max_examples=80, deadline=None)
def test_a_scan_finds_what_a_look_at_every_record_finds(  # type: ignore[no-untyped-def]
    steps, start: int | None, end: int | None, types, entities, upto: int | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        play(data_dir, steps)

        def wanted(record: Record) -> bool:
            first, last = entities or (None, None)
            return (
                (upto is None or record.seq <= upto)
                and (start is None or record.time >= start)
                and (end is None or record.time < end)
                and (types is None or record.event_type in types)
                and (first is None or (record.entity_id or "") >= first)
                and (last is None or (record.entity_id is not None and record.entity_id <= last))
                and (entities in (None, (None, None)) or record.entity_id is not None)
            )

        everything = contents(data_dir)
        view = LogView(data_dir, upto)
        tables = list(view.scan(start=start, end=end, event_types=types, entities=entities))
        found = sorted((record for table in tables for record in records_of(table)), key=lambda record: record.seq)
        assert found == [record for record in everything if wanted(record)]
        assert view.last_seq == min(len(everything), len(everything) if upto is None else upto)


@given(
    steps=STEPS,
    types=st.lists(st.sampled_from(["state_changed", "state", "other"]), min_size=1),
    domains=st.lists(st.sampled_from(["a", "b", "z", "a.", "m"]), min_size=1),
    known=st.sets(st.integers(-5, 40)),
)
@settings(max_examples=80, deadline=None)
def test_what_is_left_out_by_the_footer_is_nothing_that_is_wanted(  # type: ignore[no-untyped-def]
    steps, types: list[str], domains: list[str], known: set[int]
) -> None:
    """By domains, and by times of which nothing more need be known."""
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        play(data_dir, steps)
        everything = contents(data_dir)
        of = [
            record
            for record in everything
            if record.event_type in types and (record.entity_id or "").startswith(tuple(f"{name}." for name in domains))
        ]
        condition = pc.field("seq") < 0
        for domain in domains:
            condition |= pc.starts_with(pc.field("entity_id"), f"{domain}.")
        view = LogView(data_dir)
        tables = list(view.scan(event_types=types, domains=domains, wanted=condition))
        assert sorted(record.seq for table in tables for record in records_of(table)) == [record.seq for record in of]
        times = set(known)

        def are_known(low: int, high: int) -> bool:
            return times >= set(range(low, high + 1))

        for table in view.scan(["time"], event_types=types, without=are_known):
            times.update(table["time"].cast(pa.int64()).to_pylist())
        assert times == known | {record.time for record in everything if record.event_type in types}


def test_a_view_is_of_one_moment(tmp_path: Path) -> None:
    last = fill(tmp_path, 3)
    EventLog(tmp_path, files=FastFiles()).close()
    view = LogView(tmp_path)
    fill(tmp_path, 2)
    compact(tmp_path, FastFiles())
    assert view.last_seq == last
    assert sum(table.num_rows for table in view.scan(["seq"])) == last


def test_an_empty_log_has_an_empty_view(tmp_path: Path) -> None:
    EventLog(tmp_path, files=FastFiles()).close()
    view = LogView(tmp_path)
    assert view.last_seq == 0
    assert sum(table.num_rows for table in view.scan()) == 0


def test_only_the_row_groups_of_the_time_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeiq.storage import segment

    monkeypatch.setattr(segment, "ROW_GROUP", 5)
    with EventLog(tmp_path, rotate_records=20, files=FastFiles()) as log:
        log.append(events(1, 20))
        log.rotate()
    seal(tmp_path, FastFiles())
    read: list[object] = []
    real = segment.read_rows
    monkeypatch.setattr(segment, "read_rows", lambda *all_of: read.append(all_of[4:]) or real(*all_of))
    times = [record.time for record in contents(tmp_path)]
    read.clear()
    (table,) = LogView(tmp_path).scan(["seq"], start=times[7], end=times[9])
    assert pa.table(table)["seq"].to_pylist() == [8, 9]
    assert {groups for (groups,) in map(tuple, (map(tuple, one) for one in read))} == {(1,)}


def test_missing_records_are_named(tmp_path: Path) -> None:
    for _ in range(3):
        fill(tmp_path, 2)
        EventLog(tmp_path, files=FastFiles()).close()
        seal(tmp_path, FastFiles())
    list_files(tmp_path).slices[1].segment.path.unlink()
    with pytest.raises(LogCorrupt, match="the records 11 to 20 are missing"):
        LogView(tmp_path)
