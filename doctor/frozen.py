"""Which windows stay as they are, since records of theirs have expired or are lost: for the doctor and `homeiq status`."""

from __future__ import annotations

from ..replayer.ledger import Ledger
from ..replayer.normalizers.registry import normalizers_of, with_retired
from ..settings import Settings
from .projection import Projection

__all__ = ["frozen_in", "frozen_starts"]


def frozen_in(settings: Settings, ledger: Ledger) -> dict[str, set[int]]:
    """Return by normalizer the starts of the windows that are frozen; it may have to look through the whole log."""
    from ..replayer.frozen import frozen_windows
    from ..storage.view import LogView

    view = LogView(settings.data_dir)
    known = with_retired(normalizers_of(settings), ledger)
    return {normalizer.name: set(frozen_windows(view, normalizer, ledger)) for normalizer in known}


def frozen_starts(settings: Settings, found: Projection) -> dict[str, set[int]]:
    """Return the same of a target's ledger; nothing where nothing is known of it."""
    ledger = Ledger.for_reading(settings.data_dir, found.target)
    if ledger is None:
        return {}
    try:
        return frozen_in(settings, ledger)
    finally:
        ledger.close()
