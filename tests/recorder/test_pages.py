"""The files of the status page: all of them in the wheel, small, and nothing in them that its policy forbids."""

import re
import tomllib
from pathlib import Path

import pytest
from homeiq.recorder.pages import PAGE_POLICY, page_files

from recorder.serving import Served

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "recorder" / "page"
FILES = sorted(FOLDER.iterdir())


def test_each_file_is_served_and_in_the_wheel() -> None:
    assert set(page_files()) == {"/", *(f"/page/{path.name}" for path in FILES if path.name != "index.html")}
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["homeiq"]
    wheeled = {path for pattern in data for path in ROOT.glob(pattern)}
    assert set(FILES) <= wheeled


@pytest.mark.parametrize("token", ["", "door"])
def test_they_are_open_and_tell_nothing(tmp_path: Path, token: str) -> None:
    with Served(tmp_path, token=token) as served:
        for path, kind in {
            "/": "text/html",
            "/page/app.js": "text/javascript",
            "/page/icon.svg": "image/svg+xml",
        }.items():
            answer = served.ask("GET", path)
            assert (answer.status, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
            assert answer.headers["content-security-policy"] == PAGE_POLICY
            assert answer.headers["server"] == "homeiq"
            assert answer.headers["cache-control"] == "no-store"
        for path in ("/page/", "/page/nothing.js", "/page/../endpoints.py", "/page/%2e%2e/endpoints.py"):
            assert served.ask("GET", path).status in (401, 404)
        assert served.ask("GET", "/health").headers["content-security-policy"].startswith("default-src 'none'; frame")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 20_000
    elsewhere = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert elsewhere == set()
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)
    if path.suffix == ".js":
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
