"""`homeiq mend`: makes a damaged log whole, from a backup or by what can still be read of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..clock import SystemClock
from ..doctor.words import count as count_of
from ..replayer.replay import home_zone
from ..storage.log import require_log
from ..storage.mending import Loss, Mended, losses_of, mend
from ..storage.places import place_of
from ..storage.verify import Finding, verify
from .import_sink import noting, open_sink
from .terminal import long_work, print_json, print_line, say
from .times import parse_time

__all__ = ["mend_log"]

_AGAIN = "what is mended stays; run it again"


def mend_log(data_dir: Path, source: str | None, *, accept_loss: bool, lost_since: str | None, as_json: bool) -> None:
    """Mend what can be mended; end with exit code 1 if anything is left that is not as it should be. Raises HomeiqError."""
    require_log(data_dir)
    place = place_of(source) if source else None
    since = None
    if lost_since is not None:  # else the log need not say where the home is
        since = parse_time(lost_since, home_zone(data_dir, lacking=True), SystemClock().now(), "--lost-since")
    with long_work(_AGAIN) as display:
        losses, others = losses_of(data_dir, lambda done, total: display.show("verified", done, total=total))
        done = Mended()
        if losses or others or place is not None:
            with open_sink(data_dir, threading.Event(), "homeiq mend") as sink:
                done = mend(
                    data_dir,
                    losses,
                    noting(sink),
                    SystemClock().now(),
                    place=place,
                    accept=accept_loss,
                    since=since,
                    watch=lambda far, total: display.show("mended", far, total=total),
                )
            others = verify(data_dir, lambda far: display.show("verified", far.records, total=far.total)).findings
    if as_json:
        facts = {"losses": list(map(asdict, losses)), "findings": list(map(asdict, others)), "accepted": accept_loss}
        print_json(facts | asdict(done))
    else:
        _tell(losses, others, done, accept_loss=accept_loss)
    if done.left or others:
        raise SystemExit(1)


def _tell(losses: Sequence[Loss], others: Sequence[Finding], done: Mended, *, accept_loss: bool) -> None:
    for loss in losses:
        readable = f"; {loss.readable:,} of {loss.records:,} can be read and proved" if loss.file else ""
        say(": ".join(part for part in (loss.file, loss.reason + readable) if part))
    for path in done.quarantined:
        say(f"moved to {path}")
    for sentence in done.left:
        say(sentence)
    for finding in others:
        say(f"left: {': '.join(part for part in (finding.kind, finding.file, finding.message) if part)}")
    if not losses:
        whole = "the log is whole" if done.quarantined else "the log is whole: there is nothing to mend"
        print_line("no record is damaged or missing" if others else whole)
        return
    line = f"{count_of(done.fetched, 'record')} came back from copies, {done.saved:,} were saved from damaged files"
    if done.lost:
        ranges = ", ".join(f"{first:,}-{last:,}" for first, last in done.lost_in)
        line += f"; {count_of(done.lost, 'record')} lost, for which blank rows stand (in {ranges})"
    print_line(line)
    if done.left and not accept_loss:
        say("name a backup with --from SRC, or give up what is lost with --accept-loss")
