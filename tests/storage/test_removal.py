import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY
from homeiq.errors import LogCorrupt
from homeiq.storage import segment
from homeiq.storage.forgetting import forget
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.manifest import parse_segment
from homeiq.storage.reader import LogReader, list_files
from homeiq.storage.record import Event, Record, housekeeping_event
from homeiq.storage.removal import Removed, Rules, expire
from homeiq.storage.verify import verify
from homeiq.storage.view import LogView

from .disks import FastFiles, Halt, SteppedFiles, small_segments

START = 20_000 * DAY
"""The beginning of a UTC day."""

SECRET = "sensor.secret"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def happened(number: int, event_type: str = "state_changed") -> Event:
    """Return an event of the day with this number; it came two days later. Each third is of the secret entity."""
    at = START + number * DAY + 1_000
    entity = None if event_type in ("call_service", "config") else SECRET if number % 3 == 0 else "light.kitchen"
    return Event(
        at, at + 2 * DAY, "home_assistant", "backfill", event_type, entity, "on", f'{{"{event_type}": {number}}}'
    )


def recorded(data_dir: Path, days: int, segments_of: int = 4) -> list[Event]:
    """Record a state and a call each day, a configuration on the second, and seal them; return what was recorded."""
    events = []
    for number in range(days):
        events += [happened(number), happened(number, "call_service")]
        events += [happened(number, "config")] if number == 1 else []
    with EventLog(data_dir, files=FastFiles()) as log:
        for place in range(0, len(events), segments_of):
            log.append(events[place : place + segments_of])
            log.rotate()
            seal_now(data_dir)
    return events


def seal_now(data_dir: Path) -> None:
    from homeiq.storage.maintenance import seal

    seal(data_dir, FastFiles())


def noting(data_dir: Path) -> Callable[[str, Mapping[str, Any]], None]:
    """Return what makes a word of the recorder durable where no recorder runs."""

    def note(what: str, facts: Mapping[str, Any]) -> None:
        with EventLog(data_dir, files=FastFiles()) as log:
            log.append([housekeeping_event(START + 100 * DAY, "recorder", what, **facts)])

    return note


def everything(data_dir: Path) -> list[Record]:
    reader = LogReader(data_dir)
    records = [record for group in reader.read() for record in group]
    assert reader.missing == []
    numbers = [record.seq for record in records]
    assert numbers == list(range(list_files(data_dir).first_seq, numbers[-1] + 1))
    return records


def bytes_on_disk(data_dir: Path) -> bytes:
    """Return all text that the files of a log hold, superseded ones too."""
    found = b""
    for path in data_dir.glob("log/**/*"):
        if path.name.startswith("tail"):
            found += path.read_bytes()
        elif ".parquet" in path.name:
            name = parse_segment(path.with_suffix("") if path.suffix == ".old" else path)
            assert name is not None
            for table in segment.read_rows(name, name.first, name.last):
                found += repr(table.to_pylist()).encode()
    return found


def test_in_a_joined_segment_rows_stay_in_their_blocks(folder: Path) -> None:
    events = recorded(folder, 30)
    with small_segments():
        compact(folder, FastFiles())
    (before, *_) = list_files(folder).slices
    blocks = segment.blocks(before.segment, before.first, before.last)
    assert len(blocks) > 1
    done = expire(folder, Rules(ages={"call_service": 3 * DAY}), START + 29 * DAY + 5, noting(folder), FastFiles())
    records = everything(folder)[: len(events)]
    expected = [
        '{"reason":"expired"}' if event.event_type == "call_service" and event.time < START + 26 * DAY else event.raw
        for event in events
    ]
    assert [record.raw for record in records] == expected
    assert done.records == expected.count('{"reason":"expired"}') == 26
    (after, *_) = list_files(folder).slices
    assert after.segment.generation == before.segment.generation + 1
    assert segment.blocks(after.segment, after.first, after.last) == blocks
    assert verify(folder).findings == []


def test_an_expired_record_becomes_a_blank_row(folder: Path) -> None:
    events = recorded(folder, 10)
    rules = Rules(ages={"call_service": 3 * DAY})
    done = expire(folder, rules, START + 9 * DAY + 5, noting(folder), FastFiles())
    records = everything(folder)
    assert done.records == 6
    for event, record in zip(events, records, strict=False):
        if event.event_type == "call_service" and event.time < START + 6 * DAY:
            row = (record.event_type, record.entity_id, record.state, record.raw)
            assert row == ("blank", None, None, '{"reason":"expired"}')
            assert (record.time, record.received_at) == (event.received_at, event.received_at)
            assert (record.source, record.origin) == ("home_assistant", "backfill")
        else:
            assert (record.raw, record.time, record.event_type) == (event.raw, event.time, event.event_type)
    assert expire(folder, rules, START + 9 * DAY + 5, noting(folder), FastFiles()) == Removed()


