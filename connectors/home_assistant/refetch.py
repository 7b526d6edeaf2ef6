"""Which registry has changed and is to be fetched anew, and when. Pure.

One change is answered at once. Hundreds of them in a burst, as at a start of Home Assistant, are one question at the end of
an interval: a registry of 2,000 entities is a megabyte. A question whose answer never comes delays nothing for longer.
"""

from __future__ import annotations

from typing import Final

from ...clock import SECOND

__all__ = ["INTERVAL", "Refetches"]

INTERVAL: Final = 5 * SECOND
"""The same registry is asked for at most once in so long (microseconds)."""


class Refetches:
    """Remembers for each command when it was asked last, and since when its answer is out of date."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}
        self._changed: dict[str, int] = {}

    def changed(self, command: str, time: int, now: int) -> int | None:
        """Take note of an event at `time` that says that the answer has changed; all times are microseconds UTC.

        Returns in how many microseconds to ask (0: at once); None if that was said for an earlier event.
        """
        if command in self._changed:
            return None
        self._changed[command] = time
        since = now - self._asked.get(command, now - INTERVAL)
        return INTERVAL - since if 0 <= since < INTERVAL else 0  # a clock that was set back delays nothing

    def asking(self, command: str, now: int) -> int | None:
        """Return the time of the first event that has not been asked for: what is asked now has this time.

        None if there is none. What is known too early by some seconds explains the states that follow the event; what is
        known too late would not.
        """
        time = self._changed.pop(command, None)
        if time is not None:
            self._asked[command] = now
        return time
