"""The contract of a normalizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from ...choice import Choice
from ...clock import DAY
from ...storage.record import Record
from ..home import HOME_TYPES, HomeView
from ..point import Point

__all__ = [
    "LOCATION",
    "POLLED",
    "REPEAT_REACH",
    "SIGNS",
    "Reason",
    "SetAside",
    "Reads",
    "NormalizerSettings",
    "Normalizer",
    "Reading",
    "Fold",
    "Summarizer",
    "Retired",
]

POLLED: Final = "polled"
"""The event type of what a utility was asked for: its source is the utility's name."""


class Reason(StrEnum):
    """Why a record gives no point of its own. There is no other."""

    UNREADABLE = "its text is not JSON, however tolerantly it is read"
    INCOMPLETE = "it lacks the entity or the time that a point needs"
    SUPERSEDED = "another copy of the same point is preferred"
    ERROR_ANSWER = "the service answered with an error"
    UNKNOWN_FORM = "what the service answered is not in a form that is known"
    NO_VALUE = "it holds no value of what is projected"
    NOT_CHOSEN = "the settings leave it out of what is projected (replay.include, replay.exclude)"
    DROPPED = "a rule of the settings drops it (rules)"
    OUT_OF_REACH = "a point lies further from its record than the normalizer declares"
    FAILED = "the normalizer failed on it"


class SetAside(Exception):
    """A record cannot be projected; it stays in the log, and is counted with the reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reads:
    """Records that a normalizer reads: of these sources (none named: of any) and event types.

    Where entities or domains are named, only the states of one of them; a poll is read whatever it is of, since a
    utility's provider may have been Home Assistant at one time and a service at another.
    """

    sources: tuple[str, ...]
    event_types: tuple[str, ...]
    entities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def wants(self, record: Record) -> bool:
        """Tell whether a record is one of them."""
        if record.event_type not in self.event_types or (self.sources and record.source not in self.sources):
            return False
        if record.event_type == POLLED or not (self.entities or self.domains):
            return True
        entity = record.entity_id
        return entity is not None and (entity in self.entities or entity.partition(".")[0] in self.domains)


REPEAT_REACH: Final = 7 * DAY
"""A state that is older is not repeated (microseconds)."""

SIGNS: Final = Reads((), ("state_changed", "state", "homeiq_heartbeat"))
"""Records by which one knows that somebody listened: see repeating.py."""


LOCATION: Final = "the tag location; by default the home's name"
"""What a location is, for the settings that have one."""


class NormalizerSettings(BaseModel):
    """What a normalizer takes from the section of homeiq.yaml that has its name; the rest is the connector's."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Normalizer(ABC):
    """What the records of one kind mean. A pure function: it reads no clock, no chance, no network and no file."""

    name: ClassVar[str]
    """Its name: that of its module, of its connector, and of its section in homeiq.yaml."""

    version: ClassVar[int]
    """Raised with every change of what it makes of any record."""

    measurements: ClassVar[tuple[str, ...]]
    """What it writes to, and no other normalizer does."""

    by_entity: ClassVar[bool] = False
    """Each record that it reads has an entity, and gives points of that entity at its own time alone.

    So a window of millions of records is computed an entity at a time, and need not fit into memory.
    """

    ahead: ClassVar[int] = 0
    """How far after its record's time a point may lie (microseconds): a forecast."""

    back: ClassVar[int] = 0
    """How far before its record's time a point may lie (microseconds)."""

    revised: ClassVar[bool] = False
    """Of two records that give the same point the later one is right, whatever their origin: forecasts, revised values."""

    of_home: ClassVar[tuple[str, ...]] = HOME_TYPES
    """Which records of the home change what it makes: event types of HOME_TYPES, and kinds of conditions."""

    settings_model: ClassVar[type[NormalizerSettings]] = NormalizerSettings

    is_condition: bool = True
    """Its points say what surrounds the home, where conditions.py has its name; may depend on its settings."""

    reads: Reads
    """Which records it reads; may depend on its settings."""

    left_out: Mapping[str, int] = MappingProxyType({})
    """How often it left a value out of a point that it made, by reason, since it began."""

    source: str = ""
    """The text of the file that it was read from; empty for one that is part of homeiq or of a plug-in."""

    choice: Choice = Choice()
    """Which of these are projected: what the settings say for all normalizers. A part of the fingerprint."""

    repeat_every: int = 0
    """So often (microseconds) each entity's last state is written again, see repeating.py; 0: never."""

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        """`section` is its section of homeiq.yaml; raises pydantic's ValidationError for a value that can't be read."""
        self.settings = self.settings_model.model_validate(dict(section or {}))

    def repeat(self, every: int) -> None:
        """Write each entity's last state again, so often (microseconds): it must be one that reads by entity."""
        self.repeat_every = every
        self.ahead = REPEAT_REACH  # type: ignore[misc]

    def wants(self, record: Record) -> bool:
        """Tell whether a record is one that it reads, and is to be projected, or lets states be repeated."""
        if self.reads.wants(record) and self.choice.chosen(record):
            return True
        return bool(self.repeat_every) and SIGNS.wants(record)

    @abstractmethod
    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the points of a record, given the home at the record's time.

        Each point comes whole from this record. Raises SetAside.
        """


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter said at a time (microseconds UTC): power in W (negative: exported), its counter in kWh, or both."""

    meter: str
    time: int
    power: float | None
    energy: float | None
    origin: str
    seq: int


class Fold(ABC):
    """Readings in the order of their times, one moment after the other, and what they make."""

    @abstractmethod
    def step(self, readings: Sequence[Reading], zone: ZoneInfo) -> list[Point]:
        """Return the points of a moment: all its readings, of different meters, in the order of their names.

        The points have the moment's time, and depend on nothing that lies further back than the summarizer's `ahead`.
        """


class Summarizer(Normalizer):
    """Makes points of readings in the order of time, not of single records: a share, a day's sum so far.

    A reading has an effect on points up to `ahead` after it, and `back` is 0.
    """

    of_home: ClassVar[tuple[str, ...]] = ("config",)

    @abstractmethod
    def readings(self, record: Record, home: HomeView) -> list[Reading]:
        """Return what a record says of meters, at its own time. Raises SetAside."""

    @abstractmethod
    def fold(self) -> Fold:
        """Return a new fold, which knows of no reading yet."""

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return what the record's readings make when they stand alone."""
        readings = sorted(self.readings(record, home), key=lambda reading: reading.meter)
        return self.fold().step(readings, home.zone) if readings else []


class Retired(Normalizer):
    """One that is no more: it reads nothing and makes nothing, so that what it once made is left over."""

    version = 0
    of_home: ClassVar[tuple[str, ...]] = ()
    reads = Reads((), ())

    def __init__(self, name: str, measurements: Sequence[str]) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.measurements = tuple(measurements)  # type: ignore[misc]

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return nothing."""
        return []
