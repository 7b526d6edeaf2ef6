"""Which normalizers there are, and the fingerprint by which a change of one is noticed.

A normalizer is the class that a module of this package, an entry point of the group `homeiq.normalizers`, or a file of the
user's folder names: module and file in their constant NORMALIZER, the entry point behind its colon. One of the last two
that cannot be used is said in a sentence, and the rest goes on without it.
"""

from __future__ import annotations

import hashlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from ...choice import Choice
from ...errors import SettingsError
from ...settings import ReplaySettings, Settings, nearest
from ...storage.record import Record, decode
from ...storage.tail import lines_of
from ..conditions import Conditions
from ..home import HOME_TYPES, Home, HomeView
from ..ledger import Ledger
from ..point import Point, line
from .base import Normalizer, Retired, SetAside, Summarizer
from .checked import Checked, checked, require_class, require_instance
from .home_assistant_layout import HomeAssistantLayout
from .rules import Rule, read_rules
from .users import Unusable, load_files, sentence_of

__all__ = [
    "GROUP",
    "Normalizers",
    "fingerprint",
    "golden_lines",
    "golden_records",
    "is_unusable_plugin",
    "new_normalizer",
    "normalizer_classes",
    "normalizers",
    "normalizers_of",
    "problems_of",
    "source_of",
    "with_retired",
]

GROUP = "homeiq.normalizers"

STATES = HomeAssistantLayout.name
"""The normalizer of Home Assistant's states, in whichever layout."""

Sections = Callable[[str], Mapping[str, Any]]


class Normalizers(list[Normalizer]):
    """The normalizers there are, in the order of their names; and of those that can't be used, why.

    `unreadable` says that the folder with the user's own cannot be read: there may be others.
    """

    def __init__(self, usable: Iterable[Normalizer], unusable: Mapping[str, str], unreadable: str = "") -> None:
        super().__init__(usable)
        self.unusable = dict(unusable)
        self.unreadable = unreadable

    def stays(self, name: str) -> bool:
        """Tell whether what a normalizer that is not among these wrote is to be left as it is."""
        return bool(self.unreadable) or name in self.unusable


@cache
def _shipped() -> tuple[dict[str, type[Normalizer]], dict[str, str]]:
    """Return the normalizers of this package and of plug-ins by their names, and why the other plug-ins can't be used."""
    found: dict[str, type[Normalizer]] = {}
    unusable: dict[str, str] = {}
    folder = import_module(__package__)
    for module in pkgutil.iter_modules(folder.__path__):
        known = getattr(import_module(f"{__package__}.{module.name}"), "NORMALIZER", None)
        if known is not None:
            found[known.name] = known
    for entry in entry_points(group=GROUP):
        try:
            found[entry.name] = checked(require_class(entry.load(), entry.name, _measurements(found)))
        except Exception as error:
            unusable[entry.name] = (
                f"the normalizer {entry.name} of a plug-in cannot be used ({sentence_of(error)}): mend or uninstall it"
            )
    return dict(sorted(found.items())), unusable


def _measurements(classes: Mapping[str, type[Normalizer]]) -> dict[str, Sequence[str]]:
    return {name: kind.measurements for name, kind in classes.items()}


def normalizer_classes() -> dict[str, type[Normalizer]]:
    """Return the normalizers of this package and of plug-ins by their names, in the order of these."""
    return _shipped()[0]


def is_unusable_plugin(name: str) -> bool:
    """Tell whether a plug-in has a normalizer of this name that cannot be used."""
    return name in _shipped()[1]


def normalizers(
    section: Sections = lambda name: {},
    choice: Choice | None = None,
    rules: Sequence[Rule] = (),
    folder: Path | None = None,
    layout: ReplaySettings | None = None,
) -> Normalizers:
    """Return a new instance of each normalizer; `section` gives its section of homeiq.yaml, `folder` has the user's own.

    Each projects what is chosen, by default everything that it reads; `layout` says in which form. Raises SettingsError
    for a section of one that is part of homeiq.
    """
    classes, unusable = _shipped()
    own = load_files(folder, _measurements(classes))
    found: dict[str, Normalizer] = {}
    unusable = unusable | own.unusable
    for name, kind in sorted((classes | own.classes).items()):
        try:
            found[name] = new_normalizer(kind, section, rules)
        except Unusable as error:
            unusable[name] = str(error)
    if layout is not None:
        _lay_out(found, layout, rules)
    for normalizer in found.values():
        normalizer.choice = choice or Choice()
    return Normalizers(found.values(), unusable, own.unreadable)