def test_the_log_says_what_has_expired(folder: Path) -> None:
    recorded(folder, 10)
    expire(folder, Rules(ages={"call_service": 3 * DAY}), START + 9 * DAY, noting(folder), FastFiles())
    expire(folder, Rules(ages={"call_service": 2 * DAY, "state": 0}), START + 9 * DAY, noting(folder), FastFiles())
    (expired,) = LogView(folder, 1).vanished.expired
    assert (expired.source, expired.event_type, expired.domain) == ("home_assistant", "call_service", "")
    assert (expired.start, expired.end) == (START, START + 7 * DAY)


def test_a_state_of_a_snapshot_expires_with_the_changes_of_states() -> None:
    rules = Rules(age=DAY, ages={"state_changed": None})
    assert rules.cutoff("state", START) < 0
    assert rules.cutoff("call_service", START + 5) == START - DAY
    assert rules.cutoff("homeiq_connected", START) < 0
    assert Rules(age=DAY, ages={"state_changed": None, "state": DAY}).cutoff("state", START) == START - DAY


def test_whole_segments_at_the_beginning_go_and_the_log_says_where_it_begins(folder: Path) -> None:
    with EventLog(folder, files=FastFiles()) as log:
        for number in range(5):
            log.append([happened(number), happened(number, "call_service")])
            log.rotate()
            seal_now(folder)
    done = expire(folder, Rules(age=2 * DAY), START + 5 * DAY, noting(folder), FastFiles())
    assert done == Removed(6, 0, 3)
    assert everything(folder)[0].seq == 7
    assert verify(folder).findings == []
    view = LogView(folder)
    assert view.vanished.first_seq == list_files(folder).first_seq == 7
    with EventLog(folder, files=FastFiles()) as log:  # where a log goes on does not depend on where it begins
        assert log.next_seq == view.last_seq + 1
        assert log.findings == []


def test_what_never_expires_keeps_its_segment(folder: Path) -> None:
    recorded(folder, 8)
    expire(folder, Rules(age=0), START + 90 * DAY, noting(folder), FastFiles())
    left = [record for record in everything(folder) if record.event_type != "blank"]
    assert [record.event_type for record in left] == ["config", "homeiq_expired"]


