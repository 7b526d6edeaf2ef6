"""What the attributes of an entity, and the registries, say: the same for many states. Pure.

Records come an entity at a time, and of an entity's attributes most are those of its state before. So what an attribute's
text gave is kept, and only those are read whose text is another. Measured: a sixth of the time of a replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from ...verbatim import loads
from ..home import HomeView
from ..point import NONE, Field, FieldBlock, Part, Series, clean_name, field_text
from .attributes import MOST_ATTRIBUTES, AttributeFields
from .rules import EntityRules, Rules
from .state_fields import plain_text
from .unit_attributes import UnitsOfAttributes, metric_attributes
from .units import Conversion, conversion_of

__all__ = ["Describer", "Described"]

_KNOWN = 32
_KNOWN_BYTES = 16_384

_OF_ALL: Final = frozenset({"device_class", "friendly_name", "icon", "unit_of_measurement"})
"""Attributes that decide more than a field of their own."""

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Piece(NamedTuple):
    """The field that one attribute gave, with the text that stands in a line; no name: it gave none."""

    name: str
    value: Field
    written: str


_NO_FIELD: Final = _Piece("", "", "")


class _Pieces:
    """The fields of attributes, and what is known of the entity besides, as a part of points."""

    __slots__ = ("_facts", "_text", "pieces")

    def __init__(self, pieces: list[_Piece], facts: FieldBlock) -> None:
        """None of the pieces has a field of another."""
        self.pieces = pieces
        self._facts = facts
        self._text: str | None = None

    def items(self) -> Iterator[tuple[str, Field]]:
        """Yield the fields."""
        for piece in self.pieces:
            if piece.name:
                yield piece.name, piece.value
        yield from self._facts.items()

    def written(self) -> str:
        """Return the fields as they stand in a line."""
        if self._text is None:
            texts = [piece.written for piece in self.pieces if piece.name]
            self._text = ",".join([*texts, self._facts.written()] if self._facts else texts)
        return self._text


@dataclass(slots=True)
class Described:
    """What is known of an entity's state by its attributes and the registries."""

    entity_id: str
    home: HomeView
    device_class: str
    unit: str | None
    conversion: Conversion | None
    rules: EntityRules | None
    named: FieldBlock
    others: Part
    facts: FieldBlock
    units: UnitsOfAttributes | None
    text: bytes = b""
    attributes: list[str] | None = None
    raws: list[msgspec.Raw] = field(default_factory=list)
    pieces: list[_Piece] = field(default_factory=list)
    series: dict[str, Series] = field(default_factory=dict)  # by part of the day


class Describer:
    """Describes states, and remembers the last descriptions."""

    def __init__(self, rules: Rules) -> None:
        self.attributes = AttributeFields()
        self._rules = rules
        self._known: dict[tuple[str, bytes, HomeView], Described] = {}
        self._last: Described | None = None

    def of_text(self, entity_id: str, attributes: bytes, home: HomeView) -> Described | None:
        """Return what the text of an entity's attributes says; None if it must be read together with the rest."""
        last = self._last
        of_same = last is not None and last.entity_id == entity_id and last.home is home
        if last is not None and of_same and last.text == attributes:
            return last
        key = entity_id, attributes, home
        described = self._known.get(key)
        if described is None:
            left_out = dict(self.attributes.left_out)
            try:
                described = self._like(last, attributes) if last is not None and of_same else None
                if described is None:
                    described = self.of(entity_id, loads(attributes) if attributes else None, home)
                    described.text = attributes
            except ValueError:
                return None
            if left_out != self.attributes.left_out or len(attributes) > _KNOWN_BYTES:
                return described  # what is left out is counted each time
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[key] = described
        self._last = described
        return described

    def of(self, entity_id: str, attributes: Any, home: HomeView) -> Described:
        """Return what an entity's attributes say."""
        if not isinstance(attributes, dict):
            attributes = {}
        named, others, known = FieldBlock(), FieldBlock(), FieldBlock()
        domain, device_class = entity_id.partition(".")[0], attributes.get("device_class")
        rules = self._rules.of(entity_id, device_class) if self._rules else None
        unit = attributes.get("unit_of_measurement")
        raw = None if unit is None else plain_text(unit)
        conversion = conversion_of(raw, device_class) if rules is None else None
        shown = conversion.metric if conversion else raw
        attributes, units = metric_attributes(domain, attributes, home)
        if rules is not None:
            shown = rules.measured("", None, raw).unit
            attributes, units = rules.attributes(attributes, units)
        if raw is not None:
            named["unit_of_measurement_raw"] = raw
        if shown is not None:
            named["unit_of_measurement"] = shown
        for name in ("friendly_name", "icon"):
            value = attributes.get(name)
            if value is not None:
                named[name] = plain_text(value)
        self.attributes.add(attributes, units, others)
        facts = home.entity(entity_id)
        for name, fact in (
            ("manufacturer", facts.manufacturer),
            ("model", facts.model),
            ("sw_version", facts.sw_version),
        ):
            if fact is not None:
                known[name] = fact
        others.update(known)
        class_known = NONE if device_class is None else str(device_class)
        return Described(entity_id, home, class_known, raw, conversion, rules, named, others, known, units)

    def _like(self, before: Described, attributes: bytes) -> Described | None:
        """Return what attributes say of which the most say what they said before; None where all must be read.

        They have the same names in the same order, since the order of the fields in a line is theirs.
        """
        if before.attributes is None:
            before.attributes, before.raws = self._split(before)
            before.pieces = list(map(self._piece, before.attributes, before.raws, repeat(before.units)))
        try:
            now = _split(attributes)
        except msgspec.DecodeError:
            return None
        if not now or list(now) != before.attributes:
            return None
        pieces = before.pieces.copy()
        raws = list(now.values())
        for place, raw in enumerate(raws):
            if raw != before.raws[place]:
                attribute = before.attributes[place]
                if attribute in _OF_ALL:
                    return None
                pieces[place] = self._piece(attribute, raw, before.units)
        return Described(
            before.entity_id,
            before.home,
            before.device_class,
            before.unit,
            before.conversion,
            None,
            before.named,
            _Pieces(pieces, before.facts),
            before.facts,
            before.units,
            attributes,
            before.attributes,
            raws,
            pieces,
            before.series,
        )

    def _split(self, described: Described) -> tuple[list[str], list[msgspec.Raw]]:
        """Return attributes and their texts; none where a change of one of them may change more than its own field."""
        if described.rules is not None or described.entity_id.startswith("weather."):
            return [], []
        try:
            raws = _split(described.text)
        except msgspec.DecodeError:
            return [], []
        if len(raws) > MOST_ATTRIBUTES or any(clean_name(attribute) != attribute for attribute in raws):
            return [], []
        return list(raws), list(raws.values())

    def _piece(self, attribute: str, raw: msgspec.Raw, units: UnitsOfAttributes | None) -> _Piece:
        """Return what an attribute gives; raises ValueError where its text is not JSON."""
        made = self.attributes.field_of(attribute, loads(bytes(raw)), units)
        return _NO_FIELD if made is None else _Piece(made[0], made[1], field_text(*made))
