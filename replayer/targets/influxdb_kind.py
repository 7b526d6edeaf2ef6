"""What the server behind an address is, and what it lets us do: found out by asking it, not by its name alone.

Nothing of it can keep a target from being written to: what is not allowed is said in `cannot`. Only a server that can't
answer now is an error, because then nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import TargetRefused
from ...settings import InfluxDBSettings
from .base import Ghost
from .influxdb_answers import asking_error, reason_of
from .influxdb_http import Answer, InfluxDBRequests
from .influxql import FIRST_TIME, any_in_policy, delete, duration, moment, points_between, predicate, retention_policies

__all__ = ["Known", "find_out", "product_of"]

_NOWHERE = Ghost("homeiq_nowhere", {}, FIRST_TIME, FIRST_TIME)
"""What is deleted to see whether deleting is allowed: nothing has this name, at the first time that there is."""

_ANEW = "homeiq replay --into NEW_BUCKET projects everything anew where something must go"


class Known(NamedTuple):
    """See Target for what each means; `major` is 1 or 2, else 0: neither reads nor deletes."""

    product: str
    major: int
    reads: bool
    deletes: bool
    retention: int | None
    cannot: tuple[str, ...]


def find_out(settings: InfluxDBSettings, requests: InfluxDBRequests) -> Known:
    """Ask the server what it is and what it lets us do; raises TargetUnreachable, TargetBusy."""
    product, major = product_of(requests)
    if major == 1:
        return _first(settings, requests, product)
    if major == 2:
        return _second(settings, requests, product)
    return Known(
        product,
        0,
        *(False, False, None),
        (f"what {product} holds is not read back", f"no points are removed from {product}: {_ANEW}"),
    )


def product_of(requests: InfluxDBRequests) -> tuple[str, int]:
    """Return what it is called, and 1 or 2 for the InfluxDBs of which we know how they answer."""
    health = requests.get("/health")
    said = health.json if isinstance(health.json, dict) else {}
    if said.get("name") == "influxdb":
        version = str(said.get("version", ""))
        major = _major(version)
        if major is None:  # one that was built by hand does not know its version
            lists = requests.get("/api/v2/buckets", limit="1")
            major = 2 if isinstance(lists.json, dict) else 1
            return "InfluxDB", major
        return f"InfluxDB {version.removeprefix('v')}", major if major in (1, 2) else 0
    ping = requests.get("/ping")
    body = ping.json if isinstance(ping.json, dict) else {}
    version = str(body.get("version") or _header(ping, "X-Influxdb-Version"))
    major = _major(version) or 0
    if major > 2:
        return f"InfluxDB {version.removeprefix('v')}", 0
    if health.status == 200:  # VictoriaMetrics says "OK", and calls itself InfluxDB 1.8.0
        return "this server, which is no InfluxDB,", 0
    return f"InfluxDB {version.removeprefix('v')}".strip(), major


def _first(settings: InfluxDBSettings, requests: InfluxDBRequests, product: str) -> Known:
    retention = None
    try:
        policies = _policies(requests)
        policy = next((one for one in policies if _is_ours(one, requests.policy)), {})
        retention = duration(str(policy.get("duration", "")))
        _try_reading(requests)
    except TargetRefused as error:
        why = _why(error, settings)
        return Known(
            product, 1, False, False, retention, (f"{why}: it is not read back, and nothing is removed from it",)
        )
    try:
        for other in policies:
            name = str(other.get("name"))
            if not _is_ours(other, requests.policy) and _holds_any(requests, name):
                where = f"database {requests.database} holds points in the retention policy {name} too"
                words = f"{where}, from which {product} would delete as well: give homeiq a database of its own"
                return Known(product, 1, True, False, retention, (words,))
        requests.do(delete(_NOWHERE, ()), "delete")
    except TargetRefused as error:
        return Known(product, 1, True, False, retention, (f"{_why(error, settings)}: nothing is removed from it",))
    return Known(product, 1, True, True, retention, ())


def _policies(requests: InfluxDBRequests) -> list[dict[str, Any]]:
    return [
        dict(zip(series["columns"], row, strict=True))
        for result in requests.query(retention_policies(requests.database))
        for series in result.get("series", ())
        for row in series.get("values", ())
    ]


def _is_ours(policy: Mapping[str, Any], name: str) -> bool:
    return bool(policy.get("name") == name if name else policy.get("default"))


def _holds_any(requests: InfluxDBRequests, policy: str) -> bool:
    return any(
        result.get("series")
        for quick in (True, False)
        for result in requests.query(any_in_policy(requests.database, policy, quick=quick))
    )


def _second(settings: InfluxDBSettings, requests: InfluxDBRequests, product: str) -> Known:
    cannot = []
    bucket, hidden = _bucket(settings, requests)
    if hidden:
        cannot.append(f"{hidden}: what it keeps no longer is not known")
    reads = deletes = True
    try:
        _try_reading(requests)
        _try_mapping(settings, requests, str(bucket.get("id", "")))
    except TargetRefused as error:
        reads = False
        cannot.append(f"{_why(error, settings)}: it is not read back")
    body = {"start": moment(FIRST_TIME), "stop": moment(FIRST_TIME), "predicate": predicate(_NOWHERE)}
    answer = requests.post("/api/v2/delete", body, org=settings.org, bucket=settings.bucket)
    if answer.status != 204:
        try:
            _raise_unless_refused(settings, answer, "delete")
        except TargetRefused as error:
            deletes = False
            cannot.append(f"{_why(error, settings)}: nothing is removed from it; {_ANEW}")
    seconds = max((int(rule.get("everySeconds", 0)) for rule in bucket.get("retentionRules") or []), default=0)
    return Known(product, 2, reads, deletes, seconds * 1_000_000 or None, tuple(cannot))


def _bucket(settings: InfluxDBSettings, requests: InfluxDBRequests) -> tuple[Mapping[str, Any], str]:
    """Return the bucket as the server describes it, or why it doesn't."""
    answer = requests.get("/api/v2/buckets", org=settings.org, name=settings.bucket)
    if answer.status != 200:
        try:
            _raise_unless_refused(settings, answer, "read")
        except TargetRefused as error:
            return {}, _why(error, settings)
    buckets = (answer.json or {}).get("buckets", []) if isinstance(answer.json, dict) else []
    found = next((one for one in buckets if one.get("name") == settings.bucket), None)
    return (found, "") if found else ({}, f"the token does not let homeiq see bucket {settings.bucket}")


