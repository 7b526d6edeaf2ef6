"""What a home's own sensors, country and place propose for homeiq.yaml: a section for each utility. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Proposal", "propose"]

_UNITS: Final = {"power": ("W", "kW"), "energy": ("Wh", "kWh")}
_MOST_CIRCUITS: Final = 60
_NAMED: Final = 6

_KIND: Final = re.compile(
    r"(?:_(?:electric|electrical|active|current|instantaneous|total|daily|today|sum|meter|phase|channel_\d+))*"
    r"_(?:power|energy|consumption|consumed|load|leistung|energie|verbrauch|puissance|potencia|vermogen)"
    r"(?:_(?:total|usage|use|import\w*|bezug|consumption|consumed|today|daily|w|kw|wh|kwh|now))*$"
)
_NO_CIRCUIT: Final = re.compile(
    r"(?:^|_)(?:solar|pv|photovoltaic|production|produced|generat\w*|battery|batterie|akku|export\w*|return\w*|feed\w*"
    r"|einspeis\w*|inverter|surplus|forecast|yield|cost\w*|peak|max|min|average|apparent|reactive|factor)(?:_|$)"
)
_WHOLE: Final = re.compile(
    r"^(?:grid|mains?|home|house|whole_home|whole_house|household|total|netz|haus|gesamt|hausanschluss|smart_meter|p1_meter)"
    r"(?:_(?:import\w*|consumption|bezug|total|power|meter|usage|net))*$"
)

_ZONES: Final = {
    **{"DE": "DE-LU", "LU": "DE-LU", "AT": "AT", "CH": "CH", "FR": "FR", "NL": "NL", "BE": "BE", "PL": "PL"},
    **{"CZ": "CZ", "SK": "SK", "HU": "HU", "SI": "SI", "HR": "HR", "RO": "RO", "BG": "BG", "GR": "GR", "RS": "RS"},
    **{"ES": "ES", "PT": "PT", "FI": "FI", "EE": "EE", "LV": "LV", "LT": "LT", "ME": "ME"},
}
"""Countries that are one bidding zone at Energy-Charts."""

_SEVERAL_ZONES: Final = {
    "DK": "DK1 (west), DK2 (east)",
    "NO": "NO1 to NO5",
    "SE": "SE1 to SE4",
    "IT": "IT-North, IT-Centre-North, IT-Centre-South, IT-South, IT-Calabria, IT-Sicily, IT-Sardinia",
}


@dataclass(frozen=True)
class Proposal:
    """A section for homeiq.yaml.

    Attributes:
        section: its name.
        content: its keys and values.
        why: in a sentence, what it is and why it is proposed.
        tells: whom the section has asked, and so tells of this home; an empty text where nobody outside is asked.
        incomplete: what must be filled in first; such a one is written as a comment only.
    """

    section: str
    content: Mapping[str, Any]
    why: str
    tells: str = ""
    incomplete: str = ""

    @property
    def found(self) -> str:
        """Which circuits were found, in a few words; an empty text for other sections."""
        names = list(self.content.get("circuits", ()))
        if not names:
            return ""
        more = ", …" if len(names) > _NAMED else ""
        return f"{len(names)} circuit{'s' if len(names) > 1 else ''}: {', '.join(names[:_NAMED])}{more}"


def propose(config: Mapping[str, Any], states: Sequence[Mapping[str, Any]]) -> list[Proposal]:
    """Return what a home proposes, from Home Assistant's configuration and all states, in the order of docs/utilities."""
    found = [_weather(config, states), _air_quality(config), _price(config), _carbon(config)]
    found += [_meters(states), _calendars(states)]
    return [proposal for proposal in found if proposal is not None]


def _weather(config: Mapping[str, Any], states: Sequence[Mapping[str, Any]]) -> Proposal | None:
    entities = _entities(states, "weather")
    if entities:
        which = {"entity": entities[0]} if len(entities) > 1 else {}
        why = f"The weather, from Home Assistant's own {_list(entities)}: nobody is asked."
        return Proposal("weather", {"provider": "home_assistant", **which}, why)
    if not _has_place(config):
        return None
    why = "The weather at the home, each 15 minutes; no key is needed."
    return Proposal("weather", {"provider": "open_meteo"}, why, tells="Open-Meteo")


