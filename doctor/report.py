"""A diagnosis as Markdown, for a file: what `homeiq doctor` shows, in the same order. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .diagnosis import Diagnosis
from .finding import Finding, Section, Severity, Table
from .words import moment

__all__ = ["HEADINGS", "markdown", "remedies"]

HEADINGS: dict[Severity, str] = {"good": "What works", "wrong": "What does not", "attention": "What needs attention"}
"""In the order in which they are shown."""


def markdown(found: Diagnosis) -> str:
    """Return the whole diagnosis."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Diagnosis) -> Iterator[str]:
    yield "# homeiq doctor"
    yield ""
    yield f"**{_text(found.answer)}**"
    yield ""
    yield f"{moment(found.at)}, in {found.seconds:.1f} s"
    for section in found.sections:
        yield from _section(section)
    for severity, heading in HEADINGS.items():
        if findings := found.of(severity):
            yield from ("", f"## {heading}", "")
            yield from (f"- `{finding.code}`: {_text(finding.sentence)}" for finding in findings)
    if found.unseen:
        yield from ("", "## Not looked at", "")
        yield from (f"- {_text(words)}" for words in found.unseen)
    if steps := remedies(found):
        yield from ("", "## What to do")
        for finding, commands in steps:
            yield from (
                "",
                f"{_text(finding.sentence)} (docs/findings.md#{finding.code})",
                "",
                "```sh",
                *commands,
                "```",
            )


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}")
    if section.lines:
        yield from ("", "| | |", "| --- | --- |")
        yield from (f"| {_text(label)} | {_text(text)} |" for label, text in section.lines)
    for table in section.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"{table.title}:", "")
    yield f"| {' | '.join(table.columns)} |"
    yield f"| {' | '.join('---' for _ in table.columns)} |"
    yield from (f"| {' | '.join(map(_text, row))} |" for row in table.rows)


def _text(text: str) -> str:
    """Return a text that Markdown shows as it is; an entity's name may hold anything."""
    for sign in ("\\", "`", "*", "_", "<", ">", "|", "[", "]", "#"):
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ").replace("\r", " ")


def remedies(found: Diagnosis) -> list[tuple[Finding, tuple[str, ...]]]:
    """Return what to do, for whom: what is wrong first. The same commands are named once."""
    steps: list[tuple[Finding, tuple[str, ...]]] = []
    said: set[tuple[str, ...]] = set()
    for finding in (*found.of("wrong"), *found.of("attention")):
        if finding.remedy and finding.remedy not in said:
            said.add(finding.remedy)
            steps.append((finding, finding.remedy))
    return steps
