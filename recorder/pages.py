"""The files of the status page: plain HTML, CSS and JavaScript, without any fact about the home, held in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web

__all__ = ["PAGE_POLICY", "page_files"]

PAGE_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *(f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors")),
        "require-trusted-types-for 'script'",  # no text becomes HTML: not by mistake either
    ]
)
"""Nothing inline, nothing from elsewhere."""

_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page_files() -> dict[str, _Handler]:
    """Return by path what answers with each file; `/` is the page itself."""
    folder = Path(__file__).parent / "page"
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
    answers = {f"/page/{name}": _serving(path) for name, path in files.items()}
    return {"/": answers.pop("/page/index.html"), **answers}


def _serving(path: Path) -> _Handler:
    content, kind = path.read_bytes(), _TYPES[path.suffix]

    async def serve(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=content, content_type=kind, charset="utf-8", headers={"Content-Security-Policy": PAGE_POLICY}
        )

    return serve
