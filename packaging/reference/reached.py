"""Which commands can come to which module: by what they import, wherever in it they do."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from .raised import ROOT

__all__ = ["commands_by_module"]


def commands_by_module() -> dict[str, set[str]]:
    """Return for each module (its path from the root) the commands that import it, directly or by others."""
    found: dict[str, set[str]] = {}
    for name, modules in _commands().items():
        for module in set().union(*(_below(module) for module in modules)):
            found.setdefault(module, set()).add(name)
    return found


def _commands() -> dict[str, set[str]]:
    """Return the modules that each command of cli.py imports when it is called."""
    path = ROOT / "cli.py"
    commands = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and (name := _name_of(node)):
            commands[name] = _imports(path, node)
    return commands


def _name_of(function: ast.FunctionDef) -> str:
    """Return a command's name, as one writes it; an empty text for a function that is none."""
    for decorator in function.decorator_list:
        if not (isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)):
            continue
        group = decorator.func.value
        if decorator.func.attr != "command" or not isinstance(group, ast.Name):
            continue
        given = [argument.value for argument in decorator.args if isinstance(argument, ast.Constant)]
        name = str(given[0]) if given else function.name.strip("_").replace("_", "-")
        return name if group.id == "cli" else f"{group.id.strip('_')} {name}"
    return ""


@cache
def _below(module: str) -> frozenset[str]:
    found: set[str] = set()
    todo = {module}
    while todo:
        one = todo.pop()
        found.add(one)
        path = ROOT / one
        todo |= _imports(path, ast.parse(path.read_text(encoding="utf-8"))) - found
    return frozenset(found)


def _imports(path: Path, within: ast.AST) -> set[str]:
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(within):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ())]
            for names in [base, *([*base, alias.name] for alias in node.names)]:
                for name in ("/".join(names) + ".py", "/".join([*names, "__init__.py"])):
                    if names and (ROOT / name).is_file():
                        found.add(name)
    return found
