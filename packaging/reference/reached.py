"""Which commands can come to which definition: by the names that each function and class uses, followed from cli.py.

A class stands for all its methods. A name is followed to where it was imported from, wherever the import stands. What is
called by a name that is only known when it runs (a connector of a section) is added in `_reached`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
from homeiq.cli import _READING, cli
from homeiq.connectors.registry import connector_names

from .raised import ROOT

__all__ = ["commands_by_definition"]

Place = tuple[str, str]
"""A module (its path from the root), and the name of a function, class or variable of it."""

_BY_NAME: Place = ("connectors/registry.py", "create")
"""What loads a module by the name of a section, and runs it."""


def commands_by_definition() -> dict[Place, set[str]]:
    """Return for each definition the commands that can come to it."""
    found: dict[Place, set[str]] = {}
    for name, function in _commands().items():
        begin: set[Place] = {function, ("cli.py", "_data_folder")}
        if name.partition(" ")[0] in _READING:
            begin.add(("storage/restore.py", "fetch"))
        for place in _reached(begin):
            found.setdefault(place, set()).add(name)
    return found


def _commands(group: click.Group = cli, path: str = "") -> dict[str, Place]:
    """Return the function of each command, by the command's name as one writes it."""
    commands: dict[str, Place] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            commands |= _commands(command, f"{path}{name} ")
        elif command.callback is not None:
            function = inspect.unwrap(command.callback)
            module = function.__module__.removeprefix("homeiq.").replace(".", "/")
            commands[f"{path}{name}"] = (f"{module}.py", function.__name__)
    return commands


def _reached(places: set[Place]) -> set[Place]:
    found: set[Place] = set()
    todo = set(places)
    while todo:
        place = todo.pop()
        found.add(place)
        used = set(_uses(place)) if place != ("cli.py", "_data_folder") else set()
        if place == _BY_NAME:
            for module in (f"connectors/{name}.py" for name in connector_names()):
                used |= {(module, name) for name in _definitions(module)}
        todo |= used - found
    return found


def _uses(place: Place) -> Iterator[Place]:
    """Yield what a definition uses: of its own module, and of others."""
    module, name = place
    definitions = _definitions(module)
    for node in definitions.get(name, []):
        imported = {**_imported(module), **dict(_imports(module, node))}
        commands = module.startswith("cli")  # whose decorators name the group, and so all commands
        inside = node.body if isinstance(node, ast.FunctionDef) and commands else [node]
        for part in (part for one in inside for part in ast.walk(one)):
            if commands and isinstance(part, ast.Attribute) and part.attr == "settings":
                yield "commands/configuration.py", "load_settings"
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in imported:
                target = imported[part.value.id]
                yield (target[0], part.attr) if not target[1] else target
            elif isinstance(part, ast.Name):
                if part.id in imported:
                    yield imported[part.id]
                elif part.id in definitions:
                    yield module, part.id


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


@cache
def _definitions(module: str) -> dict[str, list[ast.stmt]]:
    """Return the statements that define each name of a module."""
    found: dict[str, list[ast.stmt]] = {}
    for node in _tree(module).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.setdefault(name, []).append(node)
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(node)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.setdefault(name, []).append(node)
    return found


@cache
def _imported(module: str) -> dict[str, Place]:
    top = [node for node in _tree(module).body if isinstance(node, ast.ImportFrom | ast.If)]
    return {name: place for node in top for name, place in _imports(module, node)}


def _imports(module: str, within: ast.AST) -> Iterator[tuple[str, Place]]:
    """Yield each name that is imported of ours, with where it comes from; a whole module has no name there."""
    package = Path(module).parts[:-1]
    for node in ast.walk(within):
        if not (isinstance(node, ast.ImportFrom) and node.level):
            continue
        base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ())]
        for alias in node.names:
            whole = _file([*base, alias.name])
            file = _file(base)
            if whole:
                yield alias.asname or alias.name, (whole, "")
            elif file:
                yield alias.asname or alias.name, (file, alias.name)


def _file(parts: list[str]) -> str:
    for name in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if parts and (ROOT / name).is_file():
            return name
    return ""
