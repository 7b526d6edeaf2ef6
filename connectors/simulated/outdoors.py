"""What is outside: the sun, the air, the clouds, the wind; and the sensors that see them. Pure."""

from __future__ import annotations

import math
from typing import Final

from ...clock import DAY, to_iso
from . import sun
from .stage import Stage
from .state import Attributes

__all__ = ["Outdoors"]

_YEAR: Final = 365.2425
_COLDEST_DAY: Final = 20.0


class Outdoors:
    """The weather at one place: the season, the hour, and slow chance."""

    def __init__(self, stage: Stage, place: tuple[float, float]) -> None:
        self._stage = stage
        self._place = place
        self._gauss = stage.random.gauss
        self._front = self._gauss(0.0, 2.5)
        self._noise = 0.0
        self._pressure = self._gauss(0.0, 6.0)
        self._sun_times: Attributes = {}
        self._sun_next = 0
        self.clouds = stage.random.random()
        self.wind = 6.0 + 10.0 * stage.random.random()
        self.sun = sun.position(stage.time, *place)
        self.temperature = self._air()
        self.illuminance = 0.0
        self._blow()

    def begin(self) -> None:
        """Put everything on the agenda."""
        every = self._stage.every
        every(180, self._blow)
        every(240, self._shine, 0.0)
        every(170, self._measure_air)
        every(190, self._measure_light)
        every(290, self._measure_wind)
        every(1800, self._forecast, 0.02)

    def publish(self) -> None:
        """Report everything once."""
        for say in (self._shine, self._measure_air, self._measure_light, self._measure_wind, self._forecast):
            say()

    @property
    def dark(self) -> bool:
        """Whether people want a light on."""
        return self.sun.elevation < 3.0 + 7.0 * self.clouds

    @property
    def humidity(self) -> float:
        """Return the relative humidity in percent."""
        swing = 13.0 * math.cos(2 * math.pi * (self._stage.hour() - 5.0) / 24)
        return max(22.0, min(99.0, 68.0 + swing * (1.2 - self.clouds) + 18.0 * self.clouds - 0.3 * self.temperature))

    @property
    def condition(self) -> str:
        """Return what the weather entity says."""
        if self.clouds > 0.86:
            return "snowy" if self.temperature < 0.5 else "rainy"
        if self.clouds > 0.62:
            return "cloudy"
        if self.clouds > 0.3:
            return "partlycloudy"
        return "sunny" if self.sun.elevation > sun.RISING else "clear-night"

    def _air(self) -> float:
        days = self._stage.time / DAY % _YEAR
        season = 10.2 - 9.6 * math.cos(2 * math.pi * (days - _COLDEST_DAY) / _YEAR)
        amplitude = (2.2 + 2.0 * (1 - math.cos(2 * math.pi * (days - _COLDEST_DAY) / _YEAR)) / 2) * (1.25 - self.clouds)
        return season + self._front + self._noise + amplitude * math.cos(2 * math.pi * (self._stage.hour() - 15.0) / 24)

    def _blow(self) -> None:
        """Let three minutes of weather pass."""
        gauss = self._gauss
        self._front = self._front * 0.9992 + gauss(0.0, 0.1)
        self._noise = self._noise * 0.9 + gauss(0.0, 0.06)
        self._pressure = self._pressure * 0.9994 + gauss(0.0, 0.22)
        self.clouds = max(0.0, min(1.0, self.clouds + (0.55 - self.clouds) * 0.004 + gauss(0.0, 0.022)))
        self.wind = max(0.0, self.wind + (11.0 - self.wind) * 0.02 + gauss(0.0, 0.9))
        self.temperature = self._air()
        self.sun = sun.position(self._stage.time, *self._place)
        height = max(0.0, math.sin(math.radians(self.sun.elevation + 1.5)))
        self.illuminance = 105_000 * height**1.25 * (1 - 0.8 * self.clouds) * (1 + gauss(0.0, 0.02))

    def _shine(self) -> None:
        stage, place = self._stage, self._place
        now = stage.time
        if now >= self._sun_next:
            times = {
                "next_dawn": sun.next_crossing(now, place, sun.DAWN, upwards=True),
                "next_dusk": sun.next_crossing(now, place, sun.DAWN, upwards=False),
                "next_midnight": sun.next_noon(now + DAY // 2, place[1]) - DAY // 2,
                "next_noon": sun.next_noon(now, place[1]),
                "next_rising": sun.next_crossing(now, place, sun.RISING, upwards=True),
                "next_setting": sun.next_crossing(now, place, sun.RISING, upwards=False),
            }
            self._sun_next = min(times.values())
            self._sun_times = {name: to_iso(time) for name, time in times.items()}
        here = sun.position(now, *place)
        attributes: Attributes = {
            **self._sun_times,
            "elevation": round(here.elevation, 2),
            "azimuth": round(here.azimuth, 2),
            "rising": here.azimuth < 180,
            "friendly_name": "Sun",
        }
        stage.report("sun.sun", "above_horizon" if here.elevation > sun.RISING else "below_horizon", attributes)

    def _measure_air(self) -> None:
        report = self._stage.report
        report("sensor.outdoor_temperature", str(round(self.temperature, 1)))
        report("sensor.outdoor_humidity", str(round(self.humidity)))
        report("sensor.outdoor_pressure", str(round(1014.0 + self._pressure, 1)))

    def _measure_light(self) -> None:
        self._stage.report("sensor.outdoor_illuminance", str(round(self.illuminance)))

    def _measure_wind(self) -> None:
        self._stage.report("sensor.outdoor_wind_speed", str(round(self.wind, 1)))

    def _forecast(self) -> None:
        changes = {
            "temperature": round(self.temperature, 1),
            "humidity": round(self.humidity),
            "pressure": round(1014.0 + self._pressure, 1),
            "wind_bearing": round(225 + 60 * math.sin(self._front), 1),
            "wind_speed": round(self.wind, 1),
            "cloud_coverage": round(100 * self.clouds, 1),
        }
        self._stage.change("weather.home", self.condition, None, **changes)
