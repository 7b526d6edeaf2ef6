"""What a person may type for Home Assistant's address."""

import pytest
from homeiq.commands.init_home import Home, addresses


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("http://ha:8123", ["http://ha:8123"]),
        (" http://ha:8123/ ", ["http://ha:8123"]),
        ("ha", ["http://ha:8123", "http://ha"]),
        ("homeassistant.local", ["http://homeassistant.local:8123", "http://homeassistant.local"]),
        ("192.168.1.5:80", ["http://192.168.1.5:80"]),
        ("https://home.example", ["https://home.example"]),
        ("http://ha/sub", ["http://ha:8123/sub", "http://ha/sub"]),
        ("http://ha:port", ["http://ha:port"]),
        ("[::1]", ["http://[::1]:8123", "http://[::1]"]),
    ],
)
def test_what_is_missing_is_added(typed: str, meant: list[str]) -> None:
    assert addresses(typed) == meant


def test_a_home_says_who_it_is() -> None:
    assert Home("http://ha:8123", {"version": "2026.1", "location_name": "Nest"}, [{}, {}], True).sentence == (
        "Home Assistant 2026.1, Nest, 2 entities"
    )