def test_heartbeats_expire_but_for_the_last_which_say_where_a_gap_begins(folder: Path) -> None:
    with EventLog(folder, files=FastFiles()) as log:
        for day in range(10):
            log.append(
                [
                    housekeeping_event(START + day * DAY + hour * DAY // 24, "recorder", "heartbeat")
                    for hour in range(24)
                ]
            )
            log.append([housekeeping_event(START + day * DAY, "home_assistant", "connected")])
        log.rotate()
    seal_now(folder)
    done = expire(folder, Rules(age=DAY), START + 12 * DAY, noting(folder), FastFiles())
    assert done.records == 8 * 24
    kept = [record for record in everything(folder) if record.event_type == "homeiq_heartbeat"]
    assert {record.time // DAY for record in kept} == {START // DAY + 8, START // DAY + 9}
    assert sum(record.event_type == "homeiq_connected" for record in everything(folder)) == 10
    (expired,) = LogView(folder).vanished.expired
    assert (expired.source, expired.event_type, expired.start) == ("recorder", "homeiq_heartbeat", START)
    rules = Rules(age=DAY, ages={"homeiq_heartbeat": None})
    assert rules.cutoff("homeiq_heartbeat", START) < 0


def test_the_oldest_days_go_until_the_log_is_small_enough(folder: Path) -> None:
    with EventLog(folder, files=FastFiles()) as log:
        for number in range(20):
            event = happened(number)
            log.append([Event(*(event.time, event.time, "a", "live", "x", None, None, str(n * 2654435761 % 2**62)))
                        for n in range(number * 500, number * 500 + 500)])  # fmt: skip
            log.rotate()
            seal_now(folder)

    def size() -> int:
        return sum(path.stat().st_size for path in folder.glob("log/date=*/*.parquet"))

    limit = size() // 2
    expire(folder, Rules(total_bytes=limit), START + 30 * DAY, noting(folder), FastFiles())
    assert limit * 0.5 < size() <= limit
    kept = [record for record in everything(folder) if record.event_type == "x"]
    assert 3_000 < len(kept) < 8_000
    assert {record.time for record in kept} == {
        START + number * DAY + 1_000 for number in range(20 - len(kept) // 500, 20)
    }


@pytest.mark.parametrize("merged", [False, True])
def test_nothing_of_what_is_forgotten_is_left_in_any_file(folder: Path, merged: bool) -> None:
    events = recorded(folder, 10)
    old_view = LogView(folder)
    if merged:
        compact(folder, FastFiles())
    assert SECRET.encode() in bytes_on_disk(folder)
    done = forget(folder, lambda name: name == SECRET, None, None, FastFiles())
    assert done.records == 4
    assert SECRET.encode() not in bytes_on_disk(folder)
    for event, record in zip(events, everything(folder), strict=True):
        if event.entity_id == SECRET:
            assert (record.event_type, record.entity_id, record.raw) == ("blank", None, '{"reason":"forgotten"}')
        else:
            assert record.raw == event.raw
    # Who reads by an older list goes on, without what was forgotten.
    seen = [row["raw"] for table in old_view.scan(["raw"]) for row in table.to_pylist()]
    assert sorted(seen) == sorted(record.raw for record in everything(folder))


def test_only_the_range_that_was_named_is_forgotten(folder: Path) -> None:
    recorded(folder, 10)
    since, until = START + 3 * DAY, START + 6 * DAY + 1_000
    assert forget(folder, lambda name: name == SECRET, since, until, FastFiles()).records == 1
    times = [record.time for record in everything(folder) if record.entity_id == SECRET]
    assert times == [START + number * DAY + 1_000 for number in (0, 6, 9)]


def expiring(data_dir: Path, files: SteppedFiles) -> None:
    expire(data_dir, Rules(age=5 * DAY, ages={"state_changed": None}), START + 9 * DAY, noting(data_dir), files)


def forgetting(data_dir: Path, files: SteppedFiles) -> None:
    forget(data_dir, lambda name: name == SECRET, None, None, files)


@pytest.mark.parametrize(("what", "goes"), [(expiring, "call_service"), (forgetting, SECRET)], ids=["expire", "forget"])
def test_it_may_be_killed_before_any_operation(folder: Path, what: Callable[..., None], goes: str) -> None:
    for until in range(1, 200):
        data_dir = folder / str(until)
        events = recorded(data_dir, 10)

        def check(data_dir: Path = data_dir, events: list[Event] = events, *, done: bool = False) -> None:
            """Each record is there once: as it was or, where it may go, as a blank row."""
            for event, record in zip(events, everything(data_dir), strict=False):
                may_go = goes == event.entity_id or (goes == event.event_type and event.time < START + 4 * DAY)
                if record.event_type == "blank" or (done and may_go):
                    assert may_go
                    assert record.event_type == "blank"
                else:
                    assert record.raw == event.raw

        def halt(number: int, name: str, until: int = until, check: Callable[..., None] = check) -> None:
            if number == until:
                check()
                raise Halt

        try:
            what(data_dir, SteppedFiles(halt))
        except Halt:
            check()
            EventLog(data_dir, files=FastFiles()).close()
            what(data_dir, SteppedFiles())
            check(done=True)
            if goes == SECRET:
                assert SECRET.encode() not in bytes_on_disk(data_dir)
            names = sorted(part.segment for part in list_files(data_dir).slices)
            assert all(one.last < other.first for one, other in pairwise(names))
            assert all(segment.is_valid(name) for name in names)
        else:
            assert until > 10
            check(done=True)
            return
    pytest.fail("it never ended")


def test_a_log_that_begins_later_without_a_word_lacks_something(folder: Path) -> None:
    recorded(folder, 8)
    list_files(folder).slices[0].segment.path.unlink()
    (finding,) = verify(folder).findings
    assert (finding.kind, finding.first, finding.last) == ("missing", 1, 4)


@pytest.mark.parametrize("place", [0, 1])
def test_nothing_of_a_damaged_segment_is_written_anew(
    folder: Path, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Else what is wrong in it would have a digest that is right; the others expire and are forgotten all the same."""
    recorded(folder, 12)
    name = list_files(folder).slices[place].segment
    content = bytearray(name.path.read_bytes())
    content[len(content) // 2] ^= 1
    name.path.write_bytes(content)
    before = verify(folder).findings
    assert {(one.kind, one.first, one.last) for one in before} == {("damaged", name.first, name.last)}

    assert compact(folder, FastFiles()) == ([], [])
    assert f"{name.path.name} " in caplog.text

    gone = expire(folder, Rules(ages={"call_service": 0}), START + 12 * DAY, noting(folder), FastFiles())
    assert gone.records > 0
    told: list[tuple[int, bool]] = []
    with pytest.raises(LogCorrupt, match=r"records are forgotten, but .*: homeiq mend") as error:
        forget(folder, lambda entity: entity == SECRET, None, None, FastFiles(), told=lambda *said: told.append(said))
    ((records, left),) = told
    assert str(error.value).startswith(f"{records} records"), "the log can say what is gone all the same"
    assert (records > 0, left) == (True, True)
    assert name.path.read_bytes() == bytes(content)
    assert verify(folder).findings == before
    held = [
        entity
        for part in list_files(folder).slices
        if part.segment != name
        for table in segment.read_rows(part.segment, part.first, part.last, ["entity_id"])
        for entity in table["entity_id"].to_pylist()
    ]
    assert "light.kitchen" in held
    assert SECRET not in held
