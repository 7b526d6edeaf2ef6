"""Every finding has its section in the documentation, and every section is of a finding."""

import ast
import re
from pathlib import Path

from homeiq.doctor.catalogue import CATALOGUE, page

ROOT = Path(__file__).parent.parent.parent
CODE = re.compile(r"[a-z]+(-[a-z]+)+")


def codes_in(path: Path) -> set[str]:
    """Return the texts of a module that are words joined by hyphens: nothing but codes is written so."""
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }


def test_each_finding_is_explained_and_nothing_else_is() -> None:
    modules = [path for path in (ROOT / "doctor").glob("*.py") if path.name != "catalogue.py"]
    assert set().union(*map(codes_in, modules)) == set(CATALOGUE)


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == page(), (
        "python -m homeiq.doctor.catalogue docs/findings.md"
    )


def test_codes_are_in_order() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE)


def test_each_finding_has_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "doctor").glob("test_*.py"))
    assert [code for code in CATALOGUE if f'"{code}"' not in tests] == []
