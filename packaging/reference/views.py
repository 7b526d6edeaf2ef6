"""The page of the views of `homeiq sql`."""

from __future__ import annotations

from homeiq.storage.views import VIEWS

__all__ = ["page"]

_HEAD = """# Views

Made from `storage/views.py`, as `homeiq sql --help` is; `docs/sql.md` says what is worth knowing about them. Beside these
there is a view for each `source` that is found in the log, by its name.
"""


def page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for view in VIEWS:
        parts += [
            f"## {view.name}\n",
            f"{view.comment}\n",
            f"Columns: {view.columns}\n",
            f"```sql\n{view.example}\n```\n",
        ]
    return "\n".join(parts)
