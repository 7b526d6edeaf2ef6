"""The site is built without network; no link, anchor or page is missing, and a page asks nobody else for anything."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["\']?(?:https?:)?//|"""
    r"""<link\b(?![^>]*rel=["\']?canonical)[^>]*\bhref=["\']?(?:https?:)?//|@import\s+url\(["\']?(?:https?:)?//"""
)


def build(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec("mkdocs") is None:
        message = "MkDocs is not installed: make sync"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder), *options],
        cwd=ROOT,
        env=os.environ | no_network | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    result = build(folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_each_page_is_there(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert {page.with_name("index.html") if page.name == "README.html" else page for page in pages} <= built


def test_nothing_is_asked_of_others(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not (found := _LOADED.search(text)), f"{page.name} loads {found}"
        assert 'class="mermaid"' not in text, "its script would be fetched"
    for style in site.rglob("*.css"):
        assert not _LOADED.search(style.read_text(encoding="utf-8")), style.name


def test_names_of_pages_are_links(site: Path) -> None:
    assert (
        'href="choice.html"' in (site / "http.html").read_text()
        or 'href="utilities/index.html"' in (site / "http.html").read_text()
    )
    assert 'href="0001-the-log-is-the-only-thing-between.html"' in (site / "decisions" / "index.html").read_text()


@pytest.mark.parametrize(
    "wrong",
    ["[no page](nowhere.md)", "[no anchor](sql.md#nowhere)", "`docs/nowhere.md`", "![no picture](images/no.svg)"],
)
def test_a_dead_link_ends_the_build(wrong: str, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Here\n\n{wrong}\n")
    (docs / "sql.md").write_text("# There\n")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnot_in_nav:")[0]
    config = config.replace("docs_dir: docs", f"docs_dir: {docs}").replace(
        "packaging/site_hooks.py", str(ROOT / "packaging" / "site_hooks.py")
    )
    (tmp_path / "mkdocs.yml").write_text(config)
    result = build(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
    assert result.returncode == 1
    assert "index.md" in result.stderr
    assert result.stderr.count("WARNING") == 1, result.stderr
