"""`homeiq doctor`: the whole diagnosis for a person, as JSON, or as a Markdown file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from ..doctor.case import Limits
from ..doctor.diagnosis import Diagnosis, diagnose, without_settings
from ..doctor.finding import Section, Severity, Table
from ..doctor.report import HEADINGS, markdown, remedies
from ..errors import SettingsError, UsageError
from ..storage.files import Files
from .configuration import load_settings
from .terminal import print_json, say

__all__ = ["doctor", "found_out"]

_COLOURS: dict[Severity, str] = {"good": "green", "wrong": "bold red", "attention": "yellow"}
_SIGNS: dict[Severity, str] = {"good": "+", "wrong": "!", "attention": "?"}
_FULL = Limits(request=60.0, check=24 * 3_600.0, full=True)
_PLAIN_COLUMNS = 80


def doctor(
    config: Path | None, data_dir: Path | None, *, as_json: bool = False, report: Path | None = None, full: bool = False
) -> None:
    """Print the diagnosis, or write it; end with exit code 1 if something is wrong. Raises UsageError."""
    found = found_out(config, data_dir, full=full)
    if report is not None:
        _write(report, found)
    if as_json:
        print_json(found.as_json())
    elif report is None:
        _print(found)
    else:
        say(f"{found.answer}: the report is in {report}")
    if not found.ok:
        raise SystemExit(1)


def found_out(config: Path | None, data_dir: Path | None, *, full: bool = False) -> Diagnosis:
    """Return the diagnosis; of settings that can't be read, that alone. Raises nothing."""
    try:
        settings = load_settings(config, data_dir=data_dir)
    except SettingsError as error:
        return without_settings(error, config)
    return diagnose(settings, config, limits=_FULL if full else Limits(), data_dir_given=data_dir is not None)


def _write(report: Path, found: Diagnosis) -> None:
    try:
        Files().write_whole(report.absolute(), markdown(found).encode("utf-8", "replace"))
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--report {report} cannot be written ({reason})", hint="name another file") from None


def _print(found: Diagnosis) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=_PLAIN_COLUMNS)
    colour = "bold green" if found.ok else "bold red"
    console.print(Text(found.answer, style=colour))
    for section in found.sections:
        _print_section(console, section)
    for severity, heading in HEADINGS.items():
        if findings := found.of(severity):
            console.print(_heading(heading))
            rows = _grid()
            for finding in findings:
                sign = Text(_SIGNS[severity], style=_COLOURS[severity])
                rows.add_row(sign, Text(finding.sentence).append(f"  {finding.code}", style="dim"))
            console.print(rows)
    if found.unseen:
        console.print(_heading("Not looked at"))
        for words in found.unseen:
            console.print(Padding(Text(words), (0, 0, 0, 2)))
    _print_remedies(console, found)


def _print_remedies(console: Console, found: Diagnosis) -> None:
    steps = remedies(found)
    if not steps:
        return
    console.print(_heading("What to do"))
    for finding, commands in steps:
        console.print(Text(finding.sentence), Text(f"  docs/findings.md#{finding.code}", style="dim"), sep="\n")
        for command in commands:  # not wrapped: it is there to be copied
            console.print(Text(f"    {command}", style="bold"), soft_wrap=True)


def _heading(text: str) -> Group:
    return Group(Text(""), Rule(Text(text, style="bold"), align="left", characters="-", style="dim"))


def _grid() -> RichTable:
    return RichTable.grid(padding=(0, 1), pad_edge=False)


def _print_section(console: Console, section: Section) -> None:
    console.print(_heading(section.title))
    lines = _grid()
    for label, text in section.lines:
        lines.add_row(Text(label, style="dim"), Text(text, overflow="fold"))
    if section.lines:
        console.print(lines)
    for table in section.tables:
        _print_table(console, table)


def _print_table(console: Console, table: Table) -> None:
    console.print(Text(f"{table.title}:" if table.rows else f"{table.title}: none", style="dim"))
    if not table.rows:
        return
    rows = RichTable(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    numbers = {place for place in range(len(table.columns)) if all(_is_number(row[place]) for row in table.rows)}
    for place, column in enumerate(table.columns):
        right = "right" if place in numbers else "left"
        rows.add_column(column, justify=right, overflow="fold", no_wrap=not place)  # type: ignore[arg-type]
    for row in table.rows:
        rows.add_row(*(Text(cell) for cell in row))
    console.print(rows)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").isdigit()
