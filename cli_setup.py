"""The commands that set homeiq up: its settings, and itself as a service. As cli.py: parse, call one function."""

from __future__ import annotations

import click

from .commands.context import Context

__all__ = ["COMMANDS"]

_user = click.option("--user", is_flag=True, help="A service of your own user, without root, instead of the system's.")
_dry_run = click.option("--dry-run", is_flag=True, help="Say each step, and do none.")


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


COMMANDS = (service,)