def _air_quality(config: Mapping[str, Any]) -> Proposal | None:
    if not _has_place(config):
        return None
    why = "The air at the home, each hour; no key is needed."
    return Proposal("air_quality", {"provider": "open_meteo"}, why, tells="Open-Meteo")


def _price(config: Mapping[str, Any]) -> Proposal | None:
    country, currency = str(config.get("country") or "").upper(), str(config.get("currency") or "")
    euros = "" if currency in ("EUR", "") else f", in EUR though the home reckons in {currency}"
    why = f"Electricity prices at the exchange of {country}, each hour, net of taxes and fees{euros}; no key is needed."
    if country in ("DE", "AT"):
        return Proposal("electricity_pricing", {"provider": "awattar", "country": country}, why, tells="aWATTar")
    if country in _ZONES:
        content = {"provider": "energy_charts", "zone": _ZONES[country]}
        return Proposal("electricity_pricing", content, why, tells="Energy-Charts")
    if country in _SEVERAL_ZONES:
        content = {"provider": "energy_charts", "zone": ""}
        fill = f"the zone: {_SEVERAL_ZONES[country]}"
        return Proposal("electricity_pricing", content, why, tells="Energy-Charts", incomplete=fill)
    return None


def _carbon(config: Mapping[str, Any]) -> Proposal | None:
    country = str(config.get("country") or "").upper()
    if country == "GB" or (not country and config.get("time_zone") == "Europe/London"):
        why = "How dirty the grid's electricity is, all of Great Britain; `region: 13` is London. No key is needed."
        return Proposal("carbon_intensity", {"provider": "uk"}, why, tells="the National Energy System Operator")
    if country == "US":
        why = "How dirty the grid's electricity is, of WattTime, where an account is free."
        content = {"provider": "watttime", "username": "", "password_file": "", "region": ""}
        return Proposal("carbon_intensity", content, why, tells="WattTime", incomplete="account and region")
    return None


def _meters(states: Sequence[Mapping[str, Any]]) -> Proposal | None:
    """Propose a circuit for each power sensor, with its counter beside it, and the meter of the whole home."""
    circuits: dict[str, list[str]] = {}
    whole: dict[str, str] = {}
    for entity, stem, kind in sorted(_meters_in(states), key=lambda meter: (meter[1], meter[2] != "power", meter[0])):
        if _NO_CIRCUIT.search(entity.partition(".")[2]):
            continue
        if _WHOLE.match(stem):
            whole.setdefault(kind, entity)  # of several only a person knows which it is
        else:
            circuits.setdefault(stem, []).append(entity)
    total = list(whole.values())
    if not circuits and not total:
        return None
    named = dict(sorted(circuits.items())[:_MOST_CIRCUITS])
    content: dict[str, Any] = {"provider": "home_assistant"}
    if total:
        content["total"] = total[0] if len(total) == 1 else total
    if named:
        content["circuits"] = {name: each[0] if len(each) == 1 else each for name, each in named.items()}
    why = (
        "Power and energy, from Home Assistant's own sensors: nobody is asked. Rename circuits, take out what is none."
    )
    return Proposal("smart_meter", content, why)


def _meters_in(states: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield entity, name of the circuit, and `power` or `energy`, of each sensor that measures one."""
    for state in states:
        attributes = state.get("attributes")
        entity = str(state.get("entity_id", ""))
        if not isinstance(attributes, Mapping) or not entity.startswith("sensor."):
            continue
        kind, unit = attributes.get("device_class"), attributes.get("unit_of_measurement")
        if kind not in _UNITS or unit not in _UNITS[kind]:
            continue
        name = entity.partition(".")[2]
        yield entity, _KIND.sub("", name) or name, str(kind)


def _calendars(states: Sequence[Mapping[str, Any]]) -> Proposal | None:
    calendars = _entities(states, "calendar")
    if not calendars:
        return None
    why = "Who is probably away, and until when, from Home Assistant's calendars: titles of events get into the log."
    return Proposal("calendar", {"provider": "home_assistant", "calendars": calendars}, why)


def _entities(states: Sequence[Mapping[str, Any]], domain: str) -> list[str]:
    names = (str(state.get("entity_id", "")) for state in states)
    return sorted(name for name in names if re.fullmatch(rf"{domain}\.[a-z0-9_]+", name))


def _has_place(config: Mapping[str, Any]) -> bool:
    return all(isinstance(config.get(key), int | float) for key in ("latitude", "longitude"))


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (there are also {', '.join(names[1:4])})"
