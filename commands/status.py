"""`homeiq status` and `homeiq dead-letters`: what is recorded, what is projected, and what is not, and why."""

from __future__ import annotations

from ..clock import to_iso, window_of
from ..replayer.ledger import Ledger
from ..replayer.replay import open_target
from ..settings import Settings
from ..storage.log import require_log
from .status_facts import status_facts
from .status_text import status_lines
from .terminal import print_json, print_line

__all__ = ["dead_letters", "status"]


def status(settings: Settings, *, as_json: bool) -> None:
    """Print what the recorder and the ledger say. Raises LogError."""
    require_log(settings.data_dir)
    facts = status_facts(settings)
    if as_json:
        print_json(facts)
        return
    for line in status_lines(facts):
        print_line(line)


def dead_letters(settings: Settings, *, to: str = "", show: bool, retry: bool, as_json: bool) -> None:
    """Print which points the target refused and why; `show` their lines, or `retry` them. Raises LogError."""
    require_log(settings.data_dir)
    target = open_target(settings, to)
    ledger = Ledger(settings.data_dir, target.name)
    try:
        letters = ledger.dead_letters()
        if retry:
            windows = sorted({(window_of(letter.time), letter.normalizer) for letter in letters})
            ledger.mark_stale([(start, name, "refused points are tried again") for start, name in windows])
            print_line(f"{len(letters):,} points are tried again: {len(windows):,} windows are stale now")
        elif as_json:
            names = ("normalizer", "seq", "time", "line", "reason", "fingerprint", "at")
            print_json([{name: getattr(letter, name) for name in names} for letter in letters])
        else:
            for letter in letters:
                line = f": {letter.line}" if show else ""
                print_line(f"{letter.seq:>12} {to_iso(letter.time)[:19]}Z {letter.normalizer} {letter.reason}{line}")
            print_line(f"{len(letters):,} points were refused by {target.title}")
    finally:
        ledger.close()
        target.close()
