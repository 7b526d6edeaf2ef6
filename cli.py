"""The command line: parse, call one function, print, exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from . import __version__
from .cli_doctor import COMMANDS as DOCTOR_COMMANDS
from .commands.configuration import load_settings
from .commands.terminal import fail, set_up_logging
from .errors import HomeiqError, UsageError
from .settings import Settings
from .storage.views import help_text as sql_help

__all__ = ["main", "cli"]


class _Commands(click.Group):
    """Turns every error that we know into one sentence and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except HomeiqError as error:
            fail(str(error), error.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            raise SystemExit(1) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="homeiq", message="%(prog)s %(version)s")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="homeiq.yaml to read.")
@click.option("--data-dir", metavar="FOLDER", help="Folder of the log; to read, also a backup: s3://bucket/prefix?…")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what goes on.")
@click.pass_context
def cli(context: click.Context, config: Path | None, data_dir: str | None, verbose: bool) -> None:
    """Record a home, for ever: a durable log of raw events, projected into InfluxDB, and again by replay."""
    set_up_logging(verbose)
    context.obj = _Context(config, _data_folder(data_dir, context.invoked_subcommand or ""))


_READING = frozenset({"audit", "export", "gaps", "normalize", "replay", "sql", "verify"})
"""The commands that can do with a copy of the log that was fetched from an object store."""


def _data_folder(text: str | None, command: str) -> Path | None:
    """Return the folder of the log; of a backup in an object store, its copy in the user's cache, brought up to date."""
    if not text or "://" not in text:
        return Path(text) if text else None
    if command not in _READING:
        raise UsageError(f"homeiq {command} needs a folder", hint="homeiq restore brings a log back from a store")
    from .storage.restore import fetch

    return fetch(text)


class _Context:
    """The options that all commands share; the settings are read by the commands that need them."""

    def __init__(self, config: Path | None, data_dir: Path | None) -> None:
        self.config = config
        self.data_dir = data_dir

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, data_dir=self.data_dir)


shared = click.make_pass_decorator(_Context)


@cli.command()
@shared
def record(context: _Context) -> None:
    """Record Home Assistant into the log, until SIGTERM or Ctrl-C."""
    from .commands.record import record as record_home

    record_home(context.settings, context.config)


@cli.command()
@shared
def run(context: _Context) -> None:
    """Record, and follow the log into InfluxDB (or, without one, into the embedded target)."""
    from .commands.record import run as run_home

    run_home(context.settings, context.config)


@cli.command()
@click.option("--since", metavar="TIME", help="Replay points from this time on: 2026-11-23, 7d, 36h, yesterday.")
@click.option("--until", metavar="TIME", help="Replay points before this time; by default there is no end.")
@click.option("--entity", metavar="GLOB", default="", help="Only points of these entities: light.*")
@click.option("--source", metavar="NAME", default="", help="Only points of records of this source.")
@click.option("--event-type", metavar="TYPE", default="", help="Only points of records of this event type.")
@click.option("--target", metavar="NAME", default="", help="One of several targets; by default the first.")
@click.option("--stale", is_flag=True, help="Only windows that are stale, or whose normalizer has changed.")
@click.option("--plan", is_flag=True, help="Say what would change, and write nothing.")
@click.option("--follow", is_flag=True, help="Follow the log for ever; late records are worked off in between.")
@click.option("--output", metavar="FILE", help="Write line protocol to a file instead, - for stdout.")
@click.option("--into", metavar="BUCKET", help="Project into another bucket of the same InfluxDB, and audit it.")
@click.option("--jobs", type=click.IntRange(0, 64), help="Processes that make points; 0: none but this one.")
@click.option("--adopt", is_flag=True, help="Take over a target that another log has written to.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer our parent.")
@shared
def replay(context: _Context, /, follow: bool, parent: int | None, **options: Any) -> None:
    """Write the points of a time range anew, from the raw log: repairs an outage or a wrong normalizer."""
    from .commands import replay as replays
    from .commands.proof import show_plan

    asked = replays.ReplayOptions(**options)
    if follow and asked != replays.ReplayOptions(target=asked.target):
        raise UsageError("--follow goes on for ever and takes no other option but --target")
    settings = context.settings
    if follow:
        replays.follow(settings, context.config, asked.target, parent)
    elif asked.plan:
        show_plan(settings, asked.scope(settings.data_dir), to=asked.target, as_json=asked.as_json)
    else:
        replays.replay(settings, asked)


