"""Normalizers that are new, have changed, or were away for a time: what the follower redoes for them when it starts.

One is away while it cannot be used, or is not there: its file is broken, its plug-in is uninstalled. Meanwhile the log is
followed without it, and what it wrote is left as it is (or removed, where it is gone for good: see `with_retired`). When it
comes back, the windows of all records that came meanwhile are stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import pyarrow.compute as pc

from ..storage.view import LogView
from .frozen import is_frozen
from .home import HOME_TYPES
from .ledger import Ledger
from .normalizers.base import Normalizer, Retired
from .scope import Scope
from .windows import whole_windows, windows_behind

__all__ = ["CHANGED", "Followed", "find_changed", "note_away"]

CHANGED = "its normalizer has changed"
"""Why a window is stale that is redone because another version, or another configuration, made it."""


class Followed(Protocol):
    """What is asked of a track."""

    normalizer: Normalizer
    name: str
    fingerprint: str


def find_changed(
    track: Followed, ledger: Ledger, view_with: Callable[[int], LogView], position: int, *, all_of_it: bool = False
) -> None:
    """Mark stale what is to be redone.

    A normalizer that is new has nothing in the target yet; one that has changed redoes its newest day, or `all_of_it`; one
    that was away redoes what came meanwhile, and the rest when it is asked to, where the home is known otherwise since.
    """
    normalizer, name = track.normalizer, track.name
    if not ledger.measurements(name):
        view = view_with(position)
        spans = whole_windows(view, normalizer, None, None) if position else []
        spans = [span for span in spans if not is_frozen(view, normalizer, span.window)]
        stale = [(span.window, name, "its normalizer is new") for span in spans]
        ledger.introduce(name, normalizer.measurements, stale)
    since = None if isinstance(normalizer, Retired) else ledger.away_since(name)
    if since is not None:
        windows = windows_behind(view_with(position), normalizer, since, position) if position > since else []
        if _home_changed(view_with(position), normalizer, since, position):
            ledger.leave_behind(name, "")
        ledger.come_back(name, [(start, name, "its normalizer was away") for start in windows])
    changed = [
        window for window in ledger.windows(normalizer=name) if window.fingerprint not in ("", track.fingerprint)
    ]
    if changed and all_of_it:
        spans = Scope(stale=True).spans(view_with(position), normalizer, ledger, track.fingerprint)
        ledger.mark_stale([(span.window, name, CHANGED) for span in spans])
    else:
        newest = [window.start for window in changed if window.state == "live"]
        ledger.mark_stale([(start, name, CHANGED) for start in newest[-1:]])


def _home_changed(view: LogView, normalizer: Normalizer, since: int, upto: int) -> bool:
    """Tell whether records behind a seq, up to another, say something of the home that a normalizer asks for."""
    kinds = [kind for kind in HOME_TYPES if kind in normalizer.of_home]
    new = (pc.field("seq") > since) & (pc.field("seq") <= upto)
    return bool(kinds) and any(table.num_rows for table in view.scan(["seq"], event_types=kinds, wanted=new))


def note_away(tracks: Iterable[Followed], ledger: Ledger, position: int) -> None:
    """Enter from which position on the log is followed without normalizers that have written to the target."""
    here = {track.name for track in tracks if not isinstance(track.normalizer, Retired)}
    ledger.go_away(sorted(ledger.normalizers() - here), position)
