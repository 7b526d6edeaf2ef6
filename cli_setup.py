"""The commands that set homeiq up: its settings, and itself as a service. As cli.py: parse, call one function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .commands.context import Context

__all__ = ["COMMANDS"]

_path = click.Path(path_type=Path, dir_okay=False)
_user = click.option("--user", is_flag=True, help="A service of your own user, without root, instead of the system's.")
_dry_run = click.option("--dry-run", is_flag=True, help="Say each step, and do none.")


@click.command()
@click.option("--url", metavar="URL", default="", help="Home Assistant's address; or HOME_ASSISTANT_URL.")
@click.option("--token-file", metavar="FILE", type=_path, help="Its token; or HOME_ASSISTANT_TOKEN, …_FILE.")
@click.option("--influxdb-url", metavar="URL", default="", help="InfluxDB's address, or none; or INFLUXDB_URL.")
@click.option("--influxdb-token-file", metavar="FILE", type=_path, help="Its token; or INFLUXDB_TOKEN, …_FILE.")
@click.option("--influxdb-org", metavar="NAME", default="", help="Its organisation; or INFLUXDB_ORG.")
@click.option("--influxdb-bucket", metavar="NAME", default="", help="Bucket or database; or INFLUXDB_BUCKET.")
@click.option(
    "--utilities", metavar="LIST", help="weather,air_quality,… or all or none, of those that the home proposes."
)
@click.option("--history", metavar="FILE", type=_path, help="Import this home-assistant_v2.db at the end.")
@click.option("--yes", is_flag=True, help="Ask nothing, although there is a terminal.")
@click.option("--force", is_flag=True, help="Write homeiq.yaml anew; the present one is kept as homeiq.yaml.old.")
@click.option("--schema", "only_schema", is_flag=True, help="Print the JSON schema of homeiq.yaml, and do nothing.")
@click.pass_obj
def init(context: Context, /, only_schema: bool, **options: Any) -> None:
    """Ask for what is needed, try it at once, and write homeiq.yaml: --config FILE, else ~/.config/homeiq/homeiq.yaml.

    Without a terminal, or with --yes, it asks nothing: options and variables say all. Utilities that ask somebody outside
    are then only offered, as comments, unless --utilities names them.
    """
    from .commands.init import InitOptions
    from .commands.init import init as set_up
    from .commands.questions import Questions
    from .commands.schema import schema_text
    from .commands.terminal import print_line

    if only_schema:
        print_line(schema_text().rstrip("\n"))
        return
    asked = InitOptions(**options)
    set_up(context.config, context.data_dir, asked, Questions(yes=asked.yes))


@click.group()
def service() -> None:
    """Have systemd start homeiq at each boot, watch it, and start it again when it fails: docs/service.md."""


@service.command("install")
@_user
@click.option("--print", "print_only", is_flag=True, help="Print the unit, and do nothing.")
@_dry_run
@click.pass_obj
def service_install(context: Context, user: bool, print_only: bool, dry_run: bool) -> None:
    """Make the service's user, write the unit, enable and start it. Again, it brings all of this up to date."""
    from .commands.service import Places, install

    install(context, Places.of(user), print_only=print_only, dry_run=dry_run)


@service.command("status")
@_user
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def service_status(context: click.Context, user: bool, as_json: bool) -> None:
    """Say whether the service is installed and runs, since when, and what it says (exit code 1 if it does not run)."""
    from .commands.service import Places, status

    context.exit(0 if status(Places.of(user), as_json=as_json) else 1)


@service.command("uninstall")
@_user
@_dry_run
def service_uninstall(user: bool, dry_run: bool) -> None:
    """Stop the service, and remove its unit. The log, the settings and the user stay."""
    from .commands.service import Places, uninstall

    uninstall(Places.of(user), dry_run=dry_run)


@service.command("check")
@click.pass_obj
def service_check(context: Context) -> None:
    """Say whether whoever runs this can read the settings and write the data: `install` asks it as the service's user."""
    from .commands.service import check

    check(context.settings)


COMMANDS = (init, service)
