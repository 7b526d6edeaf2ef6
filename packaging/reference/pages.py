"""Which pages are made from the code, and by what."""

from __future__ import annotations

from collections.abc import Callable

from . import commands, errors, metrics, settings, views
from .raised import ROOT

__all__ = ["PAGES", "ROOT"]

PAGES: dict[str, Callable[[], str]] = {
    "docs/errors.md": errors.page,
    "docs/reference/commands.md": commands.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/settings.md": settings.page,
    "docs/reference/views.md": views.page,
}
