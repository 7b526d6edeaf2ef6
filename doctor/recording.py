"""Does a recorder run, is it ready, and does it keep up?"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from ..connectors.home_assistant.protocol import SOURCE as HOME_ASSISTANT
from .case import Case
from .finding import Finding, Result
from .words import count

__all__ = ["check"]

_RUN: Final = ("homeiq run",)

_SAID_ELSEWHERE: Final = ("Home Assistant is not connected", "Home Assistant is not configured")
"""Reasons of not being ready for which there is a check of its own."""


def check(case: Case) -> Result:
    """Ask the recorder, or say that none runs."""
    if case.log() is None:
        words = f"nothing was ever recorded in {case.data_dir}"
        return Result((Finding("log-missing", "wrong", words, ("homeiq init", *_RUN)),))
    recorder = case.recorder()
    if recorder is None:
        return Result((Finding("recorder-not-running", "wrong", "no recorder runs: nothing is recorded", _RUN),))
    if "ready" not in recorder:
        return Result(
            (Finding("recorder-silent", "wrong", str(recorder["problem"]), ("systemctl restart homeiq", *_RUN)),)
        )
    return Result(tuple(_findings(recorder)))


def _findings(recorder: dict[str, Any]) -> list[Finding]:
    findings = []
    connected = any(source["name"] == HOME_ASSISTANT and source["connected"] for source in recorder["sources"])
    for reason in recorder["reasons"]:
        if not reason.startswith(_SAID_ELSEWHERE):
            code = "recorder-hears-nothing" if reason.startswith("no event came") else "recorder-not-ready"
            findings.append(Finding(code, "wrong", reason, ("homeiq status",)))
    if recorder["dropped"]:
        dropped = count(recorder["dropped"], "event")
        words = f"{dropped} had to be dropped since the recorder's start: the disk did not keep up"
        findings.append(Finding("events-dropped", "attention", words, ("homeiq gaps", "homeiq backfill --since 1d")))
    if recorder["version"] != version("homeiq"):
        words = f"the recorder that runs is homeiq {recorder['version']}, and this is {version('homeiq')}"
        findings.append(Finding("recorder-of-another-version", "attention", words, ("systemctl restart homeiq",)))
    if not recorder["reasons"]:
        words = "the recorder runs, is connected and ready" if connected else "the recorder runs, and is ready"
        findings.append(Finding("recorder-ready", "good", words))
    return findings
