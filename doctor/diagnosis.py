"""The whole diagnosis: all checks beside each other, each with a time limit, and the answer in one sentence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..clock import SECOND, Clock, from_iso, to_iso
from ..connectors.home_assistant.protocol import SOURCE as HOME_ASSISTANT
from ..errors import HomeiqError
from ..settings import Settings
from . import recording, way
from .case import Case, Limits
from .finding import Finding, Result, Section, Severity
from .words import count, length

__all__ = ["CHECKS", "Check", "Diagnosis", "diagnose"]

Check = Callable[[Case], Result]

CHECKS: Final[dict[str, Check]] = {"recording": recording.check, "way": way.check}
"""All checks by name. The sections of a diagnosis stand in their order."""

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
    settings: Settings, config: Path | None, *, clock: Clock | None = None, limits: Limits | None = None
) -> Diagnosis:
    """Find out all that can be found out within the limits. Raises nothing: what can't be found out is a finding."""
    case = Case(settings, config, clock, limits)
    began = time.monotonic()
    found = _run(case)
    results = list(found.values())
    findings = [finding for result in results for finding in result.findings]
    findings.sort(key=lambda finding: _ORDER.index(finding.severity))
    return Diagnosis(
        case.now,
        _answer(case, findings),
        tuple(findings),
        tuple(section for result in results for section in result.sections),
        tuple(words for result in results for words in result.unseen),
        time.monotonic() - began,
    )


def _run(case: Case) -> dict[str, Result]:
    """Run all checks at once; one that fails, or does not end, is a finding."""
    found: dict[str, Result] = {}

    def run(name: str) -> None:
        try:
            found[name] = CHECKS[name](case)
        except HomeiqError as error:
            found[name] = Result((Finding("check-failed", "wrong", f"{name} cannot be looked at: {error}"),))
        except Exception as error:  # a diagnosis must come out of any state that a home is in
            sentence = f"the check of {name} failed in homeiq itself ({error!r})"
            found[name] = Result((Finding("check-failed", "attention", sentence),))

    # Not a pool: a check that hangs on a dead disk must not keep the process from ending.
    threads = {name: threading.Thread(target=run, args=(name,), name=name, daemon=True) for name in CHECKS}
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + case.limits.check
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"was not found out within {case.limits.check:g} s"
    return {
        name: found.get(name)
        or Result((Finding("check-timeout", "attention", f"what is the matter with {name} {late}"),))
        for name in CHECKS
    }


def _answer(case: Case, findings: Sequence[Finding]) -> str:
    wrong = [finding for finding in findings if finding.severity == "wrong"]
    if wrong:
        more = f" (and {count(len(wrong) - 1, 'more thing')} wrong)" if len(wrong) > 1 else ""
        return f"No: {wrong[0].sentence}{more}"
    facts = case.log()
    parts = [f"{count(facts.last_day if facts else 0, 'event')} in the last 24 h, {_projected(case)}"]
    if connected := _connected(case):
        parts.append(connected)
    return f"Yes: {'; '.join(parts)}"


def _projected(case: Case) -> str:
    behind = max((projection().behind for projection in case.projections.values()), default=0)
    return f"{behind:,} not yet projected" if behind else "all projected"


def _connected(case: Case) -> str:
    recorder = case.recorder() or {}
    for source in recorder.get("sources", ()):
        if source["name"] == HOME_ASSISTANT and source["connected"] and source["since"]:
            return f"Home Assistant connected for {length((case.now - from_iso(source['since'])) / SECOND)}"
    return ""
