"""Home Assistant's states → the measurement `home_assistant_events`. Pure.

Reads `state_changed` events, and `state` records, which are one state of a snapshot or one row of the history: the same
state gives the same point, whichever way it came. A pushed event may be flat (`new_state` beside `event_type`, without
`data`), and its states may be only their texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ...clock import from_iso
from ...storage.record import Record
from ...verbatim import loads, storable
from ..home import HOME_TYPES, HomeView
from ..point import NONE, Field, FieldBlock, Point, Series
from .attributes import carries_credential
from .base import Normalizer, NormalizerSettings, Reads, Reason, SetAside
from .described import Described, Describer
from .rules import Rule, Rules
from .state_fields import StateFields, plain_text
from .state_text import Change, Context, NewState, OldState, read_change
from .states import OF_HISTORY, state_of

__all__ = [
    "MEASUREMENT",
    "NORMALIZER",
    "HomeAssistantNormalizer",
    "HomeAssistantSettings",
    "is_password",
    "may_hide",
    "number_of",
    "states_in",
]

MEASUREMENT: Final = "home_assistant_events"

_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNAVAILABLE = frozenset({"unavailable", "unknown"})

_DOMAINS_OF_TEXT: Final = frozenset({"input_text", "text"})

_WEATHER: Final = (
    ("temperature", "weather_temp"),
    ("humidity", "weather_humidity"),
    ("pressure", "weather_pressure"),
    ("condition", "weather_condition"),
)
"""Fields of the weather at the event's time, and as what they stand in its point."""

_CONTEXT: Final = ("id", "parent_id", "user_id")

_CACHED = 50_000


def number_of(text: str) -> float | None:
    """Return the finite number that a text is as a whole, by a strict reading; None for every other text.

    "21.5", "-3" and "1e5" are numbers; "0x10", "1_000", " 5 ", "nan", "inf" and Arabic digits are text.
    """
    if text[:1] in "-.0123456789" and _NUMBER.fullmatch(text):
        number = float(text)
        return number if number - number == 0.0 else None
    return None


class HomeAssistantSettings(NormalizerSettings):
    """What a user wants otherwise: the list `rules` of homeiq.yaml."""

    rules: tuple[Rule, ...] = ()


class HomeAssistantNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "home_assistant"
    version: ClassVar[int] = 6
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    by_entity: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = (*HOME_TYPES, "weather")
    reads = Reads(sources=("home_assistant", "pushed"), event_types=("state_changed", "state"))
    settings_model: ClassVar[type[NormalizerSettings]] = HomeAssistantSettings
    settings: HomeAssistantSettings

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        super().__init__(section)
        self._describer = Describer(Rules(self.settings.rules))
        self.left_out = self._describer.attributes.left_out
        self._weather: tuple[Mapping[str, Field], FieldBlock] = ({}, FieldBlock())
        self._series: dict[tuple[str, str, str, HomeView], Series] = {}

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of a state; see Normalizer.normalize."""
        entity_id = record.entity_id
        if entity_id is not None and entity_id.partition(".")[0] not in _DOMAINS_OF_TEXT:
            change = read_change(record)
            if record.origin in OF_HISTORY and change and not change.new_state.state:
                change = None  # a removal, as the history tells it
            described = change and self._describer.of_text(entity_id, bytes(change.new_state.attributes), home)
            if change and described:
                return [self._state(record, change, described)]
        return [self._read_in_full(record, home)]

    def _read_in_full(self, record: Record, home: HomeView) -> Point:
        new, old, context = states_in(record)
        before = _old_state(record.entity_id, old)
        if new is None:
            return self._removal(record, before, _context(context), home)
        if record.entity_id is None or new.get("state") is None:
            raise SetAside(Reason.INCOMPLETE, "there is no entity_id, or no state")
        change = Change(NewState(new["state"], context=_context(new.get("context"))), before)
        described = self._describer.of(record.entity_id, new.get("attributes"), home)
        domain = record.entity_id.partition(".")[0]
        hides = is_password(domain, new.get("attributes")) or may_hide(record, new)
        return self._state(record, change, described, hides)

    def _state(self, record: Record, change: Change, described: Described, hides: bool = False) -> Point:
        """Return the point of a state; `hides`: all but that it is not available is a password."""
        new, rules = change.new_state, described.rules
        if rules is not None and rules.drops:
            raise SetAside(Reason.DROPPED)
        state = plain_text(new.state)
        available = state not in _UNAVAILABLE
        hidden = (hides and available) or carries_credential(state)
        number = number_of(state) if available and not hidden else None
        if rules is not None and not hidden:
            number = rules.measured(state, number, described.unit).value
        elif number is not None and described.conversion is not None:
            number = described.conversion.of(number)
        if number is not None and number - number != 0.0:  # beyond a float
            number = None
        before, lasted = _before(record.time, change.old_state)
        said = None if hidden else state
        fields = StateFields(
            record.origin, said, number, available, False, before, lasted, described.named, new.context
        )
        return self._point(record, described, fields)

    def _removal(self, record: Record, old: OldState | None, context: Context | None, home: HomeView) -> Point:
        """Return the point of an entity that is gone."""
        if record.entity_id is None:
            raise SetAside(Reason.INCOMPLETE, "there is no entity_id")
        before, _ = _before(None, old)
        described = self._describer.of(record.entity_id, None, home)
        if described.rules is not None and described.rules.drops:
            raise SetAside(Reason.DROPPED)
        fields = StateFields(record.origin, None, None, False, True, before, None, described.named, context)
        return self._point(record, described, fields)

    def _point(self, record: Record, described: Described, fields: StateFields) -> Point:
        time, home = record.time, described.home
        part = home.time_of_day(time)
        series = described.series.get(part)
        if series is None:
            series = described.series[part] = self._series_of(described, part)
        weather = home.condition("weather", time)
        if weather is None:
            return Point(series, (fields, described.others), time * 1000, record.seq)
        return Point(series, (fields, described.others, self._weather_of(weather)), time * 1000, record.seq)

    def _weather_of(self, weather: Mapping[str, Field]) -> FieldBlock:
        """Return what of the weather is in each point while it lasts."""
        if self._weather[0] is not weather:
            block = FieldBlock({field: weather[name] for name, field in _WEATHER if name in weather})
            self._weather = weather, block
        return self._weather[1]

    def _series_of(self, described: Described, part: str) -> Series:
        entity_id, device_class, home = described.entity_id, described.device_class, described.home
        key = (entity_id, device_class, part, home)
        series = self._series.get(key)
        if series is None:
            if len(self._series) > _CACHED:
                self._series.clear()
            facts = home.entity(entity_id)
            series = self._series[key] = Series(
                MEASUREMENT,
                {
                    "area_id": facts.area_id,
                    "device_class": storable(device_class) or NONE,
                    "device_id": facts.device_id,
                    "domain": entity_id.partition(".")[0],
                    "entity_category": facts.entity_category,
                    "entity_id": entity_id,
                    "event_type": "state_changed",
                    "integration": facts.integration,
                    "time_of_day": part,
                },
            )
        return series


def states_in(record: Record) -> tuple[dict[str, Any] | None, Any, Any]:
    """Return the new state that a record holds (None: a removal), the old one and the event's context, as they are there.

    Raises SetAside for what cannot be read, and where the new state is no object.
    """
    try:
        content = loads(record.raw)
    except ValueError as error:
        raise SetAside(Reason.UNREADABLE, str(error)) from None
    if record.event_type == "state":
        new, old = state_of(content, record), None
        context = content.get("context") if isinstance(content, dict) else None  # of an imported removal
    else:
        data = content.get("data") if isinstance(content, dict) else None
        if not isinstance(data, dict) or "new_state" not in data:
            data = _flat(record, content)
        new, old, context = data["new_state"], data.get("old_state"), content.get("context")
    if record.source == "pushed":
        new, old = _whole(new), _whole(old)
    if new is not None and not isinstance(new, dict):
        raise SetAside(Reason.INCOMPLETE, "the state is not an object")
    return new, old, context


def _flat(record: Record, content: Any) -> dict[str, Any]:
    """Return what holds the states of a pushed event that has no `data` around them."""
    if record.source != "pushed" or not isinstance(content, dict) or "new_state" not in content:
        raise SetAside(Reason.INCOMPLETE, "there is no new_state")
    return content


def _whole(state: Any) -> Any:
    """Return a state of which a pushed event gave only the text."""
    return {"state": state} if isinstance(state, str) else state


def is_password(domain: str, attributes: Any) -> bool:
    """Tell whether Home Assistant hides a state as a password."""
    return domain in _DOMAINS_OF_TEXT and isinstance(attributes, dict) and attributes.get("mode") == "password"


def may_hide(record: Record, state: Mapping[str, Any]) -> bool:
    """Tell whether a row of the history may be a password: Home Assistant's recorder does not keep the attribute `mode`.

    An imported one has its context all the same.
    """
    if record.event_type != "state" or ("context" in state and record.origin != "import"):
        return False
    domain, attributes = (record.entity_id or "").partition(".")[0], state.get("attributes")
    return domain in _DOMAINS_OF_TEXT and not (isinstance(attributes, dict) and "mode" in attributes)


def _old_state(entity_id: str | None, content: Any) -> OldState | None:
    if not isinstance(content, dict):
        return None
    state = content.get("state")
    if is_password((entity_id or "").partition(".")[0], content.get("attributes")):
        state = state if type(state) is str and state in _UNAVAILABLE else None
    return OldState(state, content.get("last_changed"))


def _context(content: Any) -> Context | None:
    return Context(*(content.get(name) for name in _CONTEXT)) if isinstance(content, dict) else None


def _before(time: int | None, old: OldState | None) -> tuple[str | None, float | None]:
    """Return the old state, and how long it had lasted at `time` (seconds), from the record's own words alone."""
    if old is None:
        return None, None
    state = plain_text(old.state) if type(old.state) is str and not carries_credential(old.state) else None
    try:
        lasted = None if time is None else (time - from_iso(old.last_changed)) / 1e6
    except (TypeError, ValueError, OverflowError):
        lasted = None
    return state, lasted if lasted is not None and lasted >= 0 else None


NORMALIZER: Final = HomeAssistantNormalizer
