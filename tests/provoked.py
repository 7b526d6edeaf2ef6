"""Which of the places that raise an error were reached by the tests: after a whole run, one that was not is a failure.

An error that is made in the tests' own process is known by its line; of a homeiq that ran as a process of its own, by the
sentence that it said. `NOT_PROVOKED` holds those that cannot be made to happen in a test, each with the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from homeiq import errors
from reference.raised import ROOT, Raised, raised

__all__ = ["NOT_PROVOKED", "heard", "missing", "record", "seen"]

NOT_PROVOKED: dict[str, str] = {}

_ERRORS = str(Path(errors.__file__).resolve())

seen: set[str] = set()
"""`module:line` of errors made here, and what was said elsewhere."""


def record() -> None:
    """Note from now on each error that is made in this process."""
    original: Callable[..., None] = errors.HomeiqError.__init__

    def noting(self: errors.HomeiqError, *arguments: Any, **options: Any) -> None:
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename == _ERRORS:
            frame = frame.f_back
        seen.add(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        original(self, *arguments, **options)

    errors.HomeiqError.__init__ = noting  # type: ignore[method-assign]


def heard(text: str) -> None:
    """Note what a process of homeiq has said."""
    seen.update(line for line in text.splitlines() if line)


def missing(found: set[str]) -> list[Raised]:
    """Return the places that none of what was found came from."""
    lines = {place for place in found if place.startswith(str(ROOT))}
    said = "\n".join(found - lines)
    return [one for one in raised(set(errors.__all__) - {"Kind"}) if not _reached(one, lines, said)]


def _reached(one: Raised, lines: set[str], said: str) -> bool:
    if any(f"{ROOT / one.module}:{line}" in lines for line in range(one.line, one.end_line + 1)):
        return True
    return one.pattern is not None and one.pattern.search(said) is not None
