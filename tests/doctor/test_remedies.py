"""What the doctor says to do can be copied: each command of homeiq in it exists, and takes these options."""

import ast
import shlex
from pathlib import Path

import pytest
from homeiq.cli import cli

ROOT = Path(__file__).parent.parent.parent


def _text(node: ast.AST) -> str:
    """Return a text of the code; what is filled in becomes a date, which all options take that are filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    return "2026-01-01" if isinstance(node, ast.FormattedValue) else ""


def commands() -> list[str]:
    """Return all that begin with homeiq, and are not a part of a longer text."""
    found = set()
    for path in (ROOT / "doctor").glob("*.py"):
        if path.name == "catalogue.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
        texts = [_text(node) for node in ast.walk(tree) if id(node) not in parts]
        found |= {text for text in texts if text.startswith("homeiq ")}
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_a_command_can_be_copied(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    while words[0].startswith("-"):
        words.pop(0)
    name, *arguments = words
    if name == "init" and name not in cli.commands:
        pytest.skip("it is not here yet")
    cli.commands[name].make_context(name, arguments)


def test_there_are_commands() -> None:
    assert "homeiq run" in commands()
    assert len(commands()) > 10
