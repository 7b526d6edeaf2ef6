"""Normalizers that are not part of homeiq: what they must be, and what of what they make is let through.

The follower must not stop for anything that they do. So each point is looked at before anybody else sees it: one with
something in it that no target can hold makes its record one on which the normalizer failed.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...clock import DAY
from ...storage.record import Record
from ...verbatim import storable
from ..conditions import KINDS
from ..home import HOME_TYPES, HomeView
from ..point import LARGEST_STRING, Field, Point, Series, clean_name
from .attributes import carries_credential
from .base import Normalizer, Reads, Reason, SetAside, Summarizer

__all__ = ["Checked", "checked", "require_class", "require_instance"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_FARTHEST: Final = 366 * DAY
_LARGEST: Final = 2**63 - 1
_OURS: Final = "homeiq_"


class Checked(Normalizer):
    """Stands before a class that is not ours."""

    def wants(self, record: Record) -> bool:
        """Tell what `reads` says: the log is read by it too."""
        return Normalizer.wants(self, record)

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return its points as they may go on; see Normalizer.normalize."""
        try:
            made = list(super().normalize(record, home))  # type: ignore[safe-super]
        except SetAside as error:
            if not isinstance(error.reason, Reason):
                raise TypeError(f"SetAside takes a Reason, not {error.reason!r}") from error
            raise
        except Exception:
            raise
        except BaseException as error:  # as SystemExit, which would end the follower
            raise RuntimeError(f"it raised {type(error).__name__}") from error
        return [_sound(point, record, self.measurements) for point in made]


def checked(kind: type[Normalizer]) -> type[Normalizer]:
    """Return the class with checks before it."""
    return type(kind.__name__, (Checked, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def require_class(kind: object, name: str, known: Mapping[str, Sequence[str]]) -> type[Normalizer]:
    """Return a class that is a normalizer of this name; `known` are the others' measurements. Raises ValueError."""
    if not (isinstance(kind, type) and issubclass(kind, Normalizer)):
        raise ValueError("NORMALIZER is no subclass of homeiq.replayer.normalizers.base.Normalizer")
    if issubclass(kind, Summarizer):
        raise ValueError("a Summarizer is for meters, and part of homeiq")
    if inspect.isabstract(kind):
        raise ValueError("it has no method normalize")
    if getattr(kind, "name", None) != name:
        raise ValueError(f"its name must be {name}, as that of its file or entry point")
    if name in known or not _NAME.fullmatch(name):
        taken = "there is a normalizer of this name already" if name in known else "a name is like solar_roof"
        raise ValueError(f"{taken}: give it another one")
    if type(getattr(kind, "version", None)) is not int:
        raise ValueError("its version must be an integer")
    _require_measurements(getattr(kind, "measurements", None), known)
    return kind


def _require_measurements(measurements: object, known: Mapping[str, Sequence[str]]) -> None:
    if not _are_texts(measurements) or not measurements:
        raise ValueError('its measurements must be a tuple such as ("solar",)')
    for measurement in measurements:  # type: ignore[attr-defined]
        owner = next((other for other, theirs in known.items() if measurement in theirs), None)
        if owner is not None or measurement.startswith(_OURS):
            raise ValueError(f"the measurement {measurement} belongs to {owner or 'homeiq'}: two cannot write to one")
        if Series(measurement, {}).measurement != measurement or not measurement:
            raise ValueError(f"a database cannot hold a measurement named {measurement!r}")


def require_instance(normalizer: Normalizer) -> None:
    """Raise ValueError where what a normalizer says of itself cannot be relied on."""
    reads = getattr(normalizer, "reads", None)
    if not isinstance(reads, Reads):
        raise ValueError("its reads must be a Reads")
    parts = (reads.sources, reads.event_types, reads.entities, reads.domains)
    if not all(_are_texts(part) for part in parts) or not reads.event_types:
        raise ValueError("its reads must be tuples of texts, and name an event type")
    for reach in ("ahead", "back"):
        given = getattr(normalizer, reach)
        if type(given) is not int or not 0 <= given <= _FARTHEST:
            raise ValueError(f"its {reach} must be microseconds, and a year at most")
    if not _are_texts(normalizer.of_home) or not {*HOME_TYPES, *KINDS} >= set(normalizer.of_home):
        raise ValueError(f"its of_home may name {', '.join((*HOME_TYPES, *KINDS))}")


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)


def _sound(point: Any, record: Record, measurements: Sequence[str]) -> Point:
    """Return a point as it may go on: of this record, with its origin, and with values that targets hold."""
    if not isinstance(point, Point) or type(point.time) is not int:
        raise TypeError("normalize returns Points, whose times are integers: nanoseconds UTC")
    series = point.series
    if not isinstance(series, Series) or series.measurement not in measurements:
        raise ValueError(f"a point's measurement is one of {', '.join(measurements)}")
    fields: dict[str, Field] = {"origin": record.origin}
    for name, value in point.fields.items():
        kept = _value(name, value)
        if kept is not None and name != "origin":
            fields[_name(name)] = kept
    if len(fields) == 1:
        raise SetAside(Reason.NO_VALUE)
    return Point(series, fields, point.time, record.seq)


def _name(name: Any) -> str:
    if type(name) is not str or not name or name != clean_name(name):
        raise ValueError(f"a database cannot hold a field named {name!r}")
    return name


def _value(name: str, value: Any) -> Field | None:
    """Return a value in one of the four types; None for what is left out: nothing, no number, a credential."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError(f"the field {name} is an integer of more than 64 bits: make it a float")
        return int(value)
    if isinstance(value, str):
        text = storable(value) or ""
        if len(text.encode()) > LARGEST_STRING:
            raise ValueError(f"the field {name} is longer than {LARGEST_STRING} bytes")
        return None if carries_credential(text) else text
    raise TypeError(f"the field {name} is a {type(value).__name__}: a float, an integer, a text or a boolean is needed")
