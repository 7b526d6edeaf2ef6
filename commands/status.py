"""`homeiq status` and `homeiq dead-letters`: what is recorded, what is projected, and what is not, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..clock import DAY, to_iso, window_of
from ..errors import LogError
from ..recorder.control import ask
from ..replayer.failures import sentence_in
from ..replayer.ledger import Ledger
from ..replayer.normalizers.registry import fingerprint, normalizers_of, problems_of, with_retired
from ..replayer.replay import open_target, target_is_followed
from ..settings import Settings
from ..storage.log import require_log
from ..storage.reader import LogReader
from .terminal import print_json, print_line

__all__ = ["dead_letters", "status"]


def status(settings: Settings, *, as_json: bool) -> None:
    """Print what the recorder and the ledger say. Raises LogError."""
    require_log(settings.data_dir)
    recorder = _recorder(settings.data_dir)
    targets = [_target(settings, name) for name in settings.all_targets()]
    problems = problems_of(normalizers_of(settings))
    if as_json:
        print_json({"data_dir": str(settings.data_dir), "recorder": recorder, "targets": targets, "problems": problems})
        return
    _print_recorder(recorder)
    for problem in problems:
        print_line(f"problem    {problem}")
    for target in targets:
        _print_target(target)


def _recorder(data_dir: Path) -> dict[str, Any] | None:
    """Return the running recorder's live facts; None if none runs."""
    try:
        return ask(data_dir, "status", timeout=5.0)
    except LogError as error:
        return {"problem": str(error)}


def _target(settings: Settings, name: str) -> dict[str, Any]:
    target = open_target(settings, name)
    ledger = Ledger(settings.data_dir, target.name)
    try:
        frozen = _frozen(settings, ledger)
        windows = ledger.windows()
        stale = Counter(
            window.reason
            for window in windows
            if window.state in ("stale", "writing") and window.start not in frozen.get(window.normalizer, ())
        )
        end, position = LogReader(settings.data_dir).end(), ledger.position
        return {
            "name": target.name,
            "title": target.title,
            "followed": target_is_followed(settings.data_dir, target),
            "log_end": end,
            "projected_to": position,
            "behind": max(0, end - position),
            "windows": len(windows),
            "stale": dict(stale.most_common()),
            "frozen": sum(len(starts) for starts in frozen.values()),
            "changed": _changed(settings, ledger, frozen),
            "dead_letters": len(ledger.dead_letters()),
            "failing": [asdict(failing) for failing in ledger.failing()],
        }
    finally:
        ledger.close()
        target.close()


def _frozen(settings: Settings, ledger: Ledger) -> dict[str, set[int]]:
    """Return by normalizer the windows that stay as they are, since records of theirs have expired."""
    from ..replayer.frozen import frozen_windows
    from ..storage.view import LogView

    view = LogView(settings.data_dir)
    known = with_retired(normalizers_of(settings), ledger)
    return {normalizer.name: set(frozen_windows(view, normalizer, ledger)) for normalizer in known}


def _changed(settings: Settings, ledger: Ledger, frozen: dict[str, set[int]]) -> dict[str, dict[str, int]]:
    """Return by normalizer how many windows it has made otherwise than it would now, and how many records they hold."""
    from ..replayer.windows import scan_for
    from ..storage.view import LogView

    found: dict[str, dict[str, int]] = {}
    view: LogView | None = None
    for normalizer in with_retired(normalizers_of(settings), ledger):
        now = fingerprint(normalizer)
        days = [
            window.start
            for window in ledger.windows(normalizer=normalizer.name)
            if window.fingerprint
            and window.fingerprint != now
            and window.state in ("done", "live")
            and window.start not in frozen.get(normalizer.name, ())
        ]
        if days:
            view = view or LogView(settings.data_dir)
            tables = scan_for(view, normalizer, ["time"], start=min(days), end=max(days) + DAY)
            wanted = set(days)
            times = (stamp.value for table in tables for stamp in table["time"])
            events = sum(window_of(time) in wanted for time in times)
            found[normalizer.name] = {"windows": len(days), "events": events}
    return found


def _print_recorder(recorder: dict[str, Any] | None) -> None:
    if recorder is None:
        print_line("recorder   does not run")
        return
    if problem := recorder.get("problem"):
        print_line(f"recorder   {problem}")
    if "durable_seq" in recorder:
        print_line(
            f"recorder   runs; record {recorder['durable_seq']:,} is durable, {recorder['dropped']:,} were dropped"
        )
    for source in recorder.get("sources", []):
        since = f" since {source['since'][:19]}Z" if source.get("since") else ""
        words = f"connected{since}" if source["connected"] else f"not connected{since}: {source['reason']}"
        print_line(f"  {source['name']:<20} {words}; {source['events']:,} events")
        for warning in source.get("warnings", []):
            print_line(f"  {'':<20} {warning}")


def _print_target(target: dict[str, Any]) -> None:
    words = "followed" if target["followed"] else "nobody follows the log into it"
    print_line(
        f"target     {target['title']}: {words}; projected up to record {target['projected_to']:,}",
    )
    if target["behind"]:
        print_line(f"  not yet projected: {target['behind']:,} records")
    for reason, count in target["stale"].items():
        print_line(f"  stale: {count:,} windows, since {reason}")
    if target["frozen"]:
        print_line(f"  frozen: {target['frozen']:,} windows, since records of theirs have expired; their points stay")
    for name, changed in target["changed"].items():
        print_line(
            f"  changed: the normalizer {name}; {changed['windows']:,} windows with {changed['events']:,} events are as it"
            " made them before (homeiq replay --stale redoes them)"
        )
    for failing in target["failing"]:
        said = sentence_in(failing["traceback"])
        print_line(
            f"  failed: the normalizer {failing['normalizer']} on {failing['count']:,} events, such as record"
            f" {failing['seq']:,}: {said} (homeiq status --json has the traceback)"
        )
    if target["dead_letters"]:
        print_line(f"  refused: {target['dead_letters']:,} points (homeiq dead-letters)")


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
