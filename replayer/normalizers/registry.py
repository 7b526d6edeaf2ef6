"""Which normalizers there are, and the fingerprint by which a change of one is noticed.

A normalizer is the class that a module of this package, or an entry point of the group `homeiq.normalizers`, names: the
module in its constant NORMALIZER, the entry point behind its colon.
"""

from __future__ import annotations

import hashlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import orjson
from pydantic import ValidationError

from ...choice import Choice
from ...errors import SettingsError
from ...layout import LayoutOptions
from ...settings import ReplaySettings
from ...storage.record import Record, decode
from ...storage.tail import lines_of
from ..conditions import Conditions
from ..home import HOME_TYPES, Home, HomeView
from ..ledger import Ledger
from ..point import Point, line
from .base import Normalizer, Retired, SetAside, Summarizer
from .home_assistant_layout import HomeAssistantLayout

__all__ = [
    "GROUP",
    "fingerprint",
    "golden_lines",
    "golden_records",
    "normalizer_classes",
    "normalizers",
    "with_retired",
]

GROUP = "homeiq.normalizers"

STATES = HomeAssistantLayout.name
"""The normalizer of Home Assistant's states, in whichever layout."""

Sections = Callable[[str], Mapping[str, Any]]


@cache
def normalizer_classes() -> dict[str, type[Normalizer]]:
    """Return all normalizers by their names, in the order of these. Raises SettingsError for a plug-in that is broken."""
    found: dict[str, type[Normalizer]] = {}
    folder = import_module(__package__)
    for module in pkgutil.iter_modules(folder.__path__):
        known = getattr(import_module(f"{__package__}.{module.name}"), "NORMALIZER", None)
        if known is not None:
            found[known.name] = known
    for entry in entry_points(group=GROUP):
        try:
            plugged = entry.load()
            if not issubclass(plugged, Normalizer) or plugged.name in found:
                raise TypeError(f"{entry.value} is no normalizer of a new name")
        except Exception as error:
            raise SettingsError(
                f"the normalizer {entry.name} of a plug-in cannot be used ({error})", hint="mend or uninstall it"
            ) from error
        found[plugged.name] = plugged
    return dict(sorted(found.items()))


def normalizers(
    section: Sections = lambda name: {}, choice: Choice | None = None, layout: ReplaySettings | None = None
) -> list[Normalizer]:
    """Return a new instance of each normalizer; `section` gives its section of homeiq.yaml.

    Each projects what is chosen, by default everything that it reads; `layout` says in which form. Raises SettingsError.
    """
    found = [_new(kind, section(name)) for name, kind in normalizer_classes().items()]
    if layout is not None and layout.layout == "home_assistant":
        found = _in_layout(found, layout.layout_options)
    if layout is not None and layout.repeat_state_every:
        next(normalizer for normalizer in found if normalizer.name == STATES).repeat(layout.repeat_state_every)
    for normalizer in found:
        normalizer.choice = choice or Choice()
    return found


def _in_layout(found: Sequence[Normalizer], options: LayoutOptions) -> list[Normalizer]:
    """Return the normalizers with that of Home Assistant's states in the layout of its own integration."""
    states = HomeAssistantLayout(options)
    others = [normalizer for normalizer in found if normalizer.name != STATES]
    states.reserved |= {name for normalizer in others for name in normalizer.measurements}
    return [states if normalizer.name == STATES else normalizer for normalizer in found]


def with_retired(now: Sequence[Normalizer], ledger: Ledger) -> list[Normalizer]:
    """Return the normalizers, and in the place of those that once wrote to a target and are no more, a Retired one."""
    gone = sorted(ledger.normalizers() - {normalizer.name for normalizer in now})
    return [*now, *(Retired(name, ledger.measurements(name)) for name in gone)]


def _new(kind: type[Normalizer], section: Mapping[str, Any]) -> Normalizer:
    try:
        return kind(section)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([kind.name, *map(str, first["loc"])])
        raise SettingsError(f"{place} cannot be read", hint=first["msg"], place=place) from None


def golden_records(normalizer: Normalizer) -> list[Record]:
    """Return the records shipped with a normalizer: what it must make sense of, odd ones among them.

    A plug-in's has none.
    """
    content = files(__package__).joinpath("golden", f"{normalizer.name}.ndjson")
    return [decode(line) for line in lines_of(content.read_bytes())] if content.is_file() else []


def golden_lines(normalizer: Normalizer) -> Iterator[str]:
    """Yield the lines that a normalizer makes of its golden records, or why it makes none."""
    home = Home()
    records = golden_records(normalizer)
    home.learn_all(record for record in records if record.event_type in HOME_TYPES)
    home.conditions = Conditions({one.name: one for one in normalizers()}, _reading(records), home.at)
    points_of = _points_in_turn(normalizer)
    for record in records:
        if normalizer.reads.wants(record):
            try:
                for point in points_of(record, home.at(record.time)):
                    yield line(point)
            except SetAside as error:
                yield f"# {error}"


def _reading(records: Sequence[Record]) -> Callable[[Normalizer, int, int], Iterable[Record]]:
    return lambda reader, start, end: [one for one in records if start <= one.time < end and reader.wants(one)]


def _points_in_turn(normalizer: Normalizer) -> Callable[[Record, HomeView], Iterable[Point]]:
    """Return what makes the points of records that come in the order of time."""
    if not isinstance(normalizer, Summarizer):
        return normalizer.normalize
    fold = normalizer.fold()
    return lambda record, home: fold.step(normalizer.readings(record, home), home.zone)


def fingerprint(normalizer: Normalizer) -> str:
    """Return what tells one state of a normalizer from another.

    Its version, its settings, what it makes of its golden records (of one that has none, its source), and what is chosen to
    be projected, where that is not everything.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(orjson.dumps(normalizer.settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS))
    lines = list(golden_lines(normalizer))
    for text in lines or [inspect.getsource(type(normalizer))]:
        digest.update(text.encode("utf-8", "replace") + b"\n")
    chosen = normalizer.choice.digest()
    repeats = f"-every{normalizer.repeat_every}" if normalizer.repeat_every else ""
    return f"{normalizer.version}-{digest.hexdigest()}{repeats}" + (f"-{chosen}" if chosen else "")
