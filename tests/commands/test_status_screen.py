import json
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import SECOND, ManualClock, SystemClock, to_iso
from homeiq.commands.live import Heavy, Live, TargetNow, View
from homeiq.commands.status_screen import screen_lines, summary_line
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000 * SECOND
UTC = ZoneInfo("UTC")
LONG = "a sentence that goes on for much longer than the eighty columns that a terminal has, and says what to do: that"


def source(name: str, **facts: Any) -> dict[str, Any]:
    usual = {"connected": True, "since": to_iso(NOW - 3600 * SECOND), "reason": "", "events": 12_345, "warnings": []}
    return {"name": name, "gaps": 0, "gap_seconds": 0.0} | usual | facts


def recorder(**facts: Any) -> dict[str, Any]:
    usual = {
        **{"ready": True, "reasons": [], "durable_seq": 1_000, "dropped": 0, "unsynced_records": 3},
        **{"uptime_seconds": 280_000.0, "last_event": {"home_assistant": {"seconds_since": 0.4}}},
        "disk": {"free_bytes": 12e9, "log_bytes": 3e8, "bytes_per_day": 1e7, "days_left": 1200.0},
        "sources": [source("home_assistant"), source("weather", connected=False, configured=False, reason=LONG)],
    }
    return usual | facts


def heavy(**facts: Any) -> dict[str, Any]:
    gap = {"source": "home_assistant", "start": "2026-11-23T04:00:00+00:00", "end": None, "seconds": None}
    gap |= {"closed": False, "closed_from": None, "reason": "unreachable"}
    gaps = {"count": 2, "seconds": 720.0, "closed": 1, "partly_closed": 0, "lasting": 1, "last": gap}
    target = {
        "name": "influxdb x",
        "title": "InfluxDB",
        "followed": True,
        "stale": {LONG: 3},
        "dead_letters": 4,
        "failing": [],
    }
    return {"gaps": gaps, "problems": [LONG], "targets": [target | {"cannot": [LONG], "problem": ""}]} | facts


def view(**facts: Any) -> View:
    targets = [TargetNow("InfluxDB", 990, 2.0, 3, [(2, 10, "")])]
    usual = {
        **{"now": NOW, "data_dir": Path("/data"), "recorder": recorder(), "rate": 5.0, "targets": targets},
        **{"rates": {"home_assistant": 5.0}, "heavy": heavy(), "heavy_age": 40.0, "heavy_problem": ""},
        **{"doctor": "", "doctor_age": None},
    }
    return View(**(usual | facts))


def shown(of: View) -> str:
    lines = list(screen_lines(of, UTC))
    assert max(len(line.text) for line in lines) <= 80
    return " ".join(" ".join(line.text for line in lines).split())


def test_all_of_it_in_eighty_columns() -> None:
    text = shown(view(doctor="Yes: 12,431 events in the last 24 h", doctor_age=12.0))
    for words in (
        "Yes: 12,431 events in the last 24 h (12.0 s ago)",
        "recorder ready up 3 d 5 h 5.0 events/s",
        "home_assistant connected 1 h 0 min 5.0/s 12,345 events, last 0.4 s ago",
        "weather not configured: a sentence",
        "followed; 10 records behind, about 2.0 s, 2.0 records/s; 3 windows stale",
        "a replay is under way: 2 of 10 windows",
        "stale: 3 windows, since a sentence",
        "refused: 4 points (homeiq dead-letters)",
        "cannot: a sentence",
        "12.0 GB free, the log takes 300.0 MB, grows by 10.0 MB a day, full in 1,200",
        "2 gaps, 12 min 0 s in all, 1 closed, 1 still last",
        "as of 40.0 s ago",
    ):
        assert words in text, words


def test_what_is_wrong_is_said_in_words() -> None:
    down = source("home_assistant", connected=False, reason="the token is refused", gaps=2, gap_seconds=61.0)
    text = shown(view(recorder=recorder(ready=False, reasons=[LONG], sources=[down], dropped=7)))
    assert "NOT READY" in text
    assert "NOT CONNECTED 1 h 0 min: the token is refused" in text
    assert "2 gaps since the start, 1 min 1 s" in text
    assert "7 dropped" in text
    assert "does not run" in shown(view(recorder=None, heavy=None, rate=None, targets=[]))
    assert "does not answer" in shown(view(recorder={"problem": "the recorder does not answer"}))
    not_followed = heavy(targets=[heavy()["targets"][0] | {"followed": False}])
    assert "NOT FOLLOWED" in shown(view(heavy=not_followed, heavy_problem="no such file"))


def test_one_line() -> None:
    assert summary_line(view()) == (
        "ready, record 1,000, 5.0 events/s, InfluxDB: 10 records behind, about 2.0 s, 3 windows stale"
    )
    assert summary_line(view(recorder=None, targets=[])) == "the recorder does not run"


@given(st.text())
def test_nothing_reaches_the_terminal_that_it_would_obey(text: str) -> None:
    bad = recorder(reasons=[text], sources=[source(text, reason=text, warnings=[text], connected=False)])
    for line in screen_lines(view(recorder=bad, doctor=text or "x", doctor_age=1.0, heavy_problem=text), UTC):
        assert line.text.isprintable()
    assert summary_line(view(recorder=bad)).isprintable()


def test_heavy_facts_are_asked_for_rarely_but_for_once_soon_and_have_an_age(tmp_path: Path) -> None:
    clock = ManualClock()
    count = tmp_path / "count"
    script = f"open({str(count)!r}, 'a').write('x'); print({json.dumps(heavy())!r})"
    asked = Heavy([sys.executable, "-c", script], clock, seconds=60)
    live = Live(tmp_path, asked, clock)
    assert live.view().heavy is None

    def take() -> None:
        asked.facts = None
        deadline = time.monotonic() + 30
        while asked.facts is None and time.monotonic() < deadline:
            time.sleep(0.02)
            asked.look()

    take()
    clock.advance(4)
    assert live.view().heavy_age == 4.0
    assert count.read_text() == "x"
    clock.advance(1)
    take()
    assert count.read_text() == "xx", "a follower that has just been started may not have been there before"
    clock.advance(59)
    found = live.view()
    assert (found.heavy_age, found.targets[0].title, found.targets[0].position) == (59.0, "InfluxDB", None)
    assert count.read_text() == "xx"
    clock.advance(2)
    asked.look()
    asked.close()
    assert found.recorder is None


def test_what_goes_wrong_beside_it_is_said(tmp_path: Path) -> None:
    asked = Heavy([sys.executable, "-c", "raise SystemExit('homeiq: there is no log')"], ManualClock())
    deadline = time.monotonic() + 30
    while not asked.problem and time.monotonic() < deadline:
        asked.look()
        time.sleep(0.02)
    assert asked.problem == "there is no log"


@pytest.mark.parametrize(("age", "said"), [(10, "Yes: all is well"), (200, "")])
def test_the_doctor_is_believed_for_three_minutes(tmp_path: Path, age: int, said: str) -> None:
    clock = SystemClock()
    (tmp_path / "views").mkdir()
    facts = {"at": to_iso(clock.now() - age * SECOND), "answer": "Yes: all is well", "ok": True, "findings": []}
    (tmp_path / "views" / "doctor.json").write_text(json.dumps(facts))
    assert Live(tmp_path, Heavy(["true"], ManualClock()), clock)._doctor()[0] == said