def normalizers_of(settings: Settings) -> Normalizers:
    """Return a new instance of each normalizer, as the settings say. Raises SettingsError."""
    rules = read_rules(settings.rules)
    return normalizers(settings.section, settings.replay.choice(), rules, settings.normalizers_dir, settings.replay)


def problems_of(now: Sequence[Normalizer]) -> list[str]:
    """Return what is wrong with normalizers that are not part of homeiq, each in a sentence."""
    if not isinstance(now, Normalizers):
        return []
    return [*([now.unreadable] if now.unreadable else []), *(now.unusable[name] for name in sorted(now.unusable))]


def _lay_out(found: dict[str, Normalizer], layout: ReplaySettings, rules: Sequence[Rule]) -> None:
    """Put Home Assistant's states into the form that is wanted: in the layout of its own integration, and repeated."""
    if layout.layout == "home_assistant":
        states = HomeAssistantLayout(layout.layout_options, rules)
        states.reserved |= {name for one in found.values() if one.name != STATES for name in one.measurements}
        found[STATES] = states
    if layout.repeat_state_every:
        found[STATES].repeat(layout.repeat_state_every)


def with_retired(now: Sequence[Normalizer], ledger: Ledger) -> list[Normalizer]:
    """Return the normalizers, and in the place of those that once wrote to a target and are no more, a Retired one.

    What one that cannot be used has written is left as it is.
    """
    gone = sorted(ledger.normalizers() - {normalizer.name for normalizer in now})
    if isinstance(now, Normalizers):
        gone = [name for name in gone if not now.stays(name)]
    return [*now, *(Retired(name, ledger.measurements(name)) for name in gone)]


def new_normalizer(kind: type[Normalizer], section: Sections, rules: Sequence[Rule] = ()) -> Normalizer:
    """Return a new instance, which takes `rules` where it has such a setting.

    Raises SettingsError for a section that can't be read; Unusable for one that is not part of homeiq.
    """
    if issubclass(kind, Checked):
        return _new_of_others(kind, section)
    given = section(kind.name)
    if "rules" in kind.settings_model.model_fields:
        given = {**given, "rules": tuple(rules)}
    return _new(kind, given)


def _new(kind: type[Normalizer], section: Mapping[str, Any]) -> Normalizer:
    try:
        return kind(section)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([kind.name, *map(str, first["loc"])])
        raise SettingsError(f"{place} cannot be read", hint=first["msg"], place=place) from None


def _new_of_others(kind: type[Normalizer], section: Sections) -> Normalizer:
    """Return an instance of which everything that others ask of it has been asked once."""
    try:
        given = section(kind.name)
        known = list(kind.settings_model.model_fields)
        alone = kind.source and "provider" not in given  # else it shares its section with a connector, which is checked
        for key in given:
            if alone and key not in known:
                raise SettingsError(
                    f"{kind.name}.{key} is not a setting", hint=nearest(key, known) if known else "it has none"
                )
        made = _new(kind, given)
        require_instance(made)
        fingerprint(made)
        return made
    except Exception as error:
        raise Unusable(f"the normalizer {kind.name} cannot be used: {sentence_of(error)}") from error


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
    for text in lines or [source_of(normalizer)]:
        digest.update(text.encode("utf-8", "replace") + b"\n")
    chosen = normalizer.choice.digest()
    repeats = f"-every{normalizer.repeat_every}" if normalizer.repeat_every else ""
    return f"{normalizer.version}-{digest.hexdigest()}{repeats}" + (f"-{chosen}" if chosen else "")


def source_of(normalizer: Normalizer) -> str:
    """Return the text of the file or module that a normalizer is in, and which versions of ours it is built upon."""
    kinds = type(normalizer).__mro__
    ours = [
        f"{kind.__qualname__} {vars(kind)['version']}" for kind in kinds if _is_ours(kind) and "version" in vars(kind)
    ]
    text = normalizer.source
    if not text:
        try:
            text = inspect.getsource(sys.modules[type(normalizer).__module__])
        except (OSError, TypeError, KeyError):
            text = type(normalizer).__qualname__  # it has no source to be read: its version must tell
    return "\n".join([text, *ours])


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith(f"{__package__}.")
