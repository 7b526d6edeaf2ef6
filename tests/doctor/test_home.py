"""Home Assistant itself, asked by the doctor: the real one where it can show it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import DAY, SECOND, SystemClock
from homeiq.doctor import home
from homeiq.doctor.case import Case, Limits
from homeiq.doctor.finding import Finding
from homeiq.errors import SourceUnreachable
from homeiq.settings import Settings
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.record import housekeeping_event

from doctor.looking import QUICK, Shifted, at_home
from servers.fake_home import FakeHome
from servers.home_assistant import HomeAssistantServer
from servers.influxdb import InfluxDBServer
from servers.onboarding import add_user
from servers.ports import free_port


def look(
    folder: Path, url: str, token: str, *, clock: Any = None, limits: Limits = QUICK
) -> tuple[dict[str, Finding], dict[str, Any]]:
    """Return what is found, and the facts; there is a log, but no recorder."""
    if not (folder / "log").exists():
        EventLog(folder).close()
    result = home.check(Case(Settings(data_dir=folder, home_assistant=at_home(url, token)), None, clock, limits))
    facts = result.sections[0].facts if result.sections else {}
    return {finding.code: finding for finding in result.findings}, facts


def test_all_is_well(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    found, facts = look(tmp_path, home_assistant.url, home_assistant.token)
    assert set(found) == {"home-assistant-answers"}
    assert facts["version"] == "2024.3.3"
    assert facts["admin"] is True
    assert facts["clock_skew_seconds"] == 0.0
    assert facts["history_days_at_least"] == 0.0, "it was started just now"


def test_nothing_is_set(tmp_path: Path) -> None:
    found, _ = look(tmp_path, "", "")
    assert "home_assistant.url" in found["home-assistant-not-configured"].sentence


def test_nobody_is_there(tmp_path: Path) -> None:
    found, _ = look(tmp_path, f"http://127.0.0.1:{free_port()}", "x")
    assert found["home-assistant-unreachable"].severity == "wrong"


def test_a_token_that_is_refused(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    found, _ = look(tmp_path, home_assistant.url, "not-a-token-of-anybody")
    assert found["home-assistant-token-refused"].severity == "wrong"
    assert "not-a-token" not in str(found)


def test_something_else_is_there(influxdb: InfluxDBServer, tmp_path: Path) -> None:
    found, _ = look(tmp_path, influxdb.url, "x")
    assert found["home-assistant-wrong-service"].severity == "wrong"


def test_a_token_without_administrator_rights(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    token = add_user(home_assistant.url, home_assistant.token, "doctor", "system-users")
    found, facts = look(tmp_path, home_assistant.url, token)
    assert found["home-assistant-token-not-admin"].severity == "attention"
    assert facts["admin"] is False


@pytest.mark.parametrize(("seconds", "words"), [(90.0, "behind"), (-90.0, "ahead of")])
def test_clocks_that_differ(home_assistant: HomeAssistantServer, tmp_path: Path, seconds: float, words: str) -> None:
    found, facts = look(tmp_path, home_assistant.url, home_assistant.token, clock=Shifted(seconds))
    assert words in found["clock-skew"].sentence
    assert abs(facts["clock_skew_seconds"] + seconds) <= 2


def test_a_gap_that_is_longer_than_the_history(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    now = SystemClock().now()
    before = now - 2 * DAY
    facts = {"gap_since": before, "gap_seconds": 2 * DAY / SECOND, "gap_reason": "unreachable"}
    with EventLog(tmp_path) as log:
        log.append([housekeeping_event(now, "home_assistant", "connected", **facts)])
    found, _ = look(tmp_path, home_assistant.url, home_assistant.token)
    assert "the longest gap lasted 2 d 0 h" in found["history-shorter-than-gap"].sentence


def test_an_old_gap_is_looked_for_in_full_only(home_assistant: HomeAssistantServer, tmp_path: Path) -> None:
    now = SystemClock().now()
    gap = {"gap_since": now - 300 * DAY, "gap_seconds": 260 * DAY / SECOND, "gap_reason": "unreachable"}
    with EventLog(tmp_path) as log:
        log.append([housekeeping_event(now - 40 * DAY, "home_assistant", "connected", **gap)])
    with EventLog(tmp_path) as log:
        log.append([housekeeping_event(now, "recorder", "heartbeat")])
    compact(tmp_path)
    case = Case(
        Settings(data_dir=tmp_path, home_assistant=at_home(home_assistant.url, home_assistant.token)),
        None,
        limits=QUICK,
    )
    result = home.check(case)
    assert {finding.code for finding in result.findings} == {"home-assistant-answers"}
    assert result.unseen[0].startswith("gaps that ended before ")
    found, _ = look(tmp_path, home_assistant.url, home_assistant.token, limits=Limits(full=True))
    assert "the longest gap lasted 260 d 0 h" in found["history-shorter-than-gap"].sentence


@pytest.fixture
def fake_home() -> Iterator[Callable[..., FakeHome]]:
    """A function that starts a Home Assistant of our own, in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    homes = []

    def start(config: dict[str, Any]) -> FakeHome:
        one = FakeHome([])
        one.answers["get_config"] = {"version": "2026.11.0", "time_zone": "UTC", **config}
        one.answers["auth/current_user"] = {"is_admin": True}
        homes.append(one)
        asyncio.run_coroutine_threadsafe(one.__aenter__(), loop).result(30)
        return one

    yield start
    for one in homes:
        asyncio.run_coroutine_threadsafe(one.__aexit__(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_one_without_a_recorder(fake_home: Callable[..., FakeHome], tmp_path: Path) -> None:
    found, facts = look(tmp_path, fake_home({"components": ["history"]}).url, "x")
    assert "runs without recorder:" in found["home-assistant-without-history"].sentence
    assert facts["history_days_at_least"] is None


def test_one_whose_history_reaches_back(fake_home: Callable[..., FakeHome], tmp_path: Path) -> None:
    one = fake_home({"components": ["history", "recorder"]})
    one.answers["history/history_during_period"] = {"sun.sun": [{"s": "x", "lu": 1.0}]}
    _, facts = look(tmp_path, one.url, "x")
    assert facts["history_days_at_least"] == 365
    assert one.asked["history/history_during_period"] <= 4


def test_one_that_never_answers(fake_home: Callable[..., FakeHome], tmp_path: Path) -> None:
    one = fake_home({})
    one.silent.add("auth")
    found, _ = look(tmp_path, one.url, "x", limits=Limits(request=1.0, check=2.0))
    assert found["home-assistant-unreachable"].severity == "wrong"


def test_a_home_that_lets_in_and_answers_nothing() -> None:
    async def ask() -> None:
        async with FakeHome([]) as silent:
            silent.silent = {"get_config"}
            settings = at_home(silent.url, "secret")
            case = Case(Settings(home_assistant=settings), None, SystemClock(), Limits(request=30.0, check=0.5))
            await home._ask(settings, (), case)

    with pytest.raises(SourceUnreachable, match="does not answer"):
        asyncio.run(ask())
