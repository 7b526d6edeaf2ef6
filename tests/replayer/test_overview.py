"""The ledger, counted."""

import sqlite3
from pathlib import Path

import pytest
from homeiq.clock import DAY, SECOND
from homeiq.replayer.failures import Failure
from homeiq.replayer.ledger import DeadLetter, Ledger
from homeiq.replayer.overview import failures_of, ledger_to_read, progress_of


def test_how_far_it_is_and_what_is_stale(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "t")
    ledger.enter(0, "a", "done", "f", 1)
    ledger.enter(DAY, "a", "live", "f", 1)
    ledger.advance(
        7, [(2 * DAY, "a", "late"), (2 * DAY, "b", "late"), (3 * DAY, "a", "late"), (4 * DAY, "a", "asked for")]
    )
    number = ledger.ask("{}")
    ledger.report(number, "running", windows=(3, 9), events=50, message="it is away")
    ledger.report(ledger.ask("{}"), "done")
    other = Ledger(tmp_path, "other")
    with ledger_to_read(tmp_path) as database:
        progress = progress_of(database, "t")
        assert progress_of(database, "other") == {"position": 0, "windows": {}, "stale": [], "requests": []}
    assert (progress["position"], progress["windows"]) == (7, {"done": 1, "live": 1, "stale": 4})
    assert [(one["reason"], one["windows"], one["days"]) for one in progress["stale"]] == [
        ("late", 3, 2),
        ("asked for", 1, 1),
    ]
    assert progress["stale"][0]["first"].startswith("1970-01-03")
    (request,) = progress["requests"]
    assert (request["id"], request["done"], request["windows"], request["message"]) == (number, 3, 9, "it is away")
    other.close()
    ledger.close()


def test_what_was_refused_and_what_fails(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "t")
    ledger.set_aside(
        [DeadLetter("a", seq, seq * SECOND, "l" * 1_000, f"reason {seq % 2}", "f") for seq in range(1, 10)]
    )
    trace = 'Traceback\n  File "x.py", line 3, in normalize\nValueError: no number'
    ledger.advance(1, [], {("a", 0): Failure(3, 5, trace), ("a", DAY): Failure(1, 9, trace)})
    with ledger_to_read(tmp_path) as database:
        failures = failures_of(database, "t")
    assert failures["refused"] == 9
    assert failures["reasons"] == [{"reason": "reason 1", "points": 5}, {"reason": "reason 0", "points": 4}]
    assert [letter["seq"] for letter in failures["letters"]] == [9, 8, 7, 6, 5]
    assert max(len(letter["line"]) for letter in failures["letters"]) == 401
    (failing,) = failures["failing"]
    assert (failing["normalizer"], failing["events"], failing["windows"]) == ("a", 4, 2)
    assert failing["sentence"] == 'ValueError: no number ("x.py", line 3)'
    ledger.close()


def test_without_a_ledger_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error), ledger_to_read(tmp_path) as database:
        progress_of(database, "t")
    assert list(tmp_path.iterdir()) == []
