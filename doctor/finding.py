"""What a check found: one thing that works, does not, or needs attention."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Finding", "Result", "Section", "Severity", "Table"]

Severity = Literal["wrong", "attention", "good"]
"""`wrong`: something is not recorded or not written, or can't be. `attention`: it is, but a person should know or act."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. `code` names its section in docs/findings.md; `remedy` is what to do, as commands to copy."""

    code: str
    severity: Severity
    sentence: str
    remedy: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON may hold it."""
        remedy = list(self.remedy)
        return {"code": self.code, "severity": self.severity, "sentence": self.sentence, "remedy": remedy}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below a line that says what they are."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the diagnosis for a person: `lines` are (label, text); `facts` are the same for a program."""

    name: str
    title: str
    lines: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a check gives: findings, parts of the diagnosis, and in words what it has not looked at."""

    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()
    unseen: tuple[str, ...] = ()
