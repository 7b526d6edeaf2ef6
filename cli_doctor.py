"""The command `homeiq doctor`: parse, call one function, exit code. Here, as cli.py has no room for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["COMMANDS"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--report", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it to a file, as Markdown."
)
@click.option("--full", is_flag=True, help="Read the whole log, and wait for long counts: it may take hours.")
@click.pass_obj
def doctor(context: Any, as_json: bool, report: Path | None, full: bool) -> None:
    """Say whether all is recorded and written, by whom, since when, what is missing, and what to do (exit code 1: wrong).

    A point is written to the measurement homeiq_doctor of an InfluxDB, and removed again; nothing else is changed.
    """
    from .commands.doctor import doctor as diagnose

    diagnose(context.config, context.data_dir, as_json=as_json, report=report, full=full)


COMMANDS = (doctor,)
