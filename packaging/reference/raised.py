"""Where the code raises one of its errors, and with which sentence: read from its text, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Raised", "modules", "raised"]

ROOT = Path(__file__).parent.parent.parent
_NOT_OURS = (".venv", "build", "tests", "benchmarks", "packaging", "docs", "site")
_KNOWN = 12
"""So many fixed characters make a sentence one that can be told from others."""


@dataclass(frozen=True)
class Raised:
    """A place that makes an error, within a function or class of a module.

    What is filled in when it is said stands in the texts as `‹name›`.
    """

    module: str
    definition: str
    line: int
    end_line: int
    error: str
    sentence: str
    hint: str

    @property
    def key(self) -> str:
        """What it is called where a list of such places is kept: independent of lines."""
        return f"{self.module} {self.error}: {self.sentence}"

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What a said sentence matches; None where too little of it is fixed."""
        parts = re.split(r"‹[^›]*›", self.sentence)
        if sum(map(len, parts)) < _KNOWN:
            return None
        return re.compile(".*?".join(map(re.escape, parts)), re.DOTALL)


def modules() -> list[Path]:
    """Return all modules of the package."""
    return sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in _NOT_OURS)


def raised(error_names: set[str]) -> list[Raised]:
    """Return every place in the package that makes an error of these classes, in order."""
    return [one for path in modules() for one in _raised_in(path, error_names)]


def _raised_in(path: Path, error_names: set[str]) -> Iterator[Raised]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    within: dict[ast.AST, str] = {}
    for top in tree.body:
        if isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            within.update(dict.fromkeys(ast.walk(top), top.name))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in error_names):
            continue
        hints = [word.value for word in node.keywords if word.arg == "hint"]
        yield Raised(
            str(path.relative_to(ROOT)),
            within.get(node, ""),
            node.lineno,
            node.end_lineno or node.lineno,
            node.func.id,
            _text(node.args[0]) if node.args else "",
            _text(hints[0]) if hints else "",
        )


def _text(node: ast.expr) -> str:
    """Return a text of the source as it is read, with `‹name›` for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) for value in values)
        case ast.FormattedValue(value=value):
            return f"‹{_name(value)}›"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case _:
            return f"‹{_name(node)}›"


def _name(node: ast.expr) -> str:
    """Return a word for a value: the last name in the expression that gives it."""
    names = [part.attr if isinstance(part, ast.Attribute) else part.id for part in ast.walk(node) if _is_name(part)]
    return names[0].strip("_").replace("_", " ") if names else "…"


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id not in ("str", "self", "len"))
