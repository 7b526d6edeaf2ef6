"""Times as people give them: 2026-11-23, 2026-11-23T18:00, 7d, 36h, 30m, yesterday, today."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..clock import from_iso
from ..errors import UsageError

__all__ = ["parse_time"]

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str | None, zone: ZoneInfo, now: int, option: str) -> int | None:
    """Return microseconds UTC; a time without an offset is in `zone`, and `7d` is so long before `now`.

    None stays None. Raises UsageError, which names the option.
    """
    if text is None:
        return None
    words = text.strip().lower()
    moment = datetime.fromtimestamp(now / 1e6, UTC)
    try:
        if match := _AGO.fullmatch(words):
            ago = timedelta(**{_UNITS[match.group(2)]: float(match.group(1))})
            return from_iso((moment - ago).isoformat())
        if words in ("today", "yesterday", "now"):
            day = moment.astimezone(zone).date() - timedelta(days=words == "yesterday")
            start = datetime.combine(day, time(), zone)
            return now if words == "now" else from_iso(start.astimezone(UTC).isoformat())
        given = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {text} is not a time", hint="give 2026-11-23, 2026-11-23T18:00, 7d, 36h or yesterday"
        ) from None
    return from_iso((given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC).isoformat())
