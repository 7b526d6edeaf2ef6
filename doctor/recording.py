"""Does a recorder run, and is it ready?"""

from __future__ import annotations

from .case import Case
from .finding import Finding, Result, Section

__all__ = ["check"]


def check(case: Case) -> Result:
    """Ask the recorder, or say that none runs."""
    if case.log() is None:
        sentence = f"nothing was ever recorded in {case.data_dir}"
        return Result((Finding("log-missing", "wrong", sentence, ("homeiq run",)),))
    recorder = case.recorder()
    if recorder is None:
        return Result((Finding("recorder-not-running", "wrong", "no recorder runs", ("homeiq run",)),))
    if "problem" in recorder and "ready" not in recorder:
        return Result((Finding("recorder-silent", "wrong", recorder["problem"], ("homeiq run",)),))
    section = Section("recorder", "The recorder", (("since", recorder["started_at"]),), facts=recorder)
    if recorder["ready"]:
        return Result((Finding("recorder-ready", "good", "the recorder runs and is ready"),), (section,))
    return Result(tuple(Finding("recorder-not-ready", "wrong", why) for why in recorder["reasons"]), (section,))
