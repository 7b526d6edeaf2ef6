"""The command line: parse, call one function, print, exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from . import __version__
from .cli_log import COMMANDS as LOG_COMMANDS
from .cli_setup import COMMANDS as SETUP_COMMANDS
from .commands.context import Context, shared
from .commands.logs import LogFormat, set_up_logging
from .commands.terminal import fail, long_work
from .errors import HomeiqError, Stopped, UsageError
from .storage.views import help_text as sql_help

__all__ = ["main", "cli"]


class _Commands(click.Group):
    """Turns every error that we know into one sentence and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except HomeiqError as error:
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            fail("stopped before the end", Stopped.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            raise SystemExit(1) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="homeiq", message="%(prog)s %(version)s")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="homeiq.yaml to read.")
@click.option("--data-dir", metavar="FOLDER", help="Folder of the log; to read, also a backup: s3://bucket/prefix?…")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what goes on.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar="HOMEIQ_LOG_FORMAT",
    help="How log lines are written on stderr: text, or a JSON object a line; or HOMEIQ_LOG_FORMAT.",
)
@click.pass_context
def cli(
    context: click.Context, config: Path | None, data_dir: str | None, verbose: bool, log_format: LogFormat
) -> None:
    """Record a home, for ever: a durable log of raw events, projected into InfluxDB, and again by replay."""
    set_up_logging(verbose, log_format)
    context.obj = Context(config, _data_folder(data_dir, context.invoked_subcommand or ""))


_READING = frozenset({"audit", "export", "gaps", "normalize", "replay", "sql", "verify"})
"""The commands that can do with a copy of the log that was fetched from an object store."""


def _data_folder(text: str | None, command: str) -> Path | None:
    """Return the folder of the log; of a backup in an object store, its copy in the user's cache, brought up to date."""
    if not text or "://" not in text:
        return Path(text) if text else None
    if command not in _READING:
        raise UsageError(f"homeiq {command} needs a folder", hint="homeiq restore brings a log back from a store")
    from .storage.restore import fetch

    with long_work("run it again: what was fetched stays") as display:
        return fetch(text, watch=lambda done, total: display.show("fetched", done, total=total, unit="MB"))


@cli.command()
@shared
def record(context: Context) -> None:
    """Record Home Assistant into the log, until SIGTERM or Ctrl-C."""
    from .commands.record import record as record_home

    record_home(context.settings, context.config)


@cli.command()
@shared
def run(context: Context) -> None:
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
def replay(context: Context, /, follow: bool, parent: int | None, **options: Any) -> None:
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
def audit(context: Context, since: str | None, until: str | None, target: str, as_json: bool) -> None:
    """Prove that the target equals what the log makes, or say where it does not (exit code 1)."""
    from .commands.proof import prove
    from .commands.replay import ReplayOptions

    settings = context.settings
    prove(settings, ReplayOptions(since=since, until=until).scope(settings.data_dir), to=target, as_json=as_json)