@cli.command()
@click.option("--since", metavar="TIME", help="Compare points from this time on; by default all.")
@click.option("--until", metavar="TIME", help="Compare points before this time.")
@click.option("--target", metavar="NAME", default="", help="One of several targets; by default the first.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@shared
def audit(context: _Context, since: str | None, until: str | None, target: str, as_json: bool) -> None:
    """Prove that the target equals what the log makes, or say where it does not (exit code 1)."""
    from .commands.proof import prove
    from .commands.replay import ReplayOptions

    settings = context.settings
    prove(settings, ReplayOptions(since=since, until=until).scope(settings.data_dir), to=target, as_json=as_json)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@shared
def status(context: _Context, as_json: bool) -> None:
    """Say what is recorded and projected now, which windows are stale, and why."""
    from .commands.status import status as show

    show(context.settings, as_json=as_json)


@cli.command("dead-letters")
@click.option("--target", metavar="NAME", default="", help="One of several targets; by default the first.")
@click.option("--show", is_flag=True, help="Print the lines too.")
@click.option("--retry", is_flag=True, help="Try them again: their windows are replayed.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@shared
def dead_letters(context: _Context, target: str, show: bool, retry: bool, as_json: bool) -> None:
    """Say which points the target refused for good, and why."""
    from .commands.status import dead_letters as list_letters

    list_letters(context.settings, to=target, show=show, retry=retry, as_json=as_json)


@cli.command(epilog="\b\n" + sql_help())
@click.argument("query", required=False)
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header.")
@click.option("--json", "form", flag_value="json", help="Print a JSON list of objects.")
@click.option("--parquet", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write Parquet.")
@shared
def sql(context: _Context, query: str | None, form: str | None, parquet: Path | None) -> None:
    """Ask DuckDB about the raw log; without a query, at a prompt. Works while the recorder writes. Times are in UTC."""
    from .commands.prompt import prompt
    from .commands.tables import print_table
    from .storage.sql import query as ask

    if query is None:
        if parquet is not None:
            raise UsageError("--parquet writes the result of one query: give it as an argument")
        prompt(context.settings.data_dir, form or "table")
        return
    table = ask(context.settings.data_dir, query)
    if table is not None:
        print_table(table, form or "table", parquet)


@cli.command()
@click.option("--since", metavar="TIME", help="Only gaps that lasted at this time or later: 2026-11-23, 7d, 36h.")
@click.option("--source", metavar="NAME", help="Only gaps of this source: home_assistant, recorder, …")
@click.option("--json", "as_json", is_flag=True, help="Print gaps and totals as JSON.")
@shared
def gaps(context: _Context, since: str | None, source: str | None, as_json: bool) -> None:
    """List the intervals in which a source was not listened to, why, and how far each was closed afterwards.

    Times are shown in UTC. The view `gaps` of `homeiq sql` has the same rows.
    """
    from .commands.gaps import gaps as list_gaps

    list_gaps(context.settings.data_dir, since, source, as_json)


@cli.command()
@click.option("--since", metavar="TIME", required=True, help="Fetch states from this time on: 2026-11-23, 7d, 36h.")
@click.option("--until", metavar="TIME", help="Fetch states before this time; by default until now.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def backfill(context: _Context, since: str, until: str | None, as_json: bool) -> None:
    """Fetch the states of a time range from Home Assistant's own history, and record those that are missing.

    Gaps are closed so by themselves; this is for times before homeiq was there, and for a history that was repaired.
    """
    from .commands.backfill import backfill as fetch

    fetch(context.settings, since, until, as_json)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--background", is_flag=True, hidden=True, help="At the lowest priority, and only what is worth it.")
@shared
def compact(context: _Context, as_json: bool, background: bool) -> None:
    """Seal the tail, merge small segments, and let expire what `retention` says. Works while the recorder writes."""
    from .commands.upkeep import compact as compact_log

    compact_log(context.settings, as_json=as_json, background=background)


@cli.command()
@click.option("--entity", metavar="GLOB", required=True, help="Forget these entities: person.guest, device_tracker.*")
@click.option("--since", metavar="TIME", help="Only records of this time or later: 2026-11-23, 7d, 36h.")
@click.option("--until", metavar="TIME", help="Only records before this time.")
@click.option("--yes", is_flag=True, help="Don't ask first.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def forget(context: _Context, entity: str, since: str | None, until: str | None, yes: bool, as_json: bool) -> None:
    """Take an entity's records out of the log for good, and its points out of the targets. Can't be undone.

    Works while the recorder writes. docs/retention.md says what else may hold them.
    """
    from .commands.upkeep import forget as forget_records

    forget_records(context.settings, entity, since, until, yes=yes, as_json=as_json)


@cli.command()
@click.argument("destination", metavar="DEST")
@click.option("--check", is_flag=True, help="Read every file there in full, instead of comparing sizes.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def backup(context: _Context, destination: str, check: bool, as_json: bool) -> None:
    """Copy to DEST what it lacks of the log: a folder, or s3://bucket/prefix?region=… Run it every minute, or daily.

    Keys come from the environment (AWS_ACCESS_KEY_ID, …). `homeiq --data-dir DEST sql` reads a backup where it lies.
    """
    from .commands.backup import backup as back_up

    back_up(context.settings.data_dir, destination, check=check, as_json=as_json)


@cli.command()
@click.argument("source", metavar="SRC")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def restore(context: _Context, source: str, as_json: bool) -> None:
    """Bring a log back from the backup SRC, into a data folder that is empty."""
    from .commands.backup import restore as restore_log

    restore_log(source, context.settings.data_dir, as_json)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print counts and findings as JSON.")
@shared
def verify(context: _Context, as_json: bool) -> None:
    """Prove that the log is whole, or list what is not (exit code 1). Works while the recorder writes."""
    from .commands.verify import verify_log

    verify_log(context.settings.data_dir, as_json)


@cli.group("import")
def import_() -> None:
    """Bring into the log what Home Assistant or another log has recorded. The same file twice adds nothing.

    Works while the recorder writes. Each record keeps its own time, and has the origin import unless it says another.
    """


@import_.command("home-assistant")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def import_home_assistant(context: _Context, file: Path, as_json: bool) -> None:
    """Import Home Assistant's own database (home-assistant_v2.db): states, events and hourly statistics."""
    from .commands.importing import import_home_assistant as bring

    bring(context.settings.data_dir, file, as_json)


@import_.command("ndjson")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def import_ndjson(context: _Context, file: str, as_json: bool) -> None:
    """Import lines of `homeiq export`, or of what POST /events takes; may be gzip, - is stdin."""
    from .commands.importing import import_ndjson as bring

    bring(context.settings.data_dir, file, as_json)


@import_.command("parquet")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def import_parquet(context: _Context, file: str, as_json: bool) -> None:
    """Import a Parquet file of `homeiq export`, or a sealed segment of another log."""
    from .commands.importing import import_parquet as bring

    bring(context.settings.data_dir, file, as_json)


@cli.command()
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
def export(context: _Context, /, **options: Any) -> None:
    """Write records of the log, in order of seq: what `homeiq import` takes. Works while the recorder writes."""
    from .commands.exporting import ExportOptions
    from .commands.exporting import export as write

    write(context.settings.data_dir, ExportOptions(**options))


@cli.group()
def normalize() -> None:
    """Try out rules, and normalizers of one's own: what they make of recorded events."""


@normalize.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--events", metavar="FILE", type=click.Path(path_type=Path), help="Take events from this NDJSON file.")
@click.option("--since", metavar="TIME", help="Take events of the log from this time on; by default its last day.")
@click.option("--until", metavar="TIME", help="Take events before this time.")
@click.option("--entity", metavar="GLOB", default="", help="Only events of these entities: light.*")
@click.option("--limit", default=10, show_default=True, help="Show so many events at most.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@shared
def normalize_test(context: _Context, /, **options: Any) -> None:
    """Show what FILE (rules in YAML, or a normalizer in Python) makes of events, before and after; writes nothing."""
    from .commands.normalize import Trial, try_out

    try_out(context.settings, Trial(**options))


@cli.command()
@click.option("--port", type=int, default=8123, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Simulated seconds in a second.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same home.")
@click.option("--token", default="simulated-home", show_default=True, help="The access token that is accepted.")
@click.option("--start", metavar="TIME", help="Where simulated time begins; by default now.")
def simulate(port: int, speed: float, seed: int, token: str, start: str | None) -> None:
    """Be a simulated Home Assistant on the loopback interface: for trying homeiq out, and for tests."""
    from .commands.simulate import simulate as simulate_home

    simulate_home(port, speed, seed, token, start)


@cli.command()
@click.option("--seconds", type=float, help="Stop after so long; by default with Ctrl-C.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same home.")
@click.pass_context
def demo(context: click.Context, seconds: float | None, seed: int) -> None:
    """Record a simulated home and project it: no server, no account, no key."""
    from .commands.demo import demo as show

    show(context.obj.data_dir, seconds, seed)


for _command in DOCTOR_COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="homeiq")


if __name__ == "__main__":
    main()
