"""Questions to a person at a terminal. They go to stderr, secrets are not echoed; without a terminal nobody is asked."""

from __future__ import annotations

import sys

import click

__all__ = ["Questions"]


class Questions:
    """Asks; `asks` tells whether there is anybody."""

    def __init__(self, *, yes: bool = False) -> None:
        """`yes`: nobody is to be asked, though there is a terminal."""
        self.asks = not yes and sys.stdin.isatty()

    def text(self, what: str, default: str) -> str:
        """Return a text, the default for Enter alone."""
        answer: str = click.prompt(what, default=default, show_default=bool(default), err=True)
        return answer.strip()

    def secret(self, what: str, *, empty: bool = False) -> str:
        """Return what is typed, unseen."""
        default = "" if empty else None
        answer: str = click.prompt(f"{what}, not shown", hide_input=True, default=default, show_default=False, err=True)
        return answer.strip()

    def confirm(self, what: str, default: bool) -> bool:
        """Return yes or no."""
        return click.confirm(what, default=default, err=True)
