"""Attributes of a state → fields, each of which has one type for ever. Pure.

    a number         attr_<name>        float
    a text           attr_<name>_str    string
    true, false      attr_<name>_bool   boolean
    a list, object   attr_<name>_json   string

An attribute whose own name ends in `_str`, `_bool` or `_json` (and any `_` after it) gets one more `_` first, so that no
two can meet. NaN, infinity, numbers beyond a float, strings over 64 KiB and what is nested too deeply are left out, and
counted.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import orjson

from ...verbatim import storable
from ..point import LARGEST_STRING, Field, clean_name
from .unit_attributes import UnitsOfAttributes
from .units import Conversion

__all__ = [
    "MOST_ATTRIBUTES",
    "AttributeFields",
    "carries_credential",
    "is_credential_name",
    "json_text",
    "without_credentials",
]

MOST_ATTRIBUTES: Final = 200
"""The first so many attributes of a state, by name, get fields of their own; the rest go to `attr_more_json`."""

_OWN_FIELD = frozenset({"friendly_name", "icon", "unit_of_measurement", "device_class"})
_CREDENTIAL = re.compile(
    r"entity_picture|token|passw|pass_?(?:phrase|code)|(?:^|[\W_])(?:pass|pwd|psk)(?:$|[\W_])|secret|api[\W_]?key|credential"
    r"|private[\W_]?key|authsig|authorization|bearer|cookie|webhook|cloudhook",
    re.IGNORECASE,
)
"""Names of what is, or may contain, a credential."""

_CREDENTIAL_VALUE = re.compile(
    r"[?&;][^?&;=\s]*(?:token|sig|signature|key|passw(?:or)?d|pwd|secret|auth|credential)="  # of a URL's query
    r"|://[^/?#\s]*:[^/?#\s]*@"  # a user with a password, in a URL
    r"|/api/webhook/|\bbearer\s+\S{8}|\beyJ[\w-]+\.eyJ[\w-]+\."  # Home Assistant's webhooks, headers, JSON web tokens
    r"|[\"'][^\"']*(?:token|passw|secret|api_?key|credential)[^\"']*[\"']\s*:",  # JSON inside a text
    re.IGNORECASE,
)
_SUFFIXES = ("_str", "_bool", "_json")
_CACHED = 20_000
_PLAIN_LENGTH = LARGEST_STRING // 4


class AttributeFields:
    """Makes fields of attributes, and counts what is left out: by reason, how often."""

    def __init__(self) -> None:
        self.left_out: dict[str, int] = {}
        self._names: dict[str, tuple[str, str, str, str] | None] = {}

    def add(self, attributes: dict[str, Any], units: UnitsOfAttributes | None, fields: dict[str, Field]) -> None:
        """Add the fields of `attributes` to `fields`."""
        if len(attributes) > MOST_ATTRIBUTES:
            attributes = self._fold(attributes)
        for attribute, value in attributes.items():
            made = self.field_of(attribute, value, units)
            if made is not None:
                fields[made[0]] = made[1]

    def field_of(self, attribute: str, value: Any, units: UnitsOfAttributes | None) -> tuple[str, Field] | None:
        """Return the field of an attribute; None where it has none."""
        if value is None:
            return None
        names = self._names[attribute] if attribute in self._names else self._name(attribute)
        if names is None:
            return None
        kind = type(value)
        if kind is str:
            if len(value) > _PLAIN_LENGTH or not value.isascii() or _is_suspect(value):
                text = self._text(value)
                return None if text is None else (names[1], text)
            return names[1], value
        if kind is bool:
            return names[2], value
        if kind is float or kind is int:
            number = self._number(value, units.get(attribute) if units else None)
            return None if number is None else (names[0], number)
        json = self._json(value)
        return None if json is None else (names[3], json)

    def _number(self, value: float, made: Conversion | None) -> float | None:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if made is not None:
            number = made.of(number)
        if number - number != 0.0:  # infinite, or not a number
            self._leave_out("a number that is not finite, or beyond a float")
            return None
        return number

    def _name(self, attribute: str) -> tuple[str, str, str, str] | None:
        """Return the names of an attribute's fields, by type; None if it is not to reach a target."""
        names = None
        if attribute not in _OWN_FIELD and not is_credential_name(attribute):
            plain = f"attr_{attribute}_" if _ends_like_ours(attribute) else f"attr_{attribute}"
            text, boolean, json = (clean_name(f"{plain}_{kind}") for kind in ("str", "bool", "json"))
            names = (clean_name(plain), text, boolean, json)
        if len(self._names) > _CACHED:
            self._names.clear()
        self._names[attribute] = names
        return names

    def _json(self, value: Any) -> str | None:
        try:
            text = json_text(value)
            if len(text) <= _PLAIN_LENGTH and not _is_suspect(text):
                return text  # a short list of plain values: nothing in it can carry a credential
            return self._text(_safe_json(text, value))
        except RecursionError:
            self._leave_out("a list or an object that is nested too deeply")
            return None

    def _text(self, value: str) -> str | None:
        if carries_credential(value):
            return None
        text = storable(value) or ""
        if len(text.encode()) > LARGEST_STRING:
            self._leave_out("a text of more than 64 KiB")
            return None
        return text

    def _fold(self, attributes: dict[str, Any]) -> dict[str, Any]:
        own = sorted(name for name in attributes if name != "more")
        rest = {name: attributes[name] for name in own[MOST_ATTRIBUTES:] if self._name(name) is not None}
        if "more" in attributes:
            rest["more"] = attributes["more"]
        return {name: attributes[name] for name in own[:MOST_ATTRIBUTES]} | {"more": rest}

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def carries_credential(text: str) -> bool:
    """Tell whether a text carries a password, a token, or a URL with one in it; letters and digits alone do not."""
    return not text.isalnum() and _is_suspect(text) and _CREDENTIAL_VALUE.search(text) is not None


def is_credential_name(attribute: str) -> bool:
    """Tell whether what has this name is, or may contain, a credential."""
    return _CREDENTIAL.search(attribute) is not None


def _is_suspect(text: str) -> bool:
    """Tell whether a text has what every one that carries a credential has: quicker to find than the expression."""
    return "=" in text or "/" in text or "{" in text or "earer" in text or "eyJ" in text or "EARER" in text


def _ends_like_ours(attribute: str) -> bool:
    return attribute.rstrip("_").endswith(_SUFFIXES)


def json_text(value: Any) -> str:
    """Return a list or an object as JSON; numbers that JSON has no word for become null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):
        import json

        return json.dumps(_without_infinities(value), ensure_ascii=True, separators=(",", ":"))


def _safe_json(text: str, value: Any) -> str:
    """Return a list or an object as JSON (`text` is all of it), without what carries a credential."""
    clean = _CREDENTIAL.search(text) or _CREDENTIAL_VALUE.search(text)
    return json_text(without_credentials(value)) if clean else text


def without_credentials(value: Any) -> Any:
    """Return a value without the parts of it that carry a credential; None if it does so as a whole."""
    if isinstance(value, dict):
        return {key: without_credentials(part) for key, part in value.items() if not _CREDENTIAL.search(str(key))}
    if isinstance(value, list):
        return [without_credentials(part) for part in value]
    return None if isinstance(value, str) and carries_credential(value) else value


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_infinities(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_infinities(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
