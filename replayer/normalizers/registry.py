"""Which normalizer reads which records, and the fingerprint by which a change of one is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files

from ...choice import Choice
from ...storage.record import Record, decode
from ...storage.tail import lines_of
from ..home import HOME_TYPES, Home
from ..point import line
from .base import Normalizer, SetAside
from .home_assistant import HomeAssistantNormalizer

__all__ = ["normalizers", "fingerprint", "golden_lines", "golden_records"]


def normalizers(choice: Choice | None = None) -> list[Normalizer]:
    """Return a new instance of each normalizer; each projects what is chosen, by default everything that it reads."""
    found: list[Normalizer] = [HomeAssistantNormalizer()]
    for normalizer in found:
        normalizer.choice = choice or Choice()
    return found


def golden_records(normalizer: Normalizer) -> list[Record]:
    """Return the records shipped with a normalizer: what it must make sense of, odd ones among them."""
    content = files(__package__).joinpath("golden", f"{normalizer.name}.ndjson").read_bytes()
    return [decode(line) for line in lines_of(content)]


def golden_lines(normalizer: Normalizer) -> Iterator[str]:
    """Yield the lines that a normalizer makes of its golden records, or why it makes none."""
    home = Home()
    records = golden_records(normalizer)
    home.learn_all(record for record in records if record.event_type in HOME_TYPES)
    for record in records:
        if normalizer.reads.wants(record):
            try:
                for point in normalizer.normalize(record, home.at(record.time)):
                    yield line(point)
            except SetAside as error:
                yield f"# {error}"


def fingerprint(normalizer: Normalizer) -> str:
    """Return what tells one state of a normalizer from another.

    Its version, what it makes of its golden records, and what is chosen to be projected, where that is not everything.
    """
    digest = hashlib.blake2b(digest_size=8)
    for text in golden_lines(normalizer):
        digest.update(text.encode("utf-8", "replace") + b"\n")
    chosen = normalizer.choice.digest()
    return f"{normalizer.version}-{digest.hexdigest()}" + (f"-{chosen}" if chosen else "")
