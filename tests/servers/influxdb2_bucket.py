"""One bucket of the tests' own InfluxDB 2: what it takes, what it refuses, and what it deletes."""

import json
import math
import re
from datetime import datetime
from typing import Any

from .influxql import Refused, predicate
from .line_protocol import Content, parse

__all__ = ["Bucket", "Reply"]

Reply = tuple[int, dict[str, str], Any]

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_PARTIAL = "failure writing points to database: partial write: "


class Bucket:
    """Points by series and time."""

    def __init__(self, name: str, identity: str, retention_seconds: int = 0) -> None:
        self.name, self.id, self.retention_seconds = name, identity, retention_seconds
        self.series: dict[tuple[str, frozenset[tuple[str, str]]], dict[int, dict[str, Any]]] = {}
        self._types: dict[tuple[str, str], type] = {}

    @property
    def content(self) -> Content:
        """Everything, each point once."""
        return {
            (measurement, tags, time): dict(fields)
            for (measurement, tags), points in self.series.items()
            for time, fields in points.items()
        }

    def clear(self) -> None:
        """Forget everything, also which types the fields had."""
        self.series.clear()
        self._types.clear()

    def described(self) -> dict[str, Any]:
        """Return what `/api/v2/buckets` says of it."""
        rules = [{"type": "expire", "everySeconds": self.retention_seconds}] if self.retention_seconds else []
        return {"id": self.id, "orgID": "f" * 16, "type": "user", "name": self.name, "retentionRules": rules}

    def mapping(self) -> dict[str, Any]:
        """Return what `/api/v2/dbrps` says of it: without a mapping of somebody's, its name is a database."""
        names = {"database": self.name, "retention_policy": "autogen"}
        return {"id": self.id, "orgID": "f" * 16, "bucketID": self.id, **names, "default": True, "virtual": True}

    def write(self, text: str, now: int) -> Reply:
        """Take line protocol, at `now` (nanoseconds UTC)."""
        try:
            points = parse(text)
            _check(points)
        except (AssertionError, ValueError) as error:
            return 400, {}, {"code": "invalid", "message": f"unable to parse points: {error}"}
        conflicts = old = 0
        for (measurement, tags, time), fields in points.items():
            if self.retention_seconds and time < now - self.retention_seconds * 10**9:
                old += 1
            elif self._fits(measurement, fields):
                self.series.setdefault((measurement, tags), {}).setdefault(time, {}).update(fields)
            else:
                conflicts += 1
        if conflicts:
            return _unprocessable(f"{_PARTIAL}field type conflict dropped={conflicts + old}")
        if old:
            return _unprocessable(f"{_PARTIAL}dropped {old} points outside retention policy")
        return 204, {}, None

    def _fits(self, measurement: str, fields: dict[str, Any]) -> bool:
        kinds = {(measurement, name): type(value) for name, value in fields.items()}
        if any(self._types.get(name, kind) is not kind for name, kind in kinds.items()):
            return False
        self._types.update(kinds)
        return True

    def delete(self, body: bytes) -> Reply:
        """Delete from every series that has the tags of the predicate, and maybe others."""
        try:
            asked = json.loads(body)
            first, last = _nanoseconds(asked.get("start", "")), _nanoseconds(asked.get("stop", ""))
            wanted = predicate(asked.get("predicate", ""))
        except (Refused, ValueError) as error:
            return 400, {}, {"code": "invalid", "message": f"invalid request; error parsing request json: {error}"}
        wanted_measurement = wanted.pop("_measurement", None)
        for (measurement, tags), points in list(self.series.items()):
            if wanted_measurement in (None, measurement) and tags >= wanted.items():
                for time in [time for time in points if first <= time <= last]:
                    del points[time]
                if not points:
                    del self.series[measurement, tags]
        return 204, {}, None


def _check(points: Content) -> None:
    for (_, tags, time), fields in points.items():
        if not all(value for _, value in tags):
            raise ValueError("missing tag value")
        if abs(time) > 2**63 - 2:
            raise ValueError("time outside range")
        for value in fields.values():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError("invalid number")
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError("value out of range")


def _nanoseconds(text: str) -> int:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("please format your time with RFC3339Nano format")
    seconds, fraction, zone = found.groups()
    moment = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00"))
    return round(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def _unprocessable(message: str) -> Reply:
    return 422, {}, {"code": "unprocessable entity", "message": message}
