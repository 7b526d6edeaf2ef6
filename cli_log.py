"""The commands on the log itself: tidied, copied, proved, brought in and out. As cli.py: parse, call one function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .commands.context import Context, shared

__all__ = ["COMMANDS"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--background", is_flag=True, hidden=True, help="At the lowest priority, and only what is worth it.")
@shared
def compact(context: Context, as_json: bool, background: bool) -> None:
    """Seal the tail, merge small segments, and let expire what `retention` says. Works while the recorder writes."""
    from .commands.upkeep import compact as compact_log

    compact_log(context.settings, as_json=as_json, background=background)


@click.command()
@click.option("--entity", metavar="GLOB", required=True, help="Forget these entities: person.guest, device_tracker.*")
@click.option("--since", metavar="TIME", help="Only records of this time or later: 2026-11-23, 7d, 36h.")
@click.option("--until", metavar="TIME", help="Only records before this time.")
@click.option("--yes", is_flag=True, help="Don't ask first.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def forget(context: Context, entity: str, since: str | None, until: str | None, yes: bool, as_json: bool) -> None:
    """Take an entity's records out of the log for good, and its points out of the targets. Can't be undone.

    Works while the recorder writes. docs/retention.md says what else may hold them.
    """
    from .commands.upkeep import forget as forget_records

    forget_records(context.settings, entity, since, until, yes=yes, as_json=as_json)


@click.command()
@click.argument("destination", metavar="DEST")
@click.option("--check", is_flag=True, help="Read every file there in full, instead of comparing sizes.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def backup(context: Context, destination: str, check: bool, as_json: bool) -> None:
    """Copy to DEST what it lacks of the log: a folder, or s3://bucket/prefix?region=… Run it every minute, or daily.

    Keys come from the environment (AWS_ACCESS_KEY_ID, …). `homeiq --data-dir DEST sql` reads a backup where it lies.
    """
    from .commands.backup import backup as back_up

    back_up(context.settings.data_dir, destination, check=check, as_json=as_json)


@click.command()
@click.argument("source", metavar="SRC")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def restore(context: Context, source: str, as_json: bool) -> None:
    """Bring a log back from the backup SRC, into a data folder that is empty."""
    from .commands.backup import restore as restore_log

    restore_log(source, context.settings.data_dir, as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print counts and findings as JSON.")
@shared
def verify(context: Context, as_json: bool) -> None:
    """Prove that the log is whole, or list what is not (exit code 1). Works while the recorder writes."""
    from .commands.verify import verify_log

    verify_log(context.settings.data_dir, as_json)


@click.command()
@click.option(
    "--from", "source", metavar="SRC", help="Bring back what is damaged from this backup: a folder, or s3://…"
)
@click.option("--accept-loss", is_flag=True, help="Give up what can neither be read nor be had from a backup.")
@click.option("--lost-since", metavar="TIME", help="Nothing that is given up is of an earlier time: 2026-11-23, 7d.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def mend(context: Context, source: str | None, accept_loss: bool, lost_since: str | None, as_json: bool) -> None:
    """Make a damaged log whole: from a backup, and by saving what can be read. Works while the recorder writes.

    Damaged files go to quarantine/. Without --accept-loss no record is given up. docs/damage.md says what happens.
    """
    from .commands.mend import mend_log

    data_dir = context.settings.data_dir
    mend_log(data_dir, source, accept_loss=accept_loss, lost_since=lost_since, as_json=as_json)


@click.group("import")
def import_() -> None:
    """Bring into the log what Home Assistant or another log has recorded. The same file twice adds nothing.

    Works while the recorder writes. Each record keeps its own time, and has the origin import unless it says another.
    """


@import_.command("home-assistant")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def import_home_assistant(context: Context, file: Path, as_json: bool) -> None:
    """Import Home Assistant's own database (home-assistant_v2.db): states, events and hourly statistics."""
    from .commands.importing import import_home_assistant as bring

    bring(context.settings.data_dir, file, as_json)


@import_.command("ndjson")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def import_ndjson(context: Context, file: str, as_json: bool) -> None:
    """Import lines of `homeiq export`, or of what POST /events takes; may be gzip, - is stdin."""
    from .commands.importing import import_ndjson as bring

    bring(context.settings.data_dir, file, as_json)


@import_.command("parquet")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def import_parquet(context: Context, file: str, as_json: bool) -> None:
    """Import a Parquet file of `homeiq export`, or a sealed segment of another log."""
    from .commands.importing import import_parquet as bring

    bring(context.settings.data_dir, file, as_json)


@click.command()
@click.option("--since", metavar="TIME", help="Only records with a time from this on: 2026-11-23, 7d, 36h, yesterday.")
@click.option("--until", metavar="TIME", help="Only records with a time before this.")
@click.option("--entity", metavar="GLOB", default="", help="Only records of these entities: light.*")
@click.option("--source", metavar="NAME", default="", help="Only records of this source.")
@click.option("--event-type", metavar="TYPE", default="", help="Only records of this event type.")
@click.option("--output", metavar="FILE", default="-", help="Write into this file; by default to stdout.")
@click.option(
    "--format", "form", type=click.Choice(["ndjson", "parquet"]), default="ndjson", help="NDJSON, or Parquet."
)
@shared
def export(context: Context, /, **options: Any) -> None:
    """Write records of the log, in order of seq: what `homeiq import` takes. Works while the recorder writes."""
    from .commands.exporting import ExportOptions
    from .commands.exporting import export as write

    write(context.settings.data_dir, ExportOptions(**options))


COMMANDS = (compact, forget, backup, restore, verify, mend, import_, export)
