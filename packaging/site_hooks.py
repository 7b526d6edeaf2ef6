"""What MkDocs is told beside mkdocs.yml: pages are written to be read in the repository too, and become links here.

A page that is named as `docs/NAME.md` becomes a link to it, and the list of decisions is made of what is in its folder.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

__all__ = ["on_page_markdown"]

_NAMED = re.compile(r"`docs/([\w./-]+\.md)`")
_FENCE = re.compile(r"^(```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Return the page's text with links in place of names."""
    del config
    own = page.file.src_uri
    parts = _FENCE.split(markdown)
    parts[::2] = [_NAMED.sub(lambda named: _link(own, named[1], files), part) for part in parts[::2]]
    text = "".join(parts)
    return text + _decisions(files) if own == "decisions/README.md" else text


def _link(own: str, name: str, files: Any) -> str:
    """Return a link from a page to another; what is not there stays as it is, and the build says so."""
    file = files.get_file_from_path(name)
    title = _title(file) if file is not None else name
    return f"[{title}]({posixpath.relpath(name, posixpath.dirname(own) or '.')})"


def _title(file: Any) -> str:
    """Return the heading of a page."""
    first = file.content_string.lstrip().partition("\n")[0]
    return str(first.removeprefix("# ").partition(":")[0])


def _decisions(files: Any) -> str:
    pages = sorted(file.src_uri for file in files if re.fullmatch(r"decisions/\d+-.*\.md", file.src_uri))
    return "\n" + "".join(
        f"- [{_title(files.get_file_from_path(name))}]({posixpath.basename(name)})\n" for name in pages
    )
