"""Lengths of time as people say them. Pure."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["length_text"]


def length_text(seconds: float) -> str:
    """Return a length of time in two units at most: 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = timedelta(seconds=round(seconds))
    hours, minutes, rest = whole.seconds // 3600, whole.seconds // 60 % 60, whole.seconds % 60
    if whole.days:
        return f"{whole.days:,} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
