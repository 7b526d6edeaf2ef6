"""Which windows are doubtful by what came later: another view of the home, records that were lost, or forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..clock import DAY
from ..storage.gaps import facts_of
from ..storage.record import Record
from ..storage.vanished import vanished_of
from .frozen import REASON, concerned
from .tracks import Taken, Track

__all__ = ["doubt_forgotten", "doubt_home", "doubt_lost"]


def doubt_forgotten(record: Record, tracks: Iterable[Track], taken: Mapping[Track, Taken]) -> None:
    """Records were forgotten: what was made of them goes."""
    for forgotten in vanished_of([record]).forgotten:
        for track in tracks:
            for window in concerned(track.normalizer, forgotten, track.states):
                taken[track].stale.setdefault(window, REASON)


def doubt_lost(record: Record, tracks: Iterable[Track], taken: Mapping[Track, Taken]) -> None:
    """Records at the log's end that were projected are lost since: what may be made of them is made anew.

    Where sealed records were lost, their windows are frozen instead.
    """
    facts = facts_of(record.raw)
    first = facts.get("first")
    if "rows" in facts or not isinstance(first, int):
        return
    for track in tracks:
        touched = [window for window, (state, end) in track.states.items() if state == "live" or end >= first]
        taken[track].stale |= dict.fromkeys(touched, "the end of the log was lost")


def doubt_home(what: str, times: tuple[float, float], position: int, taken: Mapping[Track, Taken]) -> None:
    """Find the windows in which something was written that depends on what is now known of the times [start, end)."""
    start, end = times
    for track in taken:
        if what not in track.normalizer.of_home:
            continue
        for window in track.states:
            reached = window - track.normalizer.ahead, window + DAY + track.normalizer.back
            if reached[1] > start and reached[0] < end and window not in taken[track].stale:
                first = window if start == float("-inf") else int(start)
                if track.reaches(window, first, position):
                    taken[track].stale[window] = f"the {what.replace('_', ' ')} changed"
