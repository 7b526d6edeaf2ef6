"""The layout of Home Assistant's own integration: measurement, tags and fields of a state, and what one can set of them.

What the real integration writes for the same events is compared in tests/end_to_end/test_layouts.py.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from homeiq.layout import LayoutOptions
from homeiq.replayer.home import HomeView
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.home_assistant_layout import HomeAssistantLayout, digits_in
from homeiq.replayer.normalizers.registry import fingerprint, golden_lines, normalizers
from homeiq.replayer.normalizers.rules import read_rules
from homeiq.replayer.point import Field, Point
from homeiq.settings import ReplaySettings
from hypothesis import example, given
from hypothesis import strategies as st

from replayer.making import numbered, state

HOME = HomeView({}, {}, {})
GOLDEN = Path(__file__).parent / "golden" / "home_assistant_layout.lp"


def point_of(entity_id: str, text: Any, attributes: dict[str, Any] | None = None, **options: Any) -> Point:
    (record,) = numbered([state(entity_id, text, 1_000_000, attributes=attributes)])
    (point,) = HomeAssistantLayout(LayoutOptions.model_validate(options)).normalize(record, HOME)
    return point


def fields_of(text: Any, attributes: dict[str, Any] | None = None, **options: Any) -> dict[str, Field]:
    fields = dict(point_of("sensor.a", text, attributes, **options).fields)
    assert fields.pop("origin") == "live"
    return fields


def test_the_version_changes_with_what_is_made() -> None:
    normalizer = HomeAssistantLayout()
    made = "".join(f"{text}\n" for text in [f"# version {normalizer.version}", *golden_lines(normalizer)])
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_bytes(made.encode())
    assert made == GOLDEN.read_bytes().decode(), "raise HomeAssistantLayout.version, and renew with RENEW_GOLDEN=1"


@pytest.mark.parametrize(
    ("attributes", "options", "measurement", "fields"),
    [
        ({"unit_of_measurement": "°C", "device_class": "x"}, {}, "°C", {"device_class_str"}),
        ({}, {}, "sensor.a", set()),
        ({"unit_of_measurement": ""}, {}, "sensor.a", {"unit_of_measurement_str"}),
        ({}, {"default_measurement": "others"}, "others", set()),
        ({"unit_of_measurement": "W"}, {"default_measurement": "others"}, "W", set()),
        ({"unit_of_measurement": "W"}, {"override_measurement": "all"}, "all", {"unit_of_measurement_str"}),
        ({"unit_of_measurement": "W"}, {"measurement_attr": "entity_id"}, "sensor.a", {"unit_of_measurement_str"}),
        (
            {"unit_of_measurement": "W", "device_class": "power"},
            {"measurement_attr": "domain__device_class"},
            "sensor__power",
            {"unit_of_measurement_str"},
        ),
        ({}, {"measurement_attr": "domain__device_class"}, "sensor", set()),
        (
            {},
            {"override_measurement": "all", "component_config": {"sensor.a": {"override_measurement": "a"}}},
            "a",
            set(),
        ),
        ({}, {"component_config_domain": {"sensor": {"override_measurement": "s"}}}, "s", set()),
        (
            {"x": 1, "y": 1},
            {
                "component_config_domain": {"sensor": {"override_measurement": "s", "ignore_attributes": "x"}},
                "component_config_glob": {
                    "*.a": {"override_measurement": "g"},
                    "sensor.*": {"override_measurement": "h"},
                },
                "component_config": {"sensor.a": {"ignore_attributes": ["y"]}},
            },
            "h",
            {"x"},
        ),
        ({"x": 1, "y": 1}, {"ignore_attributes": "x"}, "sensor.a", {"y"}),
    ],
)
def test_the_measurement_and_which_attributes_are_fields(
    attributes: dict[str, Any], options: dict[str, Any], measurement: str, fields: set[str]
) -> None:
    point = point_of("sensor.a", "1", attributes, **options)
    assert point.series.measurement == measurement
    assert point.fields.keys() == {"origin", "value", *fields}


def test_tags_are_the_entity_and_what_is_set() -> None:
    options = {"tags": {"house": 7, "b": "x"}, "tags_attributes": ["friendly_name", "floor", "b", "list", "empty"]}
    attributes = {"friendly_name": "A, b", "b": "attribute", "list": ["x"], "empty": "", "floor": None}
    point = point_of("light.a_lamp", "on", attributes, **options)
    assert point.series.tags == {
        **{"domain": "light", "entity_id": "a_lamp", "friendly_name": "A, b", "b": "x", "list": "['x']", "house": "7"}
    }
    assert point.fields == {"origin": "live", "state": "on", "value": 1.0}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("21.5", {"value": 21.5}),
        (" 5 ", {"value": 5.0}),
        ("1_000", {"value": 1000.0}),
        ("0x10", {"state": "0x10"}),
        ("on", {"state": "on", "value": 1.0}),
        ("not_home", {"state": "not_home", "value": 0.0}),
        ("cooling", {"state": "cooling"}),
    ],
)
def test_a_state_is_a_number_a_text_or_both(text: str, fields: dict[str, Field]) -> None:
    assert fields_of(text) == fields


@pytest.mark.parametrize("text", ["unknown", "unavailable", "", "nan", "inf"])
def test_what_is_not_known_gives_no_point(text: str) -> None:
    with pytest.raises(SetAside) as refused:
        point_of("sensor.a", text)
    assert refused.value.reason is Reason.NO_VALUE


def test_attributes() -> None:
    attributes = {
        "number": 3,
        "yes": True,
        "text": "12 W",
        "none": None,
        "list": [1, "a"],
        "value": 4,
        "origin": 5,
        "repeated": "no 66",
        "time": 7,
        "big": 10**400,
        "inf": "inf",
        "rgb_color": [1, 2, 3],
        "long": "x" * 70_000,
        "": 1,
    }
    assert fields_of("1", attributes) == {
        **{"value": 1.0, "number": 3.0, "yes": 1.0, "text": 12.0, "text_str": "12 W", "none_str": "None"},
        **{"list_str": "[1, 'a']", "value_": 4.0, "origin_": 5.0, "repeated_": 66.0, "repeated_str": "no 66"},
        **{"rgb_color_str": "(1, 2, 3)"},
    }


def test_no_credential_reaches_a_target() -> None:
    secret = "4f0c9d1e2b"
    attributes = {
        "access_token": secret,
        "entity_picture": f"/api/camera_proxy/camera.a?token={secret}",
        "still": f"http://x/?password={secret}",
        "inner": {"api_key": secret, "kept": [f"http://u:{secret}@x"]},
    }
    fields = fields_of(f"https://x/?token={secret}", attributes)
    assert fields == {"inner_str": "{'kept': [None]}"}
    password = point_of("text.a", secret, {"mode": "password"})
    assert password.fields == {"origin": "live", "mode_str": "password"}


def test_nothing_is_added_to_what_another_normalizer_writes() -> None:
    settings = ReplaySettings(layout="home_assistant", layout_options={"measurement_attr": "domain__device_class"})
    (layout,) = (one for one in normalizers(layout=settings) if one.name == "home_assistant")
    for entity_id, measurement in (
        ("weather.home", "weather_"),
        ("light.a", "light"),
        ("homeiq_target.x", "homeiq_target_"),
    ):
        (point,) = layout.normalize(numbered([state(entity_id, "on", 1)])[0], HOME)
        assert point.series.measurement == measurement


def test_the_users_rules_hold_here_too() -> None:
    rules = read_rules(
        [
            {"drop": True, "entity": "sensor.dropped"},
            {"drop": True, "attribute": "secret_*", "entity": "sensor.*"},
            {"rename": "position", "attribute": "current_position", "domain": "cover"},
            {"convert": {"to": "bar"}, "entity": "sensor.boiler"},
            {"map": {"open": 100}, "domain": "cover"},
            {"map": {"hot": 3}, "entity": "sensor.words"},
        ]
    )
    layout = HomeAssistantLayout(rules=rules)

    def of(entity_id: str, text: str, **attributes: Any) -> tuple[str, dict[str, Field]]:
        (record,) = numbered([state(entity_id, text, 1, attributes=attributes)])
        (point,) = layout.normalize(record, HOME)
        return point.series.measurement, {name: point.fields[name] for name in point.fields if name != "origin"}

    with pytest.raises(SetAside) as dropped:
        of("sensor.dropped", "1")
    assert dropped.value.reason is Reason.DROPPED
    assert of("sensor.boiler", "29", unit_of_measurement="psi", secret_x=1) == (
        "bar",
        {"value": pytest.approx(1.99948, 1e-4)},
    )
    assert of("sensor.other", "70", unit_of_measurement="°F") == ("°F", {"value": 70.0}), "as received"
    assert of("cover.a", "open", current_position=5) == ("cover.a", {"state": "open", "value": 100.0, "position": 5.0})
    assert of("sensor.words", "hot") == ("sensor.words", {"state": "hot", "value": 3.0})
    assert fingerprint(layout) != fingerprint(HomeAssistantLayout())


def test_a_changed_layout_or_option_is_another_fingerprint() -> None:
    def of(**settings: Any) -> str:
        chosen = normalizers(layout=ReplaySettings.model_validate(settings))
        return next(fingerprint(one) for one in chosen if one.name == "home_assistant")

    globs = {"*.a": {"override_measurement": "x"}, "*.b": {"override_measurement": "y"}}
    turned = dict(reversed(globs.items()))
    found = [
        of(),
        of(layout="home_assistant"),
        of(layout="home_assistant", layout_options={"tags": {"a": "b"}}),
        of(layout="home_assistant", layout_options={"component_config_glob": globs}),
        of(layout="home_assistant", layout_options={"component_config_glob": turned}),
    ]
    assert len(set(found)) == len(found)
    assert of() == of(layout="homeiq", layout_options={"tags": {"a": "b"}})


EXPRESSION = re.compile(r"^[^\.]*\d+\.?\d+[^\.]*$")
"""By which the integration decides; it can take minutes on a long text with many digits."""


@given(st.text("12٣.a- \n", max_size=14))
@example("12.5 °C")
@example("1.2.3")
@example(".5")
@example("5.")
def test_digits_are_found_where_the_integration_finds_them(text: str) -> None:
    expected = re.sub(r"[^\d.]+", "", text) if EXPRESSION.match(text) else None
    assert digits_in(text) == expected
