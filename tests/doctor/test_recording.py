"""The recorder and its sources, by what it says of itself; where none runs, by what the log says."""

from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SECOND, ManualClock
from homeiq.doctor import configuration, home, recording, sources
from homeiq.doctor.case import Case, Limits
from homeiq.doctor.finding import Finding, Result
from homeiq.recorder import latest
from homeiq.settings import Settings
from homeiq.storage.log import EventLog
from homeiq.storage.record import housekeeping_event

from doctor.looking import at_home
from doctor.recorders import recorder_saying, silent_recorder, source, status
from end_to_end.logs import START, days, write_log

NOW = START + 3_600_000_000


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    write_log(tmp_path, days(1, 30))
    return tmp_path


def case_of(data_dir: Path, **settings: Any) -> Case:
    return Case(Settings(data_dir=data_dir, **settings), None, ManualClock(NOW), Limits(request=1.0))


def by_code(*results: Result) -> dict[str, Finding]:
    return {finding.code: finding for result in results for finding in result.findings}


def look(data_dir: Path, said: dict[str, Any]) -> dict[str, Finding]:
    with recorder_saying(data_dir, said):
        case = case_of(data_dir)
        return by_code(recording.check(case), sources.check(case))


def test_no_log(tmp_path: Path) -> None:
    found = by_code(recording.check(case_of(tmp_path / "nowhere")))
    assert found["log-missing"].severity == "wrong"


def test_no_recorder(data_dir: Path) -> None:
    assert by_code(recording.check(case_of(data_dir)))["recorder-not-running"].severity == "wrong"


def test_one_that_does_not_answer(data_dir: Path) -> None:
    with silent_recorder(data_dir):
        found = by_code(recording.check(case_of(data_dir)))
    assert found["recorder-silent"].sentence.startswith("the recorder does not answer")


def test_one_that_is_ready(data_dir: Path) -> None:
    found = look(data_dir, status())
    assert set(found) == {"recorder-ready", "source-connected"}
    assert found["source-connected"].sentence == "Home Assistant is connected for 1 h 0 min"


def test_one_that_is_not_ready_for_several_reasons(data_dir: Path) -> None:
    reasons = [
        "Home Assistant is not connected: it is down",
        "the disk of /data is full: make room there",
        "no event came for 20 minutes (recording.silence_after_minutes is 15)",
    ]
    found = look(data_dir, status(source(connected=False, reason="it is down"), reasons=reasons))
    assert set(found) == {"home-assistant-not-connected", "recorder-not-ready", "recorder-hears-nothing"}
    assert found["recorder-not-ready"].sentence == reasons[1]
    assert found["recorder-hears-nothing"].sentence == reasons[2]
    assert found["home-assistant-not-connected"].sentence == "Home Assistant is not connected for 1 h 0 min: it is down"


def test_dropped_events_and_another_version(data_dir: Path) -> None:
    found = look(data_dir, status(dropped=12, version="0.0.9"))
    assert found["events-dropped"].sentence.startswith("12 events had to be dropped")
    assert "homeiq 0.0.9" in found["recorder-of-another-version"].sentence


def test_utilities(data_dir: Path) -> None:
    polled = {"polled": True, "configured": True, "last_poll": "2026-11-20T00:30:00.000000+00:00"}
    found = look(
        data_dir,
        status(
            source(),
            source("weather", **polled, connected=False, reason="HTTP 500"),
            source("air_quality", **polled | {"configured": False}, connected=False, reason="set air_quality.api_key"),
            source("calendar", **polled | {"last_poll": None}, connected=False, reason="not connected yet"),
            source("smart_meter", **polled, warnings=["the meter says its circuits twice"]),
        ),
    )
    assert found["source-failing"].sentence == "weather is not connected for 1 h 0 min: HTTP 500"
    assert found["source-not-configured"].sentence == "air_quality: set air_quality.api_key"
    assert found["source-not-asked-yet"].severity == "good"
    assert found["source-warning"].sentence == "the meter says its circuits twice"
    assert all(finding.severity != "wrong" for finding in found.values()), "a utility stops nobody else"


def test_a_refused_token_is_not_tried_again(data_dir: Path) -> None:
    """Home Assistant may ban whoever tries too often; the address here would be seen not to answer."""
    said = source(connected=False, reason="Home Assistant refuses the token")
    with recorder_saying(data_dir, status(said)):
        settings = {"home_assistant": at_home("http://127.0.0.1:1", "x")}
        found = by_code(home.check(case_of(data_dir, **settings)))
    assert set(found) == {"home-assistant-token-refused"}


def test_what_the_log_says_of_a_source_where_no_recorder_runs(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.append([housekeeping_event(START, "recorder", "started")])
        log.append([housekeeping_event(START, "home_assistant", "connected")])
        log.append(list(days(1, 10)))
        log.append([housekeeping_event(START + 60 * SECOND, "recorder", "stopped")])
    (section,) = sources.check(case_of(tmp_path)).sections
    assert section.lines == (
        (
            "home_assistant",
            "not listened to since 2026-11-20 00:01:00Z: the recorder was stopped; last event 1 h 0 min ago",
        ),
    )


@pytest.mark.parametrize("remembered", [True, False])
def test_gaps_that_wait_to_be_closed(tmp_path: Path, remembered: bool) -> None:
    gap = {"gap_since": START, "gap_seconds": 90.0, "gap_reason": "unreachable"}
    with EventLog(tmp_path) as log:
        log.append([housekeeping_event(START + 90 * SECOND, "home_assistant", "connected", **gap)])
        log.append(list(days(1, 10)))
    if remembered:
        latest.main(tmp_path)
    found = by_code(sources.check(case_of(tmp_path)))["gaps-not-closed"]
    assert (
        found.sentence
        == "1 gap of Home Assistant is not closed yet, the longest of 1 min 30 s from 2026-11-20 00:00:00Z on"
    )
    assert found.remedy[1] == "homeiq backfill --since 2026-11-20T00:00:00Z"
    with EventLog(tmp_path) as log:
        done = {"since": START, "until": START + 90 * SECOND, "from": START, "upto": START + 90 * SECOND, "done": True}
        log.append([housekeeping_event(START + 200 * SECOND, "home_assistant", "backfilled", **done, rows=3)])
    assert "gaps-not-closed" not in by_code(sources.check(case_of(tmp_path)))


def test_settings_that_the_recorder_has_not_read(data_dir: Path) -> None:
    file = data_dir / "homeiq.yaml"
    file.write_text("")
    for started, expected in (("2000-01-01T00:00:00+00:00", True), ("2100-01-01T00:00:00+00:00", False)):
        with recorder_saying(data_dir, status(started_at=started)):
            case = Case(Settings(data_dir=data_dir), file, ManualClock(NOW))
            found = by_code(configuration.check(case))
        assert ("settings-not-in-effect" in found) is expected
