"""The page of all commands: their words, arguments and options, as click knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
from homeiq.cli import cli

__all__ = ["page"]

_HEAD = """# Commands

Made from the commands themselves: `homeiq COMMAND --help` says the same. Times are ISO 8601 (UTC where they say no other
zone), `yesterday`, or how long ago: `36h`, `7d`. Exit codes: 0 done; 1 something was wrong or could not be done; 2 wrong
usage or configuration. What can go wrong is in `docs/errors.md`.
"""


def page() -> str:
    """Return the page."""
    root = click.Context(cli, info_name="homeiq")
    parts = [_HEAD, "## homeiq\n\nOptions of all commands, before the command's name.\n", _options(cli, root)]
    for name, command in sorted(_all(cli, "homeiq")):
        parts.append(f"\n## {name}\n\n{_words(command)}\n\n    {_usage(name, command)}\n")
        parts.append(_options(command, root))
        if command.epilog:
            parts.append("\nThe views are in `docs/reference/views.md`.\n" if name == "homeiq sql" else command.epilog)
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _all(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from _all(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _words(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    return text.replace("<", "&lt;")


def _usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    return " ".join([name, *command.collect_usage_pieces(context)])


def _options(command: click.Command, context: click.Context) -> str:
    rows = [record for option in command.params if (record := option.get_help_record(context)) is not None]
    if not rows:
        return ""
    lines = ["", "| option | |", "| --- | --- |"]
    lines += [f"| `{names.replace('|', chr(92) + '|')}` | {_cell(said)} |" for names, said in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
