"""The page of all errors: every place in the code that makes one, what it says, what to do, and which commands say it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from homeiq import errors
from homeiq.errors import HomeiqError, Kind

from .raised import Raised, raised
from .reached import commands_by_definition

__all__ = ["ADVICE", "SELF_EVIDENT", "advice", "catalogue", "page"]

_HEAD = """# Errors

Every way in which a command can fail, made from the code: each sentence that it can say, and what to do. What is filled in
stands between ‹ and ›. A command says one such sentence on stderr, behind `homeiq: `, and ends with the exit code; what to
do is a part of the sentence where the table has it after a colon.

`homeiq run`, `record` and `demo` go on where they can: what a source or a target says to them is a line in their log, tried
again by itself, and ends nothing. `run` and `demo` start `homeiq replay --follow` as a second process, which says what
`replay` can say.

Beside these there are click's own sentences for options that are not there or lack their value (exit code 2), and exit
code 1 without an error: `audit`, `verify`, `backup`, `restore` and `normalize test` have found something, and printed it.
"""

_SUBJECTS: tuple[tuple[str, str, type[HomeiqError]], ...] = (
    ("How a command was given", "What was typed cannot be carried out; nothing was changed.", errors.UsageError),
    ("Settings", "`homeiq.yaml`, or a variable; the sentence names which.", errors.SettingsError),
    ("Sources", "Home Assistant, and the services that utilities ask.", errors.SourceError),
    ("Targets", "InfluxDB, and what else points are written to.", errors.TargetError),
    ("Backups", "The place of a backup.", errors.BackupUnreachable),
    ("Backups", "", errors.BackupRefused),
    ("The log", "The data folder, and what lies in it.", errors.LogError),
    ("Stopped, or overtaken", "Something came between; what was done is done.", HomeiqError),
)
"""Headings, and the errors below each: the first that fits."""

ADVICE = {
    Kind.RETRY: "wait: it is tried again by itself, or run the command again",
    Kind.CORRUPT: "`homeiq verify` says what is damaged, and what is missing for it",
    Kind.OPERATOR: "",
}
"""What to do where the sentence does not say it, by who can mend it."""

_BY_SOCKET = "(said on the recorder's socket)"
SELF_EVIDENT = {
    "--follow goes on for ever and takes no other option but --target": "leave the others out",
    "--since is not before --until": "set --since earlier, or --until later",
    "--since is not before --until, or lies in the future": "set --since earlier, or --until later",
    ".mode takes one of ‹join›": "name one of these",
    "--parquet writes the result of one query: give it as an argument": '`homeiq sql --parquet FILE "SELECT …"`',
    "there is no ‹word›: .help says what there is": "`.help`",
    "an event must be a list of time, source, origin, event_type, entity_id, state and raw": _BY_SOCKET,
    "since and until must be microseconds UTC, in this order": _BY_SOCKET,
    "there are no events to append": _BY_SOCKET,
    "‹title› is not open": "(a mistake in homeiq: report it)",
    "the log is closed": "(a mistake in homeiq: report it)",
}
"""What to do where the sentence alone says it to a person at the terminal, or is for no person."""

_ASKING = (
    ("connectors/http_client.py", "HttpClient"),
    ("connectors/home_assistant/client.py", "HomeAssistantConnector"),
)

_OTHERS_WORDS = {
    ("commands/backfill.py", "backfill"): "Home Assistant is not configured: set home_assistant.url or .token",
    ("commands/normalize.py", "_python"): "what is wrong with the normalizer, by file and line",
    (
        "commands/record.py",
        "run_recorder",
    ): "http.host can be reached from other machines: set http.token, or http.host",
    ("connectors/base.py", "Asking"): "what the first of several questions was answered",
    ("connectors/home_assistant/client.py", "_Session"): "how the connection ended",
    ("connectors/http_client.py", "_no_answer"): "‹service› ends the connection without an answer",
    ("recorder/imports.py", "Imports"): "what is wrong with a line of an import",
    ("replayer/targets/influxdb_answers.py", "writing_error"): "what InfluxDB says of the lines",
    ("replayer/targets/influxdb_kind.py", "_try_mapping"): "the bucket's name is mapped to another bucket",
    ("storage/restore.py", "_sizes"): "which file of the backup is damaged",
    ("storage/restore.py", "fetch"): "which file of the backup is damaged",
    ("storage/sql.py", "_ask"): "what DuckDB says of the query",
}
"""What is said where nothing of the sentence stands in the code that raises it."""

_WORDS = {
    **{"strerror": "reason", "error": "reason", "problem": "reason", "get": "reason", "answer": "reason"},
    **{"title": "target", "shown": "place", "data dir": "data folder", "join": "names", "said": "what was said"},
    **{"who": "service", "own": "ID", "nearest": "the nearest name", "holder": "process", "short": "reason"},
}


def catalogue() -> list[Raised]:
    """Return every place that makes an error."""
    return raised(set(errors.__all__) - {"Kind"})


def advice(one: Raised) -> str:
    """Return what to do; empty where nobody says it."""
    kind = getattr(errors, one.error)
    other = "it says what" if (one.module, one.definition) in _OTHERS_WORDS else ""
    return one.hint or SELF_EVIDENT.get(one.sentence) or ADVICE[kind.kind] or other


def page() -> str:
    """Return the page."""
    reached = commands_by_definition()
    parts = [_HEAD]
    numbers: dict[str, list[int]] = {}
    number = 0
    for heading, group in _by_subject(catalogue()).items():
        intro = next(words for name, words, _ in _SUBJECTS if name == heading)
        parts.append(
            f"\n## {heading}\n\n{intro}\n\n| | it says | what to do | exit | commands |\n| --- | --- | --- | --- | --- |\n"
        )
        for (sentence, hint, code), places in group.items():
            number += 1
            commands = sorted(set().union(*(_commands(one, reached) for one in places)))
            for command in commands:
                numbers.setdefault(command, []).append(number)
            shown = "most" if len(commands) > 9 else ", ".join(f"`{command}`" for command in commands)
            said = f"{sentence}: {hint}" if places[0].hint else sentence
            todo = "" if places[0].hint else hint
            parts.append(f'| <span id="e{number}">{number}</span> | {said} | {todo} | {code} | {shown} |\n')
    parts.append("\n## By command\n\n| command | errors |\n| --- | --- |\n")
    parts += [f"| `homeiq {command}` | {_linked(found)} |\n" for command, found in sorted(numbers.items())]
    return "".join(parts)


def _by_subject(places: Iterable[Raised]) -> dict[str, dict[tuple[str, str, int], list[Raised]]]:
    """Return the errors below their headings; one that is made in several places is one."""
    found: dict[str, dict[tuple[str, str, int], list[Raised]]] = {heading: {} for heading, _, _ in _SUBJECTS}
    for one in places:
        kind = getattr(errors, one.error)
        heading = next(heading for heading, _, family in _SUBJECTS if issubclass(kind, family))
        key = (_sentence(one), _cell(advice(one)), kind.exit_code)
        found[heading].setdefault(key, []).append(one)
    return {heading: dict(sorted(group.items())) for heading, group in found.items() if group}


def _sentence(one: Raised) -> str:
    """Return what is said; of one that is filled in as a whole, what it is about."""
    whole = re.fullmatch(r"‹[^›]*›", one.sentence)
    return f"‹{words}›" if whole and (words := _OTHERS_WORDS.get((one.module, one.definition))) else _cell(one.sentence)


def _commands(one: Raised, reached: dict[tuple[str, str], set[str]]) -> set[str]:
    """Return the commands that can come to a place; where the way is not seen, those that come to its module."""
    found = reached.get((one.module, one.definition))
    if issubclass(getattr(errors, one.error), errors.SourceError):  # others know the classes, and ask nobody
        return (found or set()) & set().union(*(reached.get(place, set()) for place in _ASKING))
    if found:
        return found
    return set().union(*(commands for (module, _), commands in reached.items() if module == one.module))


def _linked(found: list[int]) -> str:
    """Return numbers as links, of several in a row the first and the last."""
    parts: list[str] = []
    for number in found:
        parts.append(f"[{number}](#e{number})")
    return ", ".join(parts)


def _cell(text: str) -> str:
    for name, word in _WORDS.items():
        text = text.replace(f"‹{name}›", f"‹{word}›")
    return " ".join(inspect.cleandoc(text).split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
