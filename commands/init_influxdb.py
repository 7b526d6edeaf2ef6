"""Where an InfluxDB is, and whether it lets homeiq in: asked at once, with what a person gives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import urllib3
from pydantic import SecretStr, ValidationError

from ..errors import HomeiqError, TargetRefused
from ..replayer.targets.influxdb import InfluxDBTarget
from ..replayer.targets.influxdb_answers import missing, reason_of
from ..replayer.targets.influxdb_http import InfluxDBRequests
from ..replayer.targets.influxdb_kind import product_of
from ..replayer.targets.influxql import identifier
from ..settings import InfluxDBSettings

__all__ = ["Found", "candidates", "find", "look", "make_bucket", "try_out"]

_SECONDS: Final = 3.0
_FINDING_SECONDS: Final = 8.0
_TRYING_SECONDS: Final = 15.0
_PORT: Final = 8086


@dataclass(frozen=True)
class Found:
    """An InfluxDB: its address, what it calls itself, and 1 or 2, else 0."""

    url: str
    product: str
    major: int


def candidates(home_assistant: str, named: str = "") -> list[str]:
    """Return where one may be: the address that is named, this machine, Home Assistant's, and names that are usual."""
    host = urlsplit(home_assistant).hostname or ""
    places = ["localhost", host, "influxdb", "a0d7b954-influxdb"]
    urls = [named.rstrip("/"), *(f"http://{_bracketed(place)}:{_PORT}" for place in places if place)]
    return list(dict.fromkeys(url for url in urls if url))


def find(urls: Iterable[str]) -> list[Found]:
    """Return those of the addresses at which an InfluxDB answers, in their order; nobody is waited for for long."""
    addresses = list(urls)
    answers: dict[str, Found | None] = {}

    def note(url: str) -> None:
        answers[url] = look(url)

    # Not a pool: its end would wait for a name server that does not answer.
    threads = [threading.Thread(target=note, args=(url,), daemon=True) for url in addresses]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _FINDING_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    seen: list[Found] = []
    for url in addresses:
        found = answers.get(url)
        if found is not None and found.major and not any(_same(found.url, other.url) for other in seen):
            seen.append(found)
    return seen


def look(url: str) -> Found | None:
    """Return what answers at an address; None if nobody does."""
    try:
        settings = InfluxDBSettings(url=url, timeout=_SECONDS)
        product, major = product_of(InfluxDBRequests(settings, urllib3.PoolManager()))
    except (HomeiqError, ValidationError):
        return None
    return Found(settings.url, product, major)


def try_out(url: str, token: str, org: str, bucket: str) -> tuple[str, tuple[str, ...]]:
    """Connect as the follower would; return what it is, and what cannot be done with it. Raises TargetError."""
    try:
        settings = InfluxDBSettings(
            url=url, token=SecretStr(token), org=org, bucket=bucket, timeout=_TRYING_SECONDS, gzip=False
        )
    except ValidationError as error:
        raise TargetRefused(f"{url} is not an address", hint=error.errors()[0]["msg"].lower()) from None
    target = InfluxDBTarget(settings)
    try:
        target.connect(0)
    finally:
        target.close()
    return f"{target.product} at {settings.url}, bucket {bucket}", tuple(target.cannot)


def make_bucket(url: str, token: str, org: str, bucket: str) -> None:
    """Make a bucket, which keeps its points for ever; on 1.8 a database. Raises TargetError."""
    settings = InfluxDBSettings(url=url, token=SecretStr(token), org=org, bucket=bucket, timeout=_TRYING_SECONDS)
    requests = InfluxDBRequests(settings, urllib3.PoolManager())
    if product_of(requests)[1] == 1:
        requests.do(f"CREATE DATABASE {identifier(requests.database)}", "make the database")
        return
    answer = requests.get("/api/v2/orgs", org=org)
    found = answer.json.get("orgs") if answer.status == HTTPStatus.OK and isinstance(answer.json, dict) else None
    if not found:
        raise missing(settings, reason_of(answer.body, f"HTTP {answer.status}"))
    answer = requests.post("/api/v2/buckets", {"orgID": str(found[0].get("id", "")), "name": bucket})
    if answer.status != HTTPStatus.CREATED:
        reason = reason_of(answer.body, f"HTTP {answer.status}")
        raise TargetRefused(
            f"InfluxDB at {url} does not make bucket {bucket} ({reason})", hint="make it there", place=url
        )


def _same(one: str, other: str) -> bool:
    """Tell whether two addresses are surely the same server: this machine has several names."""
    local = {"localhost", "127.0.0.1", "::1"}
    a, b = urlsplit(one), urlsplit(other)
    return a.port == b.port and (a.hostname == b.hostname or {a.hostname, b.hostname} <= local)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
