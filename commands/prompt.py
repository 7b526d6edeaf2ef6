"""The prompt of `homeiq sql`: statements over several lines, a history that is kept, errors that end nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..errors import HomeiqError, UsageError
from ..storage.sql import ask, connect
from ..storage.views import VIEWS
from .tables import print_table
from .terminal import print_line, say

readline: Any
try:
    import readline
except ImportError:  # A Python without it has a prompt without history.
    readline = None

__all__ = ["Prompt", "history_path", "is_complete", "prompt"]

_FORMS: Final = ("table", "csv", "json")
_KEPT: Final = 1_000

_HELP: Final = """\
A statement ends with ; and may take several lines. Each sees the log as it is then. Times are in UTC.
.tables        the views, and what is in them
.mode FORM     print results as table, csv or json
.quit          end, as Ctrl-D does; Ctrl-C clears what was typed, or stops a query"""

_TABLES: Final = """
SELECT view_name AS name, comment FROM duckdb_views() WHERE NOT internal AND view_name NOT LIKE 'homeiq!_%' ESCAPE '!'
UNION ALL SELECT DISTINCT function_name || '(ts)', comment FROM duckdb_functions() WHERE function_name = 'registry_at'
ORDER BY name
"""

_CLOSED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$\$.*?\$\$|--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)


def history_path() -> Path:
    """Return where the history is kept: in the user's state folder (XDG)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "homeiq" / "sql_history"


def is_complete(text: str) -> bool:
    """Tell whether a text ends with a semicolon that is in no string, name or comment."""
    rest = _CLOSED.sub(" ", text)
    return rest.rstrip().endswith(";") and not any(open_ in rest for open_ in ("'", '"', "/*", "$$"))


def prompt(data_dir: Path, form: str) -> None:
    """Answer statements from the terminal until Ctrl-D; from a file or a pipe, all of them, or up to the first error."""
    if not sys.stdin.isatty():
        Prompt(data_dir, form, lambda _: input(), interactive=False).run()
        return
    say("homeiq sql: .help says what there is, Ctrl-D ends")
    _load_history(history_path())
    Prompt(data_dir, form, input, remember=_remember).run()


class Prompt:
    """Reads lines by `read`, which raises EOFError at the end and KeyboardInterrupt for Ctrl-C, and answers them."""

    def __init__(
        self,
        data_dir: Path,
        form: str,
        read: Callable[[str], str],
        *,
        interactive: bool = True,
        remember: Callable[[str], None] = lambda statement: None,
    ) -> None:
        """Raises LogError where there is no log."""
        self._data_dir = data_dir
        self._form = form
        self._read = read
        self._interactive = interactive
        self._remember = remember
        self._database = connect(data_dir, "")

    def run(self) -> None:
        """Answer until the end; an error is said, and raised only where nobody sits at the terminal."""
        with self._database:
            while (statement := self._next()) is not None:
                if statement in (".quit", ".exit"):
                    return
                self._answer_or_say(statement)

    def _next(self) -> str | None:
        """Return the next statement, or line that begins with a dot; None at the end."""
        typed = ""
        while True:
            try:
                line = self._read("   ...> " if typed else "homeiq> ")
            except KeyboardInterrupt:
                print_line("")
                typed = ""
                continue
            except EOFError:
                if self._interactive:
                    print_line("")
                    return None
                return typed if typed.strip() else None
            typed = f"{typed}\n{line}" if typed else line
            if not typed.strip():
                typed = ""
            elif typed.startswith(".") or is_complete(typed):
                self._remember(" ".join(typed.split("\n")) if "--" not in typed else typed)
                return typed.strip()

    def _answer_or_say(self, statement: str) -> None:
        try:
            self._answer(statement)
        except KeyboardInterrupt:
            say("stopped")
        except HomeiqError as error:
            if not self._interactive:
                raise
            say(f"homeiq: {error}")

    def _answer(self, statement: str) -> None:
        words = statement.rstrip("; ").split()
        match words:
            case [".help"]:
                print_line(_HELP)
            case [".tables"]:
                self._show(_TABLES)
            case [".mode", form] if form in _FORMS:
                self._form = form
            case [".mode", *_]:
                raise UsageError(f".mode takes one of {', '.join(_FORMS)}")
            case [word, *_] if word.startswith("."):
                raise UsageError(f"there is no {word}: .help says what there is")
            case _:
                self._show(statement)

    def _show(self, statement: str) -> None:
        table = ask(self._database, self._data_dir, statement)
        if table is not None:
            print_table(table, self._form, None)


def _load_history(path: Path) -> None:
    if readline is None:
        return
    readline.set_auto_history(False)
    readline.set_history_length(_KEPT)
    readline.set_completer(_completions)
    readline.parse_and_bind("tab: complete")
    with suppress(OSError):  # There is none yet, or it cannot be read: begin without.
        readline.read_history_file(path)


def _completions(text: str, state: int) -> str | None:
    found = [view.name for view in VIEWS if view.name.startswith(text)]
    return found[state] if state < len(found) else None


def _remember(statement: str) -> None:
    """Add a statement to the history, and keep it: a closed terminal loses none."""
    if readline is None:
        return
    readline.add_history(statement)
    path = history_path()
    with suppress(OSError):  # A folder that cannot be written must not stop anybody from asking.
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        readline.write_history_file(path)
