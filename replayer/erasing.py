"""What was forgotten leaves frozen windows too: they can't be computed any more, so its points are taken out of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..clock import DAY
from ..storage.vanished import Forgotten
from ..storage.view import LogView
from .delivery import Delivery
from .frozen import concerned
from .ledger import Ledger
from .normalizers.base import Normalizer
from .point import Point, Series
from .scope import entity_of
from .targets.base import Ghost, Stored, Target

__all__ = ["settle_frozen"]


def settle_frozen(
    view: LogView,
    target: Target,
    ledger: Ledger,
    delivery: Delivery,
    normalizer: Normalizer,
    window: int,
    fingerprint: str,
) -> None:
    """Take the points of forgotten entities out of a frozen window (its start, microseconds UTC), which is done then."""
    forgotten = [one for one in view.vanished.forgotten if any(concerned(normalizer, one, (window,)))]
    measurements = ledger.measurements(normalizer.name)
    if forgotten and measurements and target.reads:
        held = delivery.ask(lambda: list(target.read(measurements, window, window + DAY)))
        going = [stored for stored in held if _goes(stored, forgotten)]
        if going and target.keeps_windows:
            kept = [_point(stored, view.last_seq) for stored in held if not _goes(stored, forgotten)]
            with target.window(window, view.last_seq, normalizer.name) as writer:
                delivery.write(kept, writer)
        elif going and target.deletes:
            delivery.delete([Ghost(one.measurement, one.tags, one.time, one.time) for one in going])
    ledger.enter(window, normalizer.name, "done", fingerprint, view.last_seq)


def _goes(stored: Stored, forgotten: Sequence[Forgotten]) -> bool:
    entity = entity_of(stored.tags)
    return (
        entity is not None
        and "origin" in stored.fields
        and any(
            one.matches(entity)
            and (one.since is None or stored.time // 1000 >= one.since)
            and (one.until is None or stored.time // 1000 < one.until)
            for one in forgotten
        )
    )


def _point(stored: Stored, seq: int) -> Point:
    return Point(Series(stored.measurement, dict(stored.tags)), dict(stored.fields), stored.time, seq)
