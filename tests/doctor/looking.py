"""A diagnosis for a test: in this process, with the settings that it names."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homeiq.clock import SECOND, SystemClock
from homeiq.doctor.case import Limits
from homeiq.doctor.diagnosis import Diagnosis, diagnose
from homeiq.doctor.finding import Finding
from homeiq.settings import HomeAssistantSettings, InfluxDBSettings, Settings
from pydantic import SecretStr

__all__ = ["Shifted", "at_home", "codes", "found_by", "look", "one", "writing_to"]

QUICK = Limits(request=5.0, check=60.0, watch=0.3)


class Shifted(SystemClock):
    """The machine's clock, set forward or back by some seconds."""

    def __init__(self, seconds: float) -> None:
        self._by = round(seconds * SECOND)

    def now(self) -> int:
        return super().now() + self._by


def look(data_dir: Path, *, clock: Any = None, limits: Limits = QUICK, **settings: Any) -> Diagnosis:
    """Return the diagnosis of a data folder with these settings, without any file or variable."""
    return diagnose(Settings(data_dir=data_dir, **settings), None, clock=clock, limits=limits)


def codes(found: Diagnosis) -> set[str]:
    return {finding.code for finding in found.findings}


def one(found: Diagnosis, code: str) -> Finding:
    """Return the finding of a code, of which there must be one."""
    (finding,) = [finding for finding in found.findings if finding.code == code]
    return finding


def writing_to(url: str, bucket: str, token: str = "any", **more: Any) -> InfluxDBSettings:
    return InfluxDBSettings(url=url, token=SecretStr(token), bucket=bucket, **more)


def at_home(url: str, token: str) -> HomeAssistantSettings:
    return HomeAssistantSettings(url=url, token=SecretStr(token))


@contextmanager
def found_by(check: Any, *case: Any) -> Iterator[dict[str, Finding]]:
    """Yield what one check alone finds, by code."""
    began = time.monotonic()
    yield {finding.code: finding for finding in check(*case).findings}
    assert time.monotonic() - began < 60
