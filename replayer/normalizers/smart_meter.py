"""Smart meters → the measurements `smart_meter` and `smart_meter_circuit`: W, kWh so far this local day, shares. Pure.

From Home Assistant's own sensors, by the map of circuits in homeiq.yaml, and from Shelly's meters (Gen2 and later, by RPC:
https://shelly-api-docs.shelly.cloud/gen2/). A point has the time of a reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field as Setting
from pydantic import field_validator

from ...storage.record import Record
from ..home import HomeView
from .base import POLLED, Fold, NormalizerSettings, Reading, Reads, Reason, SetAside, Summarizer
from .home_assistant import number_of
from .metering import AHEAD, Circuits, Metering
from .polled import number, object_of, read_poll, text
from .states import STATES, state_in
from .units import CONVERSIONS, convert

__all__ = ["NORMALIZER", "SmartMeterNormalizer", "SmartMeterSettings"]

_UNAVAILABLE: Final = frozenset({"unavailable", "unknown"})

_KILO: Final = 1_000.0


class SmartMeterSettings(NormalizerSettings):
    """Which meters measure which circuit, and which the whole home.

    A meter is an entity of Home Assistant (`sensor.kitchen_power`), or a component of a Shelly (`switch:0`, a phase of one
    `em:0.a`), with the device's host before it where there are several (`192.168.1.20/em:0.a`).
    """

    circuits: dict[str, tuple[str, ...]] = Setting(
        default_factory=dict, description="circuits by names of yours: the meter, or meters, that measure each"
    )
    total: tuple[str, ...] = Setting(
        default=(), description="the meter, or meters, of the whole home; by default the sum of the circuits"
    )

    @field_validator("total", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("circuits", mode="before")
    @classmethod
    def _each_one_or_several(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: (meters,) if isinstance(meters, str) else meters for name, meters in value.items()}


class SmartMeterNormalizer(Summarizer):
    """See the module."""

    name: ClassVar[str] = "smart_meter"
    version: ClassVar[int] = 2
    measurements: ClassVar[tuple[str, ...]] = ("smart_meter", "smart_meter_circuit")
    ahead: ClassVar[int] = AHEAD
    settings_model: ClassVar[type[NormalizerSettings]] = SmartMeterSettings
    settings: SmartMeterSettings

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        super().__init__(section)
        settings = self.settings
        named = {meter for meters in settings.circuits.values() for meter in meters} | set(settings.total)
        entities = tuple(sorted(meter for meter in named if ":" not in meter))
        self.reads = Reads((self.name,), (POLLED,))
        if entities:
            self.reads = Reads((self.name, "home_assistant", "pushed"), (POLLED, *STATES), entities=entities)

    def readings(self, record: Record, home: HomeView) -> list[Reading]:
        """Return what a state or a poll says of power and energy; see Summarizer.readings."""
        if record.event_type != POLLED:
            return [_of_entity(record)]
        poll = read_poll(record)
        if poll.provider != "shelly":
            raise SetAside(Reason.UNKNOWN_FORM, "the provider is not known")
        host = urlsplit(poll.url).hostname or ""
        component = poll.path.rpartition("/")[2].removesuffix(".getstatus")
        readings = [
            Reading(f"{host}/{part.meter}", record.time, part.power, part.energy, record.origin, record.seq)
            for part in _of_shelly(component, object_of(poll.content))
        ]
        if not readings:
            raise SetAside(Reason.NO_VALUE, "there is no meter in it")
        return readings

    def fold(self) -> Fold:
        """Return the sums of no reading."""
        return Metering(Circuits(self.settings.circuits, self.settings.total))


def _of_entity(record: Record) -> Reading:
    """Return the reading of a sensor: a power or a meter's count, by its unit."""
    state = state_in(record)
    attributes = state.get("attributes")
    unit = text(attributes.get("unit_of_measurement")) if isinstance(attributes, dict) else None
    said = text(state.get("state"))
    if said is None or said in _UNAVAILABLE:
        raise SetAside(Reason.NO_VALUE, "the meter is not available")
    value = number_of(said)
    conversion = CONVERSIONS.get(unit or "")
    kind = conversion.metric if conversion else unit
    if value is None or kind not in ("W", "kWh"):
        raise SetAside(Reason.NO_VALUE, "it is neither a power nor an energy")
    value = convert(value, unit)
    power, energy = (value, None) if kind == "W" else (None, value)
    return Reading(record.entity_id or "", record.time, power, energy, record.origin, record.seq)


class _Part(NamedTuple):
    """What a Shelly's component measures: W, and kWh since it was first switched on."""

    meter: str
    power: float | None
    energy: float | None


def _of_shelly(component: str, status: Mapping[str, Any]) -> Iterator[_Part]:
    """Yield the meters of a status: of one component, or of the whole device by their keys (`em:0`, `switch:1`, …)."""
    if component != "shelly":
        yield from _merged({f"{component}:{_id(status)}": status})
        return
    yield from _merged({key: part for key, part in status.items() if ":" in key and isinstance(part, Mapping)})


def _id(status: Mapping[str, Any]) -> int:
    given = status.get("id")
    return given if type(given) is int else 0


def _merged(components: Mapping[str, Mapping[str, Any]]) -> Iterator[_Part]:
    """Yield each meter once: a three-phase meter's power and its counters are components of their own (em, emdata)."""
    found: dict[str, tuple[float | None, float | None]] = {}
    for key, status in components.items():
        kind, _, number_of_it = key.lower().partition(":")
        for suffix, power, energy in _measured(kind, status):
            meter = f"{kind.removesuffix('data')}:{number_of_it}{suffix}"
            before = found.get(meter, (None, None))
            found[meter] = (before[0] if power is None else power), (before[1] if energy is None else energy)
    for meter, (power, energy) in sorted(found.items()):
        if power is not None or energy is not None:
            yield _Part(meter, power, energy)


def _measured(kind: str, status: Mapping[str, Any]) -> Iterator[tuple[str, float | None, float | None]]:
    """Yield (phase, W, kWh) of a component; Shelly counts in Wh."""
    match kind:
        case "em":
            for phase in "abc":
                yield f".{phase}", number(status.get(f"{phase}_act_power")), None
            yield "", number(status.get("total_act_power")), None
        case "emdata":
            for phase in "abc":
                yield f".{phase}", None, _kilo(status.get(f"{phase}_total_act_energy"))
            yield "", None, _kilo(status.get("total_act"))
        case "em1":
            yield "", number(status.get("act_power")), None
        case "em1data":
            yield "", None, _kilo(status.get("total_act_energy"))
        case _:
            counter = status.get("aenergy")
            energy = counter.get("total") if isinstance(counter, Mapping) else None
            yield "", number(status.get("apower")), _kilo(energy)


def _kilo(value: Any) -> float | None:
    read = number(value)
    return None if read is None else read / _KILO


NORMALIZER: Final = SmartMeterNormalizer
