"""What was projected is remembered, all of an entry or nothing of it."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from homeiq.errors import LogNotWritable
from homeiq.replayer.ledger import DeadLetter, Ledger


@pytest.fixture
def ledger(tmp_path: Path):
    ledger = Ledger(tmp_path, "t")
    yield ledger
    ledger.close()


def states(ledger: Ledger) -> dict[int, tuple[str, int, str]]:
    return {window.start: (window.state, window.log_end, window.reason) for window in ledger.windows()}


def test_what_was_being_written_at_the_end_is_stale(ledger: Ledger, tmp_path: Path) -> None:
    ledger.enter(1, "n", "done", "f", 10)
    ledger.enter(2, "n", "live", "f", 10)
    ledger.enter(3, "n", "writing", "f", 10)
    other = Ledger(tmp_path, "other")
    other.interrupted()
    other.close()
    assert states(ledger)[3][0] == "writing", "another target's windows are none of its business"
    ledger.interrupted()
    assert states(ledger) == {
        1: ("done", 10, ""),
        2: ("live", 10, ""),
        3: ("stale", 10, "a replay of it was interrupted"),
    }


def test_the_first_reason_stays_until_it_is_replayed(ledger: Ledger) -> None:
    ledger.enter(1, "n", "done", "f", 10)
    ledger.mark_stale([(1, "n", "first"), (2, "n", "new")])
    ledger.mark_stale([(1, "n", "second")])
    assert states(ledger) == {1: ("stale", 10, "first"), 2: ("stale", 0, "new")}
    ledger.enter(1, "n", "done", "g", 20)
    assert states(ledger)[1] == ("done", 20, "")
    assert [window.start for window in ledger.windows("stale")] == [2]


def test_the_position_moves_with_the_stale_marks_or_not_at_all(ledger: Ledger, tmp_path: Path) -> None:
    ledger.advance(5, [(1, "n", "late")])
    with pytest.raises(LogNotWritable):
        ledger.advance(9, [(2, "n", "late"), (3, "n", None)])  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        ledger.advance(9, ((1 // 0, "n", "late") for _ in range(1)))
    again = Ledger(tmp_path, "t")
    assert (again.position, list(states(again))) == (5, [1])
    again.close()


def test_requests_go_from_waiting_to_done(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.request(1) is None
    number = ledger.ask("all")
    other = Ledger(tmp_path, "other")
    assert other.requests("waiting") == []
    other.close()
    assert [request.id for request in ledger.requests("waiting", "running")] == [number]
    ledger.report(number, "running", windows=(1, 4), events=7, points=6, message="down")
    request = ledger.request(number)
    assert request is not None
    assert (request.scope, request.state) == ("all", "running")
    assert (request.windows_done, request.windows, request.events, request.points) == (1, 4, 7, 6)
    assert request.message == "down"
    ledger.report(number, "done")
    assert ledger.requests("waiting", "running") == []


def test_dead_letters_stand_once(ledger: Ledger) -> None:
    letter = DeadLetter("n", 7, 1, "line", "reason", "f")
    ledger.set_aside([DeadLetter("n", 9, 1, "x", "y", "f"), DeadLetter("other", 9, 1, "x", "y", "f"), letter])
    ledger.set_aside([letter])
    assert [found.seq for found in ledger.dead_letters()] == [7, 9, 9]
    assert replace(ledger.dead_letters()[0], at=0) == letter
    ledger.forget_letters("n", 1, 2)
    assert [found.normalizer for found in ledger.dead_letters()] == ["other"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogNotWritable, match="make room or give write permission"):
        Ledger(tmp_path / "file", "t")


def test_it_can_be_read_while_another_writes_and_nothing_is_made(ledger: Ledger, tmp_path: Path) -> None:
    assert Ledger.for_reading(tmp_path / "nowhere", "t") is None
    assert not (tmp_path / "nowhere").exists()
    assert Ledger.for_reading(tmp_path, "unknown") is None
    ledger.advance(7, [(1, "n", "late")])
    letters = [DeadLetter("n", seq, 1, f"line {seq}", "no", "f") for seq in (1, 2)]
    ledger.set_aside(letters)
    reading = Ledger.for_reading(tmp_path, "t")
    assert reading is not None
    assert (reading.position, states(reading), reading.count_letters()) == (7, {1: ("stale", 0, "late")}, 2)
    ledger.advance(8, ())
    assert reading.position == 8
    with pytest.raises(LogNotWritable):
        reading.advance(9, ())
    reading.close()
    assert ledger.position == 8


def test_a_ledger_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(LogNotWritable, match="cannot be read"):
        Ledger.for_reading(tmp_path, "t")


def test_a_ledger_of_another_layout_is_left_alone_by_who_only_reads(ledger: Ledger, tmp_path: Path) -> None:
    ledger.advance(7, ())
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert Ledger.for_reading(tmp_path, "t") is None
    assert ledger.position == 7
