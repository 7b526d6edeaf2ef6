"""The way of the data, with rate and lag at each step."""

from __future__ import annotations

from .case import Case
from .finding import Finding, Result, Section
from .projection import stale_reasons
from .words import count

__all__ = ["check"]


def check(case: Case) -> Result:
    """Look at each target's position in the log."""
    if case.log() is None:
        return Result()
    findings: list[Finding] = []
    facts = {}
    for name, once in case.projections.items():
        found = once()
        facts[name] = {
            "title": found.title,
            "followed": found.followed,
            "position": found.position,
            "behind": found.behind,
            "stale": dict(stale_reasons(found.windows, {})),
            "dead_letters": found.dead_letters,
        }
        if not found.followed:
            words = f"nobody follows the log into {found.title}; {count(found.behind, 'record')} not projected"
            findings.append(Finding("follower-not-running", "wrong", words, ("homeiq run",)))
        else:
            findings.append(Finding("follower-running", "good", f"the log is followed into {found.title}"))
    return Result(tuple(findings), (Section("way", "The way of the data", facts={"targets": facts}),))
