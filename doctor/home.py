"""Home Assistant itself, asked once: does it let us in, with which rights, what time has it, how far back is its history?

Where a recorder says that the token was refused, it is not tried again: Home Assistant may ban whoever tries too often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import orjson

from ..clock import DAY, SECOND
from ..connectors.home_assistant.client import HomeAssistantConnector
from ..connectors.home_assistant.protocol import SOURCE
from ..connectors.home_assistant.subscription import without_admin
from ..errors import CommandRefused, HomeiqError, NotHomeAssistant, SourceUnreachable, TokenRefused
from ..settings import HomeAssistantSettings
from .case import Case
from .finding import Finding, Result, Section
from .gap_facts import known_entities, longest_gap
from .words import length, moment

__all__ = ["SKEW_SECONDS", "Home", "check"]

SKEW_SECONDS: Final = 5.0
"""Clocks that differ by more are worth a word: gaps are closed with a margin of a minute, and shown times differ."""

_REACHES_DAYS: Final = (0.25, 1, 2, 3, 5, 7, 9, 10, 14, 30, 60, 90, 180, 365)
"""So far back it is asked whether there is history; Home Assistant does not say for how many days it keeps it."""

_ASKED_ENTITIES: Final = 30
_NEEDED: Final = ("recorder", "history")


@dataclass(slots=True)
class Home:
    """What it says. `skew` is the seconds by which its clock is ahead of ours, None where it is not told apart."""

    version: str = ""
    components: frozenset[str] = frozenset()
    admin: bool | None = None
    skew: float | None = None
    reaches_days: float | None = None
    unanswered: list[str] = field(default_factory=list)


def check(case: Case) -> Result:
    """Ask it, unless nothing is set, or a recorder has been refused."""
    settings = case.settings.home_assistant
    if missing := settings.missing():
        return Result((Finding("home-assistant-not-configured", "wrong", missing, ("homeiq init",)),))
    if case.limits.quiet:
        return Result((), (), ("Home Assistant itself (homeiq doctor asks it)",))
    if refused := _refused_already(case):
        return Result(
            (Finding("home-assistant-token-refused", "wrong", refused, _NEW_TOKEN),), (), ("Home Assistant itself",)
        )
    entities = known_entities(case.data_dir, _ASKED_ENTITIES)
    try:
        home = asyncio.run(_ask(settings, entities, case))
    except HomeiqError as error:
        return Result((_unreachable(error, settings),))
    return Result((*_findings(case, home),), (_section(home, settings),), (*home.unanswered, *_unseen(case)))


def _unseen(case: Case) -> list[str]:
    """Say from when on gaps are known here."""
    facts = case.log()
    if facts is None or facts.looked_at > facts.end - facts.first_seq or case.limits.full:
        return []
    return [f"gaps that ended before {moment(facts.since)} (homeiq gaps lists all)"]


_NEW_TOKEN: Final = (
    "# in Home Assistant: your name, Security, Long-lived access tokens, Create token",
    "export HOME_ASSISTANT_TOKEN=…   # or home_assistant.token in homeiq.yaml; then start homeiq again",
)


def _refused_already(case: Case) -> str:
    for source in (case.recorder() or {}).get("sources", ()):
        if source["name"] == SOURCE and not source["connected"] and "token" in source["reason"]:
            return str(source["reason"])
    return ""


def _unreachable(error: HomeiqError, settings: HomeAssistantSettings) -> Finding:
    if isinstance(error, TokenRefused):
        return Finding("home-assistant-token-refused", "wrong", error.message, _NEW_TOKEN)
    if isinstance(error, NotHomeAssistant):
        return Finding("home-assistant-wrong-service", "wrong", error.message, (f"curl -i {settings.url}/api/",))
    return Finding("home-assistant-unreachable", "wrong", error.message, (f"curl -i {settings.url}/api/",))


async def _ask(settings: HomeAssistantSettings, entities: Sequence[str], case: Case) -> Home:
    """Ask all questions; raises SourceError where it does not let us in."""
    limit = case.limits.request
    connector = HomeAssistantConnector(settings, case.clock, answer_seconds=limit)
    home = Home()
    try:
        async with asyncio.timeout(case.limits.check * 0.8), connector.asking():
            config = orjson.loads(await connector.ask("get_config"))
            home.version = str(config.get("version", ""))
            home.components = frozenset(config.get("components") or ())
            home.admin = await _admin(connector)
            home.skew = await _skew(settings, case)
            with suppress(CommandRefused):
                home.reaches_days = await _reaches(connector, entities, case.now)
    except TimeoutError:
        if not home.version:
            raise SourceUnreachable(f"Home Assistant at {settings.url} does not answer", place=settings.url) from None
        home.unanswered.append("some of what Home Assistant was asked: it answered too slowly")
    return home


async def _admin(connector: HomeAssistantConnector) -> bool | None:
    try:
        return bool(orjson.loads(await connector.ask("auth/current_user")).get("is_admin"))
    except CommandRefused:
        return None


async def _skew(settings: HomeAssistantSettings, case: Case) -> float | None:
    """Return by how much its clock is ahead, by the header `Date` of an answer, which has whole seconds.

    It was made between the question and the answer; what lies within that is no difference.
    """
    timeout = aiohttp.ClientTimeout(total=case.limits.request)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            before = case.clock.now()
            async with session.get(f"{settings.url}/manifest.json", allow_redirects=False) as answer:
                after = case.clock.now()
                date = answer.headers["Date"]
        theirs = round(parsedate_to_datetime(date).timestamp()) * SECOND
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
        return None
    earliest, latest = theirs - after, theirs + SECOND - before
    return earliest / SECOND if earliest > 0 else latest / SECOND if latest < 0 else 0.0


async def _reaches(connector: HomeAssistantConnector, entities: Sequence[str], now: int) -> float:
    """Return the days for which its history is known to reach back; 0 if it is less than the shortest asked for."""
    low, high = 0, len(_REACHES_DAYS)
    while low < high:
        middle = (low + high) // 2
        if await connector.reaches(entities, now - round(_REACHES_DAYS[middle] * DAY)):
            low = middle + 1
        else:
            high = middle
    return _REACHES_DAYS[low - 1] if low else 0.0


def _findings(case: Case, home: Home) -> list[Finding]:
    findings = [Finding("home-assistant-answers", "good", f"Home Assistant {home.version} lets homeiq in")]
    if home.admin is False:
        findings.append(Finding("home-assistant-token-not-admin", "attention", without_admin(()), _NEW_TOKEN))
    if home.skew is not None and abs(home.skew) > SKEW_SECONDS:
        ahead = "ahead of" if home.skew > 0 else "behind"
        words = f"Home Assistant's clock is {length(abs(home.skew))} {ahead} this machine's"
        findings.append(Finding("clock-skew", "attention", words, ("timedatectl status   # on both machines",)))
    if absent := [name for name in _NEEDED if name not in home.components]:
        words = f"Home Assistant runs without {' and '.join(absent)}: gaps can't be closed from its history"
        findings.append(Finding("home-assistant-without-history", "attention", words, _DEFAULT_CONFIG))
    gap = longest_gap(case)
    if home.reaches_days is None or gap is None:
        return findings
    if gap.seconds > (home.reaches_days or _REACHES_DAYS[0]) * 86_400:
        words = (
            f"Home Assistant's history reaches back {_days(home.reaches_days)}, and the longest gap lasted"
            f" {length(gap.seconds)}: what is older can't be fetched"
        )
        findings.append(Finding("history-shorter-than-gap", "attention", words, _KEEP_DAYS))
    return findings


_DEFAULT_CONFIG: Final = ("# in configuration.yaml: default_config: or recorder: and history:", "ha core restart")
_KEEP_DAYS: Final = ("# in configuration.yaml, below recorder: purge_keep_days: 30", "ha core restart")


def _days(days: float) -> str:
    return "less than 6 h" if not days else length(days * 86_400)


def _section(home: Home, settings: HomeAssistantSettings) -> Section:
    rights = {True: "an administrator's", False: "not an administrator's", None: "it does not say whose"}[home.admin]
    skew = "not known" if home.skew is None else "none" if not home.skew else f"{length(abs(home.skew))}"
    reaches = "it does not say" if home.reaches_days is None else f"at least {_days(home.reaches_days)}"
    lines = (
        ("address", f"{settings.url}: Home Assistant {home.version}"),
        ("token", rights),
        ("clock", f"difference to ours: {skew}"),
        ("history", f"reaches back {reaches}" if home.reaches_days != 0 else "reaches back less than 6 h"),
    )
    facts: dict[str, Any] = {
        "url": settings.url,
        "version": home.version,
        "admin": home.admin,
        "clock_skew_seconds": home.skew,
        "history_days_at_least": home.reaches_days,
    }
    return Section("home_assistant", "Home Assistant itself", lines, facts=facts)
