"""What the ledger says of one target: how far the log is in it, which windows must be redone, what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from ..replayer.failures import Failing
from ..replayer.ledger import Ledger, WindowState
from ..replayer.replay import open_target, target_is_followed
from ..settings import Settings
from ..storage.reader import LogReader

__all__ = ["Projection", "changed_windows", "projection_of", "stale_reasons"]


@dataclass(slots=True)
class Projection:
    """`name` is that in the settings, `target` what the ledger calls it.

    `known` is false where nothing was ever projected there; `followed`: a process writes to it now.
    """

    name: str
    kind: str
    target: str
    title: str
    known: bool = False
    followed: bool = False
    position: int = 0
    log_end: int = 0
    windows: list[WindowState] = field(default_factory=list)
    dead_letters: int = 0
    failing: list[Failing] = field(default_factory=list)
    measurements: list[str] = field(default_factory=list)

    @property
    def behind(self) -> int:
        """How many records are not projected yet."""
        return max(0, self.log_end - self.position)


def projection_of(settings: Settings, name: str) -> Projection:
    """Return what is known of the target of this name in the settings; nothing is asked of the target itself.

    Raises LogError.
    """
    target = open_target(settings, name)
    try:
        found = Projection(name, settings.all_targets()[name].kind, target.name, target.title)
        found.followed = target_is_followed(settings.data_dir, target)
        ledger = Ledger.for_reading(settings.data_dir, target.name)
    finally:
        target.close()
    found.log_end = LogReader(settings.data_dir).end()
    if ledger is None:
        return found
    try:
        found.known, found.position, found.windows = True, ledger.position, ledger.windows()
        found.dead_letters, found.failing = ledger.count_letters(), ledger.failing()
        names = {each for normalizer in ledger.normalizers() for each in ledger.measurements(normalizer)}
        found.measurements = sorted(names)
    finally:
        ledger.close()
    return found


def changed_windows(windows: Iterable[WindowState], fingerprints: Mapping[str, str]) -> list[WindowState]:
    """Return the windows that a normalizer has made otherwise than it would now, by the fingerprints that are given."""
    return [
        window
        for window in windows
        if window.state in ("done", "live")
        and window.fingerprint
        and fingerprints.get(window.normalizer, window.fingerprint) != window.fingerprint
    ]


def stale_reasons(windows: list[WindowState], frozen: Mapping[str, Set[int]]) -> Counter[str]:
    """Count by reason the windows that must be redone; those that are frozen stay as they are."""
    return Counter(
        window.reason
        for window in windows
        if window.state in ("stale", "writing") and window.start not in frozen.get(window.normalizer, ())
    )
