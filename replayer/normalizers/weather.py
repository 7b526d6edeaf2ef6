"""Weather → the measurement `weather`: °C, %, hPa at sea level, m/s, and a condition in Home Assistant's words. Pure.

From Open-Meteo, OpenWeatherMap, and Home Assistant's own weather entities. A point has the time of the observation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, NamedTuple

from pydantic import Field as Setting
from pydantic import field_validator

from ...clock import DAY, SECOND
from ...storage.record import Record
from ..home import HomeView
from ..point import Field, Point
from .base import LOCATION, POLLED, Normalizer, NormalizerSettings, Reads, Reason, SetAside
from .open_meteo import read_current
from .polled import Poll, epoch, number, object_of, objects_in, point_of, read_poll, reader_of, text
from .states import STATES, state_in
from .units import convert_to

__all__ = ["MEASUREMENT", "NORMALIZER", "Observation", "WeatherNormalizer", "WeatherSettings"]

MEASUREMENT: Final = "weather"

_HOUR: Final = 3_600 * SECOND

_BY_WMO_CODE: Final = {
    **dict.fromkeys((0, 1), "sunny"),
    2: "partlycloudy",
    3: "cloudy",
    **dict.fromkeys((45, 48), "fog"),
    **dict.fromkeys((51, 53, 55, 61, 63, 80, 81), "rainy"),
    **dict.fromkeys((65, 82), "pouring"),
    **dict.fromkeys((56, 57, 66, 67), "snowy-rainy"),
    **dict.fromkeys((71, 73, 75, 77, 85, 86), "snowy"),
    95: "lightning-rainy",
    **dict.fromkeys((96, 99), "hail"),
}
"""The code of the World Meteorological Organization (table 4677, as Open-Meteo uses it) → condition."""

_BY_OPENWEATHERMAP_ID: Final = {
    **dict.fromkeys((200, 201, 202, 230, 231, 232), "lightning-rainy"),
    **dict.fromkeys((210, 211, 212, 221), "lightning"),
    **dict.fromkeys((300, 301, 302, 310, 311, 312, 313, 314, 321, 500, 501, 520, 521, 531), "rainy"),
    **dict.fromkeys((502, 503, 504, 522), "pouring"),
    **dict.fromkeys((511, 611, 612, 613, 615, 616), "snowy-rainy"),
    **dict.fromkeys((600, 601, 602, 620, 621, 622), "snowy"),
    **dict.fromkeys((701, 721, 741), "fog"),
    **dict.fromkeys((711, 731, 751, 761, 762, 781), "exceptional"),
    771: "windy",
    800: "sunny",
    **dict.fromkeys((801, 802), "partlycloudy"),
    **dict.fromkeys((803, 804), "cloudy"),
}
"""https://openweathermap.org/weather-conditions → condition."""

_UNITS_OF_OPENWEATHERMAP: Final = {
    "standard": ("K", "m/s"),
    "metric": ("°C", "m/s"),
    "imperial": ("°F", "mph"),
}
"""The system that was asked for → the units of temperature and wind. Pressure is in hPa in each."""

_UNAVAILABLE: Final = frozenset({"unavailable", "unknown"})


class WeatherSettings(NormalizerSettings):
    """The word for the place, by default the home's name; and for `provider: home_assistant` which entity is read.

    Which other provider is asked today is no matter here: changing it makes nothing stale.
    """

    provider: Literal["home_assistant"] | None = None
    entity: str | None = Setting(
        default=None, description="with home_assistant: the one weather entity that counts; by default all of them"
    )
    location: str | None = Setting(default=None, description=LOCATION)

    @field_validator("provider", mode="before")
    @classmethod
    def _only_ours(cls, value: Any) -> Any:
        return value if value == "home_assistant" else None


class Observation(NamedTuple):
    """What was observed, at `time` (microseconds UTC)."""

    time: int
    values: dict[str, Field | None]


class WeatherNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "weather"
    version: ClassVar[int] = 2
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    ahead: ClassVar[int] = _HOUR
    back: ClassVar[int] = DAY
    revised: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = ("config",)
    settings_model: ClassVar[type[NormalizerSettings]] = WeatherSettings
    settings: WeatherSettings

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        super().__init__(section)
        self.reads = Reads((self.name,), (POLLED,))
        if self.settings.provider == "home_assistant":
            entity = self.settings.entity
            self.reads = Reads(
                sources=(self.name, "home_assistant"),
                event_types=(POLLED, *STATES),
                entities=(entity,) if entity else (),
                domains=() if entity else ("weather",),
            )
            self.is_condition = bool(entity)  # of several entities none is the home's own

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of an observation; see Normalizer.normalize."""
        location = self.settings.location
        if record.event_type == POLLED:
            poll = read_poll(record)
            observation = reader_of(poll, _READERS)(poll)
        else:
            observation = _of_entity(record, home)
            if not self.settings.entity:  # there may be several: each is a place of its own
                location = location or (record.entity_id or "").partition(".")[2]
        tags: dict[str, str | None] = {"location": location or home.location_name}
        point = point_of(record, MEASUREMENT, tags, observation.values, observation.time)
        if point is None:
            raise SetAside(Reason.NO_VALUE)
        return [point]


def _of_open_meteo(poll: Poll) -> Observation:
    current = read_current(poll)
    codes = (number(current.values.get(name)) for name in ("weather_code", "weathercode"))
    code = next((code for code in codes if code is not None), None)
    return Observation(
        current.time,
        {
            "temperature": current.measured("°C", ("temperature_2m", "temperature")),
            "humidity": current.measured("%", ("relative_humidity_2m", "relativehumidity_2m")),
            "pressure": current.measured("hPa", ("pressure_msl",)),
            "wind_speed": current.measured("m/s", ("wind_speed_10m", "windspeed_10m", "windspeed")),
            "condition": _condition(_BY_WMO_CODE, code, night=number(current.values.get("is_day")) == 0),
        },
    )


def _of_openweathermap(poll: Poll) -> Observation:
    """Read the answer of /data/2.5/weather, which does not say its units: the request does."""
    content = object_of(poll.content)
    if content.get("cod", 200) not in (200, "200"):
        raise SetAside(Reason.ERROR_ANSWER, "the answer is an error")
    system = poll.params.get("units") or "standard"
    if not isinstance(system, str) or system not in _UNITS_OF_OPENWEATHERMAP:
        raise SetAside(Reason.UNKNOWN_FORM, "the request asks for a system of units that is not known")
    temperature, speed = _UNITS_OF_OPENWEATHERMAP[system]
    time = epoch(content.get("dt"))
    if time is None:
        raise SetAside(Reason.INCOMPLETE, "there is no time")
    main = object_of(content.get("main"), "what was measured")
    wind = content.get("wind")
    weather = next(iter(objects_in(content.get("weather"))), {})
    night = (text(weather.get("icon")) or "").endswith("n")
    return Observation(
        time,
        {
            "temperature": convert_to("°C", number(main.get("temp")), temperature),
            "humidity": number(main.get("humidity")),
            "pressure": number(main.get("pressure")),
            "wind_speed": convert_to("m/s", number(wind.get("speed")), speed) if isinstance(wind, dict) else None,
            "condition": _condition(_BY_OPENWEATHERMAP_ID, number(weather.get("id")), night=night),
        },
    )


def _of_entity(record: Record, home: HomeView) -> Observation:
    """Read a weather entity: each value is in the unit that stands beside it."""
    state = state_in(record)
    condition = text(state.get("state"))
    attributes = state.get("attributes")
    said = attributes if isinstance(attributes, dict) else {}
    degrees = said.get("temperature_unit", home.temperature_unit)  # before Home Assistant 2022.7 none stood there
    return Observation(
        record.time,
        {
            "temperature": convert_to("°C", number(said.get("temperature")), degrees),
            "humidity": number(said.get("humidity")),
            "pressure": convert_to("hPa", number(said.get("pressure")), said.get("pressure_unit")),
            "wind_speed": convert_to("m/s", number(said.get("wind_speed")), said.get("wind_speed_unit")),
            "condition": None if condition in _UNAVAILABLE else condition,
        },
    )


def _condition(words: Mapping[int, str], code: float | None, *, night: bool) -> str | None:
    word = None if code is None else words.get(int(code))
    return "clear-night" if word == "sunny" and night else word


_READERS: Final[dict[str, Callable[[Poll], Observation]]] = {
    "open_meteo": _of_open_meteo,
    "openweathermap": _of_openweathermap,
}

NORMALIZER: Final = WeatherNormalizer
