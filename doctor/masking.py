"""No secret leaves a diagnosis, whoever said it: a server's own words may repeat what they were sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from ..connectors.registry import connector_class
from ..errors import HomeiqError
from ..replayer.normalizers.registry import normalizer_classes
from ..sections import secrets_in
from ..settings import Settings
from .finding import Finding, Result, Section, Table

__all__ = ["MASK", "Masking", "is_secret", "without_user"]

MASK: Final = "•••"
"""Stands for a secret that is set."""

_LEAST: Final = 6
"""A shorter secret is a word that may mean something else."""

_USER_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+@")


def without_user(text: str) -> str:
    """Return a text without what stands before the host of an address: a name, and often a password."""
    return _USER_IN_URL.sub(f"{MASK}@", text)


def is_secret(section: str, key: str) -> bool:
    """Tell whether a key of a connector's or normalizer's section may hold a secret: what nobody describes may."""
    try:
        kinds = (connector_class(section), normalizer_classes().get(section))
    except HomeiqError:
        return True
    fields = [field for kind in kinds if kind and (field := kind.settings_model.model_fields.get(key))]
    return not fields or any("SecretStr" in str(field.annotation) for field in fields)


class Masking:
    """Takes the secrets of some settings out of results."""

    def __init__(self, settings: Settings) -> None:
        found = {text for text in _secrets(settings) if len(text) >= _LEAST}
        self._pattern = re.compile("|".join(map(re.escape, sorted(found, key=len, reverse=True)))) if found else None

    def result(self, result: Result) -> Result:
        """Return a result without them."""
        return Result(
            tuple(map(self._finding, result.findings)),
            tuple(map(self._section, result.sections)),
            tuple(map(self.text, result.unseen)),
        )

    def text(self, text: str) -> str:
        """Return a text without them."""
        text = self._pattern.sub(MASK, text) if self._pattern else text
        return without_user(text)

    def _finding(self, finding: Finding) -> Finding:
        return replace(finding, sentence=self.text(finding.sentence), remedy=self._texts(finding.remedy))

    def _section(self, section: Section) -> Section:
        lines = tuple((self.text(label), self.text(text)) for label, text in section.lines)
        tables = tuple(
            Table(table.title, table.columns, tuple(map(self._texts, table.rows))) for table in section.tables
        )
        return replace(section, lines=lines, tables=tables, facts=self._value(section.facts))

    def _texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(self.text, texts))

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._value(one) for key, one in value.items()}
        return [self._value(one) for one in value] if isinstance(value, list | tuple) else value


def _secrets(settings: Settings) -> Iterator[str]:
    yield from secrets_in(settings)
    for section in settings.sections:
        try:
            keys = settings.section(section)
        except HomeiqError:
            continue
        for key, value in keys.items():
            if is_secret(section, key):
                yield from _texts_in(value)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(one)
