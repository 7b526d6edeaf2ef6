"""Units that sensors say and nobody can convert: their values reach the target in a unit that the rest is not in.

Home Assistant takes any text for a unit. A template, an MQTT device or a script that says "F" for a temperature is shown as
it is, and written as it is, beside others in °C. Imports pyarrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import LogCorrupt
from ..replayer.home import HomeView
from ..replayer.normalizers.base import SetAside
from ..replayer.normalizers.described import Describer
from ..replayer.normalizers.home_assistant import HomeAssistantNormalizer, states_in
from ..replayer.normalizers.registry import normalizers_of
from ..replayer.normalizers.rules import Rules
from ..replayer.normalizers.units import metric_of_class, units_of_class
from ..storage import segment
from ..storage.reader import LogFiles, records_of
from ..storage.record import COLUMNS, STATE_TYPES, Record
from .case import Case
from .finding import Finding, Result
from .words import count

__all__ = ["check", "likely_unit"]

_MOST_ROWS: Final = 20_000
_PLAIN: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
"""An entity's name as Home Assistant makes it. What is pushed may have any: that is not put into what is to be copied."""
_NAMES: Final = {"celsius": "°C", "centigrade": "°C", "fahrenheit": "°F", "kelvin": "K", "watts": "W", "watt": "W"}


class _Odd(NamedTuple):
    """A sensor, what it measures by its class, and the unit that is none of that."""

    entity_id: str
    device_class: str
    unit: str


def check(case: Case) -> Result:
    """Look at what each sensor said last, in the tails and the newest part of the segments."""
    if case.limits.quiet:
        return Result(unseen=("the units of sensors (homeiq doctor looks at them)",))
    facts = case.log()
    if facts is None:
        return Result()
    newest = dict(facts.sensors)
    if facts.files is not None:
        try:
            for record in _sealed(facts.files):
                newest.setdefault(record.entity_id or "", record)
        except (LogCorrupt, FileNotFoundError):  # said by another check, or merged meanwhile
            return Result(unseen=("the units of sensors: the log changed while it was read",))
    odd = sorted(_odd(newest, _rules(case)))
    return Result((_finding(odd),)) if odd else Result()


def _sealed(files: LogFiles) -> Iterator[Record]:
    """Yield the sensors' states among the newest sealed records, those with the greatest time first."""
    tables: list[pa.Table] = []
    rows = 0
    for part in reversed(files.slices):
        if rows >= _MOST_ROWS:
            break
        with segment.check_footer(part.segment) as file:
            groups = range(file.num_row_groups)
        for group in reversed(groups):
            if rows >= _MOST_ROWS:
                break
            for table in segment.read_rows(part.segment, part.first, part.last, COLUMNS, [group]):
                rows += table.num_rows
                tables.append(_sensors(table))
    if tables:
        yield from records_of(pa.concat_tables(tables).sort_by([("time", "descending"), ("seq", "descending")]))


def _sensors(table: pa.Table) -> pa.Table:
    names = table["entity_id"]
    chosen = pc.or_(pc.starts_with(names, "sensor."), pc.starts_with(names, "number."))
    states = pc.is_in(table["event_type"], pa.array(STATE_TYPES, pa.string()))
    return table.filter(pc.and_(pc.fill_null(chosen, False), states))


def _rules(case: Case) -> Rules:
    for normalizer in normalizers_of(case.settings):
        if isinstance(normalizer, HomeAssistantNormalizer):
            return Rules(normalizer.settings.rules)
    return Rules(())


def _odd(newest: dict[str, Record], rules: Rules) -> Iterator[_Odd]:
    """Yield the sensors of a class with units, whose value is in none of these, whatever rules do."""
    describer, nowhere = Describer(rules), HomeView({}, {}, {})
    for entity_id, record in newest.items():
        try:
            state, _, _ = states_in(record)
        except SetAside:
            continue
        if state is None:
            continue
        described = describer.of(entity_id, state.get("attributes"), nowhere)
        shown = described.named.get("unit_of_measurement")
        known = units_of_class(described.device_class)
        if known and isinstance(shown, str) and shown not in known:
            yield _Odd(entity_id, described.device_class, shown)


def likely_unit(unit: str, device_class: str) -> str | None:
    """Return which unit of a class was meant: "F" is °F. None where there is more than one, or none."""
    if unit.casefold() in _NAMES:
        meant = _NAMES[unit.casefold()]
        return meant if meant in units_of_class(device_class) else None
    like = [known for known in units_of_class(device_class) if _plain(known) == _plain(unit)]
    return like[0] if len(like) == 1 else None


def _plain(unit: str) -> str:
    return unit.casefold().replace("°", "").replace("deg", "").strip(" .")


def _finding(odd: list[_Odd]) -> Finding:
    first = odd[0]
    kind = first.device_class.replace("_", " ")
    more = f" (and {count(len(odd) - 1, 'other sensor')})" if len(odd) > 1 else ""
    sentence = f"{first.entity_id} gives a {kind} in {first.unit!r}, which is no unit of it{more}: written as it comes"
    remedy = []
    for each in [each for each in odd if _PLAIN.fullmatch(each.entity_id)][:3]:
        meant = likely_unit(each.unit, each.device_class)
        to = metric_of_class(each.device_class, meant)
        convert = f'{{from: "{meant or "?"}", to: "{to}"}}'
        remedy.append(f"# homeiq.yaml: rules: [{{entity: {each.entity_id}, convert: {convert}}}]")
    return Finding(
        "unit-unknown", "attention", sentence, (*remedy, "homeiq replay --stale --plan", "homeiq replay --stale")
    )
