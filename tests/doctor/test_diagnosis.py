"""The diagnosis as a whole: the answer, and that it comes out of any state that a home is in."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.doctor import diagnosis
from homeiq.doctor.case import Case, Limits
from homeiq.doctor.diagnosis import CHECKS, Diagnosis, diagnose
from homeiq.doctor.finding import Finding, Result
from homeiq.errors import TargetUnreachable
from homeiq.replayer.ledger import Ledger
from homeiq.replayer.replay import open_target, target_lock
from homeiq.settings import Settings

from doctor.looking import at_home, codes, look, one, writing_to
from doctor.recorders import recorder_saying, source, status
from end_to_end.logs import START, days, write_log

NOW = START + 3_600_000_000


def test_a_log_that_nobody_writes_or_follows(tmp_path: Path) -> None:
    write_log(tmp_path / "data", days(1, 100))
    found = look(tmp_path / "data")
    assert found.answer.startswith("No: no recorder runs: nothing is recorded (")
    assert {"recorder-not-running", "follower-not-running"} <= codes(found)
    assert found.as_json()["ok"] is False


def test_nothing_at_all(tmp_path: Path) -> None:
    found = look(tmp_path / "data")
    assert found.answer.startswith("No: nothing was ever recorded")
    assert not (tmp_path / "data").exists(), "a diagnosis makes nothing"


def test_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKS, "home_assistant", lambda case: Result())
    write_log(tmp_path, days(1, 97))
    settings = Settings(data_dir=tmp_path)
    target = open_target(settings)
    ledger = Ledger(tmp_path, target.name)
    ledger.advance(100, ())
    with recorder_saying(tmp_path, status(source())), target_lock(tmp_path, target):
        found = diagnose(settings, None, clock=ManualClock(NOW))
    ledger.close()
    assert found.answer == "Yes: 100 events in the last 24 h, all projected; Home Assistant connected for 1 h 0 min"
    assert found.ok
    said = found.as_json()
    assert (said["ok"], said["answer"]) == (True, found.answer)
    assert said["at"] == "2026-11-20T01:00:00.000000+00:00"
    assert {"targets", "way", "sources", "origins", "configuration", "figures", "log"} <= set(said)
    assert said["figures"]["entities"] == 19
    assert said["figures"]["attributes_per_event"] == pytest.approx(3.0)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_servers_that_never_answer(tmp_path: Path, black_hole: str) -> None:
    write_log(tmp_path, days(1, 20))
    began = time.monotonic()
    found = look(
        tmp_path,
        limits=Limits(request=1.0, check=20.0),
        influxdb=writing_to(black_hole, "x"),
        home_assistant=at_home(black_hole, "x"),
    )
    assert time.monotonic() - began < 20
    assert {"influxdb-unreachable", "home-assistant-unreachable"} <= codes(found)
    assert "check-timeout" not in codes(found)


@pytest.mark.parametrize(("name", "severity"), [("way", "wrong"), ("figures", "attention")])
def test_a_check_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, severity: str) -> None:
    over = threading.Event()

    def hang(case: Case) -> Result:
        case.log()
        over.wait()
        return Result()

    write_log(tmp_path, days(1, 20))
    monkeypatch.setitem(CHECKS, name, hang)
    try:
        found = look(tmp_path, limits=Limits(check=3.0))
        assert one(found, "check-timeout").severity == severity
        assert "recorder-not-running" in codes(found), "the others were not kept waiting"
    finally:
        over.set()


@pytest.mark.parametrize("error", [ValueError("odd"), TargetUnreachable("nobody there")])
def test_a_check_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(case: Case) -> Result:
        raise error

    monkeypatch.setitem(CHECKS, "targets", fail)
    found = one(look(tmp_path), "check-failed")
    assert found.severity == "wrong"
    assert str(error) in found.sentence


def test_what_two_checks_say_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = Finding("source-warning", "attention", "twice")
    for name in CHECKS:
        monkeypatch.setitem(CHECKS, name, lambda case: Result((same,), (), ("the moon",)))
    found = look(tmp_path)
    assert found.findings == (same,)
    assert found.unseen == ("the moon",)
    assert found.ok, "what needs attention is not wrong"


def test_each_check_is_said_in_its_turn() -> None:
    assert set(diagnosis._FIRST) == set(CHECKS)
    assert list(CHECKS)[:6] == ["targets", "way", "sources", "home_assistant", "origins", "configuration"]


def test_wrong_comes_first() -> None:
    found = Diagnosis(0, "No", (Finding("a", "wrong", ""), Finding("b", "attention", "")))
    assert not found.ok
    assert [finding.code for finding in found.of("attention")] == ["b"]
