"""Reading JSON without changing it: parts are cut out by position, never serialised again. Pure.

What Home Assistant sends is not always JSON by the letter: a bare NaN, half a surrogate pair and numbers beyond a double
have been seen. `loads` reads them all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

__all__ = ["loads", "strict_loads", "member", "elements", "listed", "storable"]

_DIGITS = 20
"""What has more is beyond 64 bits."""


def _integer(digits: str) -> int | float:
    """Read an integer as orjson does: beyond 64 bits it is a float. So what else a text holds decides nothing."""
    if len(digits) > _DIGITS:
        return float(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_int=_integer, strict=False)
_strict_decoder = json.JSONDecoder(parse_int=_integer, parse_constant=_no_constant)

_SPACE = re.compile(r"[ \t\n\r]*")


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text, strictly read where possible, else as tolerantly as Python can.

    Raises ValueError if it cannot be read at all.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return _decoder.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def strict_loads(text: str) -> Any:
    """Return the value of a text that is JSON by the letter: no NaN, no control characters in a text.

    Numbers beyond a double and half surrogate pairs are JSON by the letter. Raises ValueError, whose words hold nothing of
    the text.
    """
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        pass
    try:
        return _strict_decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _value_end(text: str, place: int) -> tuple[Any, int]:
    try:
        return _decoder.raw_decode(text, place)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _expect(text: str, place: int, what: str) -> int:
    place = _skip_space(text, place)
    if text[place : place + len(what)] != what:
        raise ValueError(f"expected {what} at {place}")
    return _skip_space(text, place + len(what))


def member(text: str, name: str) -> str | None:
    """Return the text of the value of an object's member exactly as it stands there (the last one of that name).

    None if there is none. Raises ValueError if `text` is not a JSON object.
    """
    found = None
    place = _expect(text, 0, "{")
    if text[place : place + 1] == "}":
        return None
    while True:
        key, place = _value_end(text, place)
        start = _expect(text, place, ":")
        _, place = _value_end(text, start)
        if key == name:
            found = text[start:place]
        place = _skip_space(text, place)
        if text[place : place + 1] == "}":
            return found
        place = _expect(text, place, ",")


def elements(text: str) -> Iterator[tuple[str, Any]]:
    """Yield each element of a JSON array as (its text exactly as it stands there, its value); raises ValueError."""
    for start, end, value in _elements(text, 0):
        if value is not _END:
            yield text[start:end], value


def listed(text: str) -> Iterator[tuple[str, str, Any]]:
    """Yield each element of the arrays in a JSON object of arrays as (the array's name, the element's text, its value).

    Reads no further than it is asked to. Raises ValueError.
    """
    place = _expect(text, 0, "{")
    while text[place : place + 1] != "}":
        name, place = _value_end(text, place)
        place = _expect(text, place, ":")
        for start, end, value in _elements(text, place):
            if value is _END:
                place = _skip_space(text, end)
            else:
                yield str(name), text[start:end], value
        if text[place : place + 1] != "}":
            place = _expect(text, place, ",")


_END = object()


def _elements(text: str, place: int) -> Iterator[tuple[int, int, Any]]:
    """Yield the elements of the array at `place` as (start, end, value); at last _END, with where the array ends."""
    place = _expect(text, place, "[")
    if text[place : place + 1] == "]":
        yield place, place + 1, _END
        return
    while True:
        value, end = _value_end(text, place)
        yield place, end, value
        end = _skip_space(text, end)
        if text[end : end + 1] == "]":
            yield end, end + 1, _END
            return
        place = _expect(text, end, ",")


def storable(text: Any) -> str | None:
    """Return a text that can be stored as UTF-8 (half surrogate pairs become U+FFFD); None for what is not a text."""
    if not isinstance(text, str):
        return None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
