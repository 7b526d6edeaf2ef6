"""Windows that can't be computed any more, since records have expired or are lost; and those from which some were
forgotten.

A window is frozen for a normalizer once a record has expired, or is lost, that it reads there, or that says what surrounded
the home then: it is not stale, not replayed, not audited, and its points stay as they are. Both follow from the log alone,
for any target and with any ledger: see storage/vanished.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..clock import DAY
from ..storage.record import HOUSEKEEPING
from ..storage.vanished import ANY, Expired, Forgotten
from ..storage.view import LogView
from .conditions import KINDS, SETTLES
from .ledger import Ledger
from .normalizers.base import POLLED, SIGNS, Normalizer, Reads

__all__ = ["REASON", "concerned", "frozen_windows", "is_frozen", "mark_forgotten", "not_frozen"]

REASON = "records were forgotten"


def is_frozen(view: LogView, normalizer: Normalizer, window: int) -> bool:
    """Tell whether a record that a window of this normalizer (its start, microseconds UTC) needs has expired."""
    expired = view.vanished.expired
    if not expired:
        return False
    start, end = window - normalizer.ahead, window + DAY + normalizer.back
    if _any(expired, normalizer.reads, start, end):
        return True
    if normalizer.repeat_every and _any(expired, SIGNS, window, window + DAY):
        return True
    return any(
        one.may_be(kind, POLLED) and one.start < end and one.end > start - KINDS[kind] - SETTLES
        for kind in KINDS
        if kind in normalizer.of_home
        for one in expired
    )


def _any(expired: Iterable[Expired], reads: Reads, start: int, end: int) -> bool:
    return any(one.start < end and one.end > start and _reads(reads, one) for one in expired)


def _reads(reads: Reads, one: Expired) -> bool:
    """Tell whether a normalizer reads records of a kind; of entities, the domain alone is known."""
    sources: tuple[str | None, ...] = reads.sources or (None,)
    if not any(one.may_be(source, event_type) for source in sources for event_type in reads.event_types):
        return False
    if one.event_type == POLLED or not (reads.entities or reads.domains):
        return True
    return one.domain in {ANY, *reads.domains, *(entity.partition(".")[0] for entity in reads.entities)}


def not_frozen(view: LogView, normalizer: Normalizer, windows: Iterable[int]) -> set[int]:
    """Return the windows (their starts) that can be computed."""
    return {window for window in windows if not is_frozen(view, normalizer, window)}


def frozen_windows(view: LogView, normalizer: Normalizer, ledger: Ledger) -> list[int]:
    """Return the windows that a normalizer has ever written, and that stay now as they are."""
    known = (window.start for window in ledger.windows(normalizer=normalizer.name) if window.fingerprint)
    return [window for window in known if is_frozen(view, normalizer, window)]


def concerned(normalizer: Normalizer, forgotten: Forgotten, windows: Iterable[int]) -> Iterator[int]:
    """Yield those of a normalizer's windows in which states that were forgotten may have a part."""
    states = any(one != POLLED and not one.startswith(HOUSEKEEPING) for one in normalizer.reads.event_types)
    if not (states or any(kind in normalizer.of_home for kind in KINDS)):
        return
    for window in windows:
        start = window - normalizer.ahead - max(KINDS.values()) - SETTLES
        end = window + DAY + normalizer.back
        before = forgotten.since is not None and end <= forgotten.since
        after = forgotten.until is not None and start >= forgotten.until
        if not before and not after:
            yield window


def mark_forgotten(view: LogView, normalizers: Sequence[Normalizer], ledger: Ledger) -> None:
    """Mark stale what was made before something was forgotten: for a replay beside which nobody follows the log."""
    position = ledger.position
    for normalizer in normalizers:
        reached = {
            window.start: position if window.state == "live" else window.log_end
            for window in ledger.windows(normalizer=normalizer.name)
            if window.fingerprint and window.state in ("done", "live")
        }
        for forgotten in view.vanished.forgotten:
            before = [window for window, seq in reached.items() if seq < forgotten.seq]
            stale = [(window, normalizer.name, REASON) for window in concerned(normalizer, forgotten, before)]
            if stale:
                ledger.mark_stale(stale)
