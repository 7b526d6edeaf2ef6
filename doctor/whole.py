"""Is the log whole, and for how many days is there room on its disk?

Not all of it is read: the names say which records are there, the footers that each segment opens, and the newest segment
and the tails are read in full. `homeiq verify`, or `homeiq doctor --full`, reads everything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from ..clock import DAY, SECOND
from ..errors import LogCorrupt
from ..recorder.disk import bytes_per_record, log_size
from ..storage import segment
from ..storage.log import log_folder
from ..storage.verify import verify
from .case import Case
from .finding import Finding, Result, Section
from .log_facts import LogFacts
from .words import count, length, size

__all__ = ["check"]

_MANY_DAYS: Final = 3_650.0
_LEAST_MICROSECONDS: Final = 3_600 * SECOND
"""A younger log tells no rate: its first snapshot would count as the usual."""

_SOON_DAYS: Final = 30.0
_VERY_SOON_DAYS: Final = 2.0
_LEAST_BYTES: Final = 50_000_000
"""With less room than this a recorder may stop any minute: a group, its tail's seal and a merge need some of it."""


def check(case: Case) -> Result:
    """Look at files and disk."""
    facts = case.log()
    if facts is None:
        return Result()
    findings, unseen, words = _full(case) if case.limits.full else _quick(case, facts)
    kept = _quarantine(case.data_dir)
    if kept:
        sentence = f"{count(len(kept), 'file')} with damaged or foreign bytes lie in {case.data_dir / 'quarantine'}"
        findings.append(
            Finding("log-quarantine", "attention", sentence, (f"ls -l {case.data_dir / 'quarantine'}", "homeiq verify"))
        )
    room, lines, said = _room(case, facts)
    first = ("records", f"{facts.first_seq:,} to {facts.end:,}, {words}")
    section = Section(
        "log", "The log and its disk", (first, *lines), facts={"first_seq": facts.first_seq, "end": facts.end} | said
    )
    return Result((*findings, *room), (section,), tuple(unseen))


def _full(case: Case) -> tuple[list[Finding], list[str], str]:
    found = verify(case.data_dir)
    findings = []
    for one in found.findings:
        code = "log-foreign-file" if one.kind == "foreign" else "log-damaged"
        severity: Any = "attention" if one.kind == "foreign" else "wrong"
        sentence = " ".join(part for part in (one.file, one.message) if part)
        findings.append(Finding(code, severity, sentence, ("homeiq verify",)))
    if not any(finding.severity == "wrong" for finding in findings):
        findings.append(Finding("log-whole", "good", f"the log is whole: all {found.records:,} records were read"))
    return findings, [], f"all read: {count(len(found.findings), 'thing')} found"


def _quick(case: Case, facts: LogFacts) -> tuple[list[Finding], list[str], str]:
    """Look at what is cheap to look at."""
    problems = [f"{_records(first, last)} missing" for first, last in facts.missing]
    problems += facts.damaged
    if facts.durable > facts.end:
        problems.append(f"{_records(facts.end + 1, facts.durable)} missing: what was durable is in no file")
    slices = facts.files.slices if facts.files else []
    for part in slices:
        try:
            segment.check_footer(part.segment).close()
        except FileNotFoundError:  # merged meanwhile
            continue
        except LogCorrupt as error:
            problems.append(error.message)
    if slices:
        try:
            segment.check_whole(slices[-1].segment)
        except FileNotFoundError:
            pass
        except LogCorrupt as error:
            problems.append(error.message)
    findings = [Finding("log-damaged", "wrong", problem, _VERIFY) for problem in dict.fromkeys(problems)]
    older = max(0, len(slices) - 1)
    unseen = [f"the content of {count(older, 'older segment')} (homeiq verify reads it)"] if older else []
    if not findings:
        findings.append(Finding("log-whole", "good", "the log is whole, as far as names, footers and its end say"))
    return (
        findings,
        unseen,
        f"in {count(len(slices), 'segment')} and {count(len(facts.files.tails) if facts.files else 0, 'tail')}",
    )


_VERIFY: Final = ("homeiq verify", "homeiq mend --from SRC   # a backup, if there is one; homeiq mend without")


def _records(first: int, last: int) -> str:
    return f"the record {first} is" if first == last else f"the records {first} to {last} are"


def _quarantine(data_dir: Path) -> list[Path]:
    try:
        return sorted(path for path in (data_dir / "quarantine").iterdir() if path.suffix != ".note")
    except OSError:
        return []


def _room(case: Case, facts: LogFacts) -> tuple[list[Finding], list[tuple[str, str]], dict[str, Any]]:
    """Say for how many days there is room, at the rate of the last 24 hours."""
    system = os.statvfs(case.data_dir)
    free = system.f_bavail * system.f_frsize
    sizes = log_size(case.data_dir)
    young = facts.began is None or case.now - facts.began < _LEAST_MICROSECONDS
    a_day = 0.0 if young else facts.per_second(case.now, facts.last_day, DAY) * 86_400
    growth = bytes_per_record(case.data_dir, sizes, facts.end) * a_day
    days = free / growth if growth else None
    rate = "how fast it grows is not known yet" if young else "it does not grow"
    if days is not None:
        room = f"{days:,.0f} days" if days < _MANY_DAYS else "more than 10 years"
        rate = f"it grows by {size(growth)} a day: room for {room}"
    lines = [("disk", f"the log has {size(sizes.total)}, {size(free)} are free; {rate}")]
    said = {"log_bytes": sizes.total, "free_bytes": free, "bytes_per_day": round(growth), "days_left": days}
    if not os.access(log_folder(case.data_dir), os.W_OK) and case.recorder() is None:
        sentence = f"{log_folder(case.data_dir)} cannot be written by this user"
        return (
            [Finding("log-not-writable", "wrong", sentence, (f"ls -ld {log_folder(case.data_dir)}", "id"))],
            lines,
            said,
        )
    if free < _LEAST_BYTES:
        sentence = f"the disk of {case.data_dir} is full: {size(free)} are free"
        return [Finding("disk-full", "wrong", sentence, _MAKE_ROOM)], lines, said
    if days is not None and days < _SOON_DAYS:
        severity: Any = "wrong" if days < _VERY_SOON_DAYS else "attention"
        sentence = f"the disk of {case.data_dir} is full in {length(days * 86_400)}"
        return [Finding("disk-full-soon", severity, sentence, _MAKE_ROOM)], lines, said
    return [], lines, said


_MAKE_ROOM: Final = (
    "du -xh --max-depth=2 / | sort -h | tail",
    "homeiq compact   # after setting retention in homeiq.yaml",
)
