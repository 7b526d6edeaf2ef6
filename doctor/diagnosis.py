"""The whole diagnosis: all checks beside each other, each with a time limit, and the answer in one sentence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..clock import SECOND, Clock, SystemClock, from_iso, to_iso
from ..connectors.home_assistant.protocol import SOURCE as HOME_ASSISTANT
from ..errors import HomeiqError, LogError, SettingsError
from ..settings import Settings
from . import configuration, figures, home, influxdb, origins, recording, sources, units, way, whole
from .case import Case, Limits, Once
from .finding import Finding, Result, Section, Severity
from .masking import Masking
from .words import count, length

__all__ = ["CHECKS", "Check", "Diagnosis", "diagnose", "without_settings"]

Check = Callable[[Case], Result]

CHECKS: Final[dict[str, Check]] = {
    "targets": influxdb.check,
    "way": way.check,
    "sources": sources.check,
    "home_assistant": home.check,
    "origins": origins.check,
    "configuration": configuration.check,
    "figures": figures.check,
    "units": units.check,
    "log": whole.check,
    "recording": recording.check,
}
"""All checks by name. The sections of a diagnosis stand in their order."""

_FIRST: Final = (
    "configuration",
    "recording",
    "home_assistant",
    "log",
    "sources",
    "targets",
    "way",
    "origins",
    "units",
    "figures",
)
"""Whose finding is said first: what is the cause of others before them."""

_VITAL: Final = frozenset({"recording", "targets", "way", "sources", "log"})
"""Without these nobody can say Yes."""

_log = logging.getLogger(__name__)

_ORDER: Final[tuple[Severity, ...]] = ("wrong", "attention", "good")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`at` is microseconds UTC; `answer` begins with Yes or No; `ok`: nothing is wrong, attention alone may be needed."""

    at: int
    answer: str
    findings: tuple[Finding, ...]
    sections: tuple[Section, ...] = ()
    unseen: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.of("wrong")

    def of(self, severity: Severity) -> list[Finding]:
        """Return the findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON may hold it; the same as `views/doctor.json`."""
        return {
            "at": to_iso(self.at),
            "answer": self.answer,
            "ok": self.ok,
            "findings": [finding.as_json() for finding in self.findings],
            "not_looked_at": list(self.unseen),
            "seconds": round(self.seconds, 3),
            **{section.name: section.facts for section in self.sections},
        }


def diagnose(
    settings: Settings,
    config: Path | None,
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
    data_dir_given: bool = False,
) -> Diagnosis:
    """Find out all that can be found out within the limits. Raises nothing: what can't be found out is a finding."""
    case = Case(settings, config, clock, limits, data_dir_given=data_dir_given)
    began = time.monotonic()
    masking = Masking(settings)
    found = {name: masking.result(result) for name, result in _run(case).items()}
    # The same said by two checks is said once.
    findings = list(dict.fromkeys(finding for name in _FIRST for finding in found[name].findings))
    findings.sort(key=lambda finding: _ORDER.index(finding.severity))
    return Diagnosis(
        case.now,
        _answer(case, findings),
        tuple(findings),
        tuple(section for result in found.values() for section in result.sections),
        tuple(dict.fromkeys(words for result in found.values() for words in result.unseen)),
        time.monotonic() - began,
    )


def without_settings(error: SettingsError, config: Path | None, clock: Clock | None = None) -> Diagnosis:
    """Return the diagnosis of a home whose settings can't be read: they come first, and nothing else was looked at."""
    finding = configuration.broken(error, config)
    unseen = ("everything but the settings: they say where the rest is",)
    return Diagnosis((clock or SystemClock()).now(), f"No: {finding.sentence}", (finding,), (), unseen)


def _run(case: Case) -> dict[str, Result]:
    """Run all checks at once; one that fails, or does not end, is a finding."""
    found: dict[str, Result] = {}

    def run(name: str) -> None:
        found[name] = _tried(name, case)

    # Not a pool: a check that hangs on a dead disk must not keep the process from ending.
    threads = [threading.Thread(target=run, args=(name,), name=name, daemon=True) for name in CHECKS]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + case.limits.check
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: found.get(name) or _late(name, case) for name in CHECKS}


def _tried(name: str, case: Case) -> Result:
    try:
        return CHECKS[name](case)
    except LogError as error:
        return Result((Finding("log-unreadable", "wrong", str(error), ("homeiq verify",)),))
    except SettingsError as error:
        return Result((configuration.broken(error, case.config),))
    except HomeiqError as error:
        return Result((Finding("check-failed", _weight(name), f"{_title(name)} cannot be looked at: {error}"),))
    except Exception as error:  # a diagnosis must come out of any state that a home is in
        _log.debug("the check of %s failed", name, exc_info=True)
        words = f"{_title(name)} cannot be looked at, by an error in homeiq itself ({type(error).__name__}: {error})"
        return Result((Finding("check-failed", _weight(name), words, ("homeiq -v doctor   # says more",)),))


def _late(name: str, case: Case) -> Result:
    words = f"{_title(name)} could not be looked at within {case.limits.check:g} s"
    return Result((Finding("check-timeout", _weight(name), words, ("homeiq doctor --full   # waits longer",)),))


def _weight(name: str) -> Severity:
    return "wrong" if name in _VITAL else "attention"


def _title(name: str) -> str:
    return {"targets": "where points go", "way": "the way of the data", "log": "the log"}.get(
        name, name.replace("_", " ")
    )


def _answer(case: Case, findings: Sequence[Finding]) -> str:
    wrong = [finding for finding in findings if finding.severity == "wrong"]
    if wrong:
        more = f" ({count(len(wrong) - 1, 'more thing')} wrong)" if len(wrong) > 1 else ""
        return f"No: {wrong[0].sentence}{more}"
    facts = case.log.known()
    parts = [f"{count(facts.last_day if facts else 0, 'event')} in the last 24 h, {_projected(case)}"]
    if connected := _connected(case):
        parts.append(connected)
    return f"Yes: {'; '.join(parts)}"


def _projected(case: Case) -> str:
    """Say how many records are on their way; a follower is always a moment behind."""
    late = [finding for finding in map(Once.known, case.projections.values()) if finding is not None]
    behind = max((projection.behind for projection in late), default=0)
    return "all projected" if not behind else f"all but the newest {behind:,} projected"


def _connected(case: Case) -> str:
    for source in (case.recorder.known() or {}).get("sources", ()):
        if source["name"] == HOME_ASSISTANT and source["connected"] and source["since"]:
            return f"Home Assistant connected for {length((case.now - from_iso(source['since'])) / SECOND)}"
    return ""