@cli.command()
@click.option("--watch", is_flag=True, help="Go on showing it, on a screen of its own; q or Ctrl-C ends it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@shared
def status(context: Context, watch: bool, as_json: bool) -> None:
    """Say what is recorded and projected now, which windows are stale and why, which gaps there are, and the disk.

    With --watch where there is no terminal, a line every 10 seconds.
    """
    from .commands.status import status as show
    from .commands.watch import watch as go_on

    if watch:
        go_on(context.settings.data_dir, context.config, as_json=as_json)
    else:
        show(context.settings, as_json=as_json)


@cli.command("dead-letters")
@click.option("--target", metavar="NAME", default="", help="One of several targets; by default the first.")
@click.option("--show", is_flag=True, help="Print the lines too.")
@click.option("--retry", is_flag=True, help="Try them again: their windows are replayed.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@shared
def dead_letters(context: Context, target: str, show: bool, retry: bool, as_json: bool) -> None:
    """Say which points the target refused for good, and why."""
    from .commands.status import dead_letters as list_letters

    list_letters(context.settings, to=target, show=show, retry=retry, as_json=as_json)


@cli.command(epilog="\b\n" + sql_help())
@click.argument("query", required=False)
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header.")
@click.option("--json", "form", flag_value="json", help="Print a JSON list of objects.")
@click.option("--parquet", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write Parquet.")
@shared
def sql(context: Context, query: str | None, form: str | None, parquet: Path | None) -> None:
    """Ask DuckDB about the raw log; without a query, at a prompt. Works while the recorder writes. Times are in UTC."""
    from .commands.asking import answer
    from .commands.prompt import prompt

    if query is None:
        if parquet is not None:
            raise UsageError("--parquet writes the result of one query: give it as an argument")
        prompt(context.settings.data_dir, form or "table")
        return
    answer(context.settings.data_dir, query, form or "table", parquet)


@cli.command()
@click.option("--since", metavar="TIME", help="Only gaps that lasted at this time or later: 2026-11-23, 7d, 36h.")
@click.option("--source", metavar="NAME", help="Only gaps of this source: home_assistant, recorder, …")
@click.option("--json", "as_json", is_flag=True, help="Print gaps and totals as JSON.")
@shared
def gaps(context: Context, since: str | None, source: str | None, as_json: bool) -> None:
    """List the intervals in which a source was not listened to, why, and how far each was closed afterwards.

    Times are shown in UTC. The view `gaps` of `homeiq sql` has the same rows.
    """
    from .commands.gaps import gaps as list_gaps

    list_gaps(context.settings.data_dir, since, source, as_json)


@cli.command()
@click.option("--entity", metavar="GLOB", default="", help="Only events of these entities: light.*")
@click.option("--source", metavar="NAME", default="", help="Only events of this source: home_assistant, weather, …")
@click.option("--event-type", metavar="TYPE", default="", help="Only events of this type: state_changed, …")
@click.option("-n", "--number", type=click.IntRange(min=0), default=10, show_default=True, help="Begin with so many.")
@click.option("--json", "as_json", is_flag=True, help="Print each as homeiq export does: a JSON object a line.")
@shared
def tail(context: Context, /, **options: Any) -> None:
    """Show events as they come, the last ones first; Ctrl-C ends it. Works beside a recorder, and without one.

    Times are those of this machine's time zone.
    """
    from .commands.tail import TailOptions
    from .commands.tail import tail as show

    show(context.settings.data_dir, TailOptions(**options))


@cli.command()
@click.option("--since", metavar="TIME", required=True, help="Fetch states from this time on: 2026-11-23, 7d, 36h.")
@click.option("--until", metavar="TIME", help="Fetch states before this time; by default until now.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@shared
def backfill(context: Context, since: str, until: str | None, as_json: bool) -> None:
    """Fetch the states of a time range from Home Assistant's own history, and record those that are missing.

    Gaps are closed so by themselves; this is for times before homeiq was there, and for a history that was repaired.
    """
    from .commands.backfill import backfill as fetch

    fetch(context.settings, since, until, as_json)


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
def normalize_test(context: Context, /, **options: Any) -> None:
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


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--report", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it to a file, as Markdown."
)
@click.option("--full", is_flag=True, help="Read the whole log, and wait for long counts: it may take hours.")
@shared
def doctor(context: Context, as_json: bool, report: Path | None, full: bool) -> None:
    """Say whether all is recorded and written, by whom, since when, what is missing, and what to do (exit code 1: wrong).

    A point is written to the measurement homeiq_doctor of an InfluxDB, and removed again; nothing else is changed.
    """
    from .commands.doctor import doctor as diagnose

    diagnose(context.config, context.data_dir, as_json=as_json, report=report, full=full)


for _command in (*LOG_COMMANDS, *SETUP_COMMANDS):
    cli.add_command(_command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="homeiq")


if __name__ == "__main__":
    main()
