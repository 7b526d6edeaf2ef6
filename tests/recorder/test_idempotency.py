"""The log alone says what became of a request with a key, wherever a crash cut it."""

from pathlib import Path

import pytest
from homeiq.clock import SECOND
from homeiq.recorder import idempotency
from homeiq.recorder.idempotency import KEPT, Keys, Known, digest_of, key_event
from homeiq.recorder.latest import Latest
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event, Record, housekeeping_event
from hypothesis import given
from hypothesis import strategies as st

from storage.disks import FastFiles

NOW = 1_800_000_000 * SECOND


def pushed(number: int, received_at: int) -> Event:
    return Event(number, received_at, "pushed", "manual", "x", None, None, str(number))


def request(known: Known) -> list[Event]:
    """Return what is recorded for what is not in the log yet of a request."""
    events = [pushed(number, known.received_at) for number in range(known.count)]
    return [key_event(known, "pushed"), *events[known.done :]]


def numbered(events: list[Event]) -> list[Record]:
    return [Record(seq, *(getattr(e, name) for name in Event.__slots__)) for seq, e in enumerate(events, 1)]


@given(st.lists(st.integers(0, 6), max_size=4), st.integers(1, 5), st.booleans())
def test_cut_anywhere_and_tried_again_each_event_is_there_once(cuts: list[int], count: int, cached: bool) -> None:
    log: list[Event] = []
    keys = Keys()
    at, read = NOW, 0
    for cut in [*cuts, 99]:
        at += SECOND
        known = keys.get("k", at)
        if known is not None and known.complete:
            break
        known = known or Known("k", "d", at, count, 0, 0, 0)
        known.received_at = at
        log += request(known)[:cut]
        rows, reach = (keys.rows(), read) if cached else ([], 0)
        keys = Keys()
        keys.load(rows)  # type: ignore[arg-type]
        for record in numbered(log)[reach:]:
            keys.learn(record)
        log.append(housekeeping_event(at, "recorder", "started"))
        read = len(log)
    known = keys.get("k", at)
    assert known is not None
    assert known.complete
    found = [(r.seq, r.raw) for r in numbered(log) if r.event_type == "x"]
    assert [raw for _, raw in found] == [str(number) for number in range(count)]
    assert (known.first_seq, known.last_seq) == (found[0][0], found[-1][0])


def test_records_of_another_request_are_not_this_ones() -> None:
    keys = Keys()
    torn = request(Known("a", "d", NOW, 3, 0, 0, 0))[:2]
    other = request(Known("b", "d", NOW + 1, 2, 0, 0, 0))
    for record in numbered([*torn, pushed(7, NOW + 9), *other]):
        keys.learn(record)
    a, b = keys.get("a", NOW), keys.get("b", NOW)
    assert a is not None
    assert b is not None
    assert (a.done, a.complete, b.done, b.complete) == (1, False, 2, True)
    assert (b.first_seq, b.last_seq) == (5, 6)


def test_a_key_is_known_for_a_day() -> None:
    keys = Keys()
    keys.add(Known("a", "d", NOW, 1, 1, 1, 1))
    assert keys.get("a", NOW + KEPT) is not None
    assert keys.get("a", NOW + KEPT + 1) is None
    keys.add(Known("b", "d", NOW + KEPT + 1, 1, 1, 2, 2))
    assert [row[0] for row in keys.rows()] == ["b"], "what nobody asks for any more takes no memory"


def test_so_many_keys_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEYS", 3)
    keys = Keys()
    for number in range(3):
        assert not keys.is_full(NOW)
        keys.add(Known(str(number), "d", NOW + number, 1, 1, 1, 1))
    assert keys.is_full(NOW + 2)
    assert not keys.is_full(NOW + KEPT + 2)


def test_one_request_differs_from_another_by_its_body_and_its_origin() -> None:
    assert len({digest_of(b"a", "manual"), digest_of(b"b", "manual"), digest_of(b"a", "import")}) == 3


@pytest.mark.parametrize("cache", ["none", "at a stop", "of an older version"])
def test_known_again_after_a_restart(tmp_path: Path, cache: str) -> None:
    with EventLog(tmp_path, files=FastFiles()) as log:
        log.append(request(Known("a", "d", NOW, 2, 0, 0, 0)))
        if cache == "at a stop":
            Latest.load(tmp_path, log.next_seq).save(tmp_path, log.next_seq - 1)
        log.append(request(Known("b", "d", NOW, 2, 0, 0, 0))[:2])
        if cache == "of an older version":
            import sqlite3
            from contextlib import closing

            Latest.load(tmp_path, log.next_seq).save(tmp_path, log.next_seq - 1)
            with closing(sqlite3.connect(tmp_path / "recorder.sqlite")) as database:
                database.execute("DROP TABLE idempotency")
    with EventLog(tmp_path, files=FastFiles()) as log:
        keys = Latest.load(tmp_path, log.next_seq).keys
    a, b = keys.get("a", NOW), keys.get("b", NOW)
    assert a is not None
    assert b is not None
    assert (a.complete, a.first_seq, a.last_seq) == (True, 2, 3)
    assert (b.complete, b.done, b.first_seq) == (False, 1, 5)
