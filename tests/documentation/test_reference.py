"""The pages that are made from the code are as the code is now."""

from pathlib import Path

import pytest
from reference.pages import PAGES

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_is(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run: make reference"


def test_each_setting_is_there() -> None:
    page = PAGES["docs/reference/settings.md"]()
    for name in (
        "data_dir",
        "HOME_ASSISTANT_TOKEN",
        "HOMEIQ_HTTP__PORT",
        "HOMEIQ_WEATHER__API_KEY",
        "`openweathermap`",
    ):
        assert name in page