def _try_reading(requests: InfluxDBRequests) -> None:
    for _ in requests.query(points_between(_NOWHERE.measurement, FIRST_TIME, FIRST_TIME)):
        pass


def _try_mapping(settings: InfluxDBSettings, requests: InfluxDBRequests, bucket_id: str) -> None:
    """Raise TargetRefused if InfluxQL finds another bucket under the name of ours: somebody has mapped it so."""
    answer = requests.get("/api/v2/dbrps", org=settings.org, db=requests.database)
    mappings = answer.json.get("content") if answer.status == 200 and isinstance(answer.json, dict) else None
    for mapping in mappings or []:
        used = mapping.get("retention_policy") == requests.policy if requests.policy else mapping.get("default")
        if used and bucket_id and mapping.get("bucketID") != bucket_id:
            reason = f"its name is mapped to bucket {mapping.get('bucketID')}, see influx v1 dbrp list"
            raise TargetRefused(reason, place=settings.url)


def _raise_unless_refused(settings: InfluxDBSettings, answer: Answer, what: str) -> None:
    reason = reason_of(answer.body, f"HTTP {answer.status}") or f"HTTP {answer.status}"
    raise asking_error(settings, answer.status, answer.headers, reason, what)


def _why(error: TargetRefused, settings: InfluxDBSettings) -> str:
    return error.message.replace(f"InfluxDB at {settings.url}", "it", 1)


def _major(version: str) -> int | None:
    found = re.match(r"v?(\d+)\.", version)
    return int(found[1]) if found else None


def _header(answer: Answer, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name.lower()), "")
