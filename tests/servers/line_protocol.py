"""An independent reading of line protocol, for comparing what a replay wrote with what a database holds."""

import json
import re
from typing import Any

__all__ = ["Content", "parse"]

Content = dict[tuple[str, frozenset[tuple[str, str]], int], dict[str, Any]]


def parse(text: str) -> Content:
    """Return the points of a text in line protocol, as a database would hold them; a later line adds to an earlier."""
    content: Content = {}
    for line in _lines(text):
        series, fields, time = _cut(line)
        measurement, *tags = _split(series, ",")
        pairs = (_split(tag, "=") for tag in tags)
        key = (_plain(measurement), frozenset((_plain(name), _plain(value)) for name, value in pairs), int(time))
        content.setdefault(key, {}).update(_fields(fields))
    return content


def _lines(text: str) -> list[str]:
    """Split at line feeds that are not inside a string, which begins at a quote behind a field's equal sign."""
    lines, start = [], 0
    while start < len(text):
        series = re.compile(r"(?:\\.|[^ \\])+", re.DOTALL).match(text, start)
        assert series is not None
        place, quoted = series.end(), False
        while place < len(text) and (quoted or text[place] != "\n"):
            if text[place] == "\\":
                place += 1
            elif text[place] == '"' and (quoted or text[place - 1] == "="):
                quoted = not quoted
            place += 1
        lines.append(text[start:place])
        start = place + 1
    return lines


def _cut(line: str) -> tuple[str, str, str]:
    first = re.match(r"(?:\\.|[^ \\])+", line, re.DOTALL)
    assert first is not None
    rest, _, time = line[first.end() + 1 :].rpartition(" ")
    return first.group(), rest, time


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator that is not escaped."""
    parts, start = [], 0
    for match in re.finditer(r"\\.|" + re.escape(separator), text, re.DOTALL):
        if match.group() == separator:
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]


def _plain(name: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", name)


def _fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in _split_fields(text):
        key = re.match(r"(?:\\.|[^=\\])+", part, re.DOTALL)
        assert key is not None
        fields[_plain(key.group())] = _value(part[key.end() + 1 :])
    return fields


def _split_fields(text: str) -> list[str]:
    """Split at commas outside strings; a quote begins a string only behind an equal sign."""
    parts, start, place, quoted = [], 0, 0, False
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 1
        elif quoted:
            quoted = character != '"'
        elif character == '"' and text[place - 1] == "=":
            quoted = True
        elif character == ",":
            parts.append(text[start:place])
            start = place + 1
        place += 1
    return [*parts, text[start:]]


def _value(text: str) -> Any:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    return int(text[:-1]) if text.endswith("i") else float(json.loads(text))
