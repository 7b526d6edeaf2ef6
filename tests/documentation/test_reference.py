"""The pages that are made from the code are as the code is now."""

from pathlib import Path

import pytest
from reference.errors import SELF_EVIDENT, advice, catalogue
from reference.pages import PAGES
from reference.raised import Raised

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


@pytest.mark.parametrize("one", catalogue(), ids=lambda one: one.key)
def test_each_error_says_what_to_do(one: Raised) -> None:
    assert advice(one), "give it a hint; a sentence that says all by itself belongs into SELF_EVIDENT"


def test_no_error_is_spoken_of_that_is_not_there() -> None:
    assert set(SELF_EVIDENT) <= {one.sentence for one in catalogue()}


def test_an_error_is_one_sentence() -> None:
    for one in catalogue():
        assert not one.sentence.endswith((".", ":", "!")), one.key
        assert "\n" not in one.sentence, one.key
