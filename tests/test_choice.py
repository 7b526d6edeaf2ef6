"""What is chosen, compared with what Home Assistant's own filter decides."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homeiq.choice import Choice, Exclude, Include, always_wanted
from homeiq.storage.record import Event
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from servers.home_assistant import INSTALLATION

TABLE = Path(__file__).parent / "choice_cases.json"
"""Choices, entities, and what Home Assistant 2024.3.3 decides about each; made by `python tests/choice_cases.py`."""

# Asks the filter of Home Assistant, by the schema of its recorder: {"include": …, "exclude": …}, entities → decisions.
ASK = """
import json, sys
from homeassistant.components.recorder import FILTER_SCHEMA
from homeassistant.helpers.entityfilter import convert_include_exclude_filter
for line in sys.stdin:
    choice, entities = json.loads(line)
    wanted = convert_include_exclude_filter(FILTER_SCHEMA(choice))
    print(json.dumps([bool(wanted(entity)) for entity in entities]), flush=True)
"""


class RealFilter:
    """Home Assistant's own filter, in a Python of its own."""

    def __init__(self) -> None:
        python = INSTALLATION.path.parent / "python"
        self._process = subprocess.Popen(
            [python, "-I", "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def decide(self, choice: dict[str, Any], entities: list[str]) -> list[bool]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([choice, entities]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())  # type: ignore[no-any-return]

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def real() -> Iterator[RealFilter]:
    if not INSTALLATION.complete:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Home Assistant is not installed: make servers")
    asked = RealFilter()
    yield asked
    asked.end()


def choice_of(given_: dict[str, Any]) -> Choice:
    return Choice(Include(**given_.get("include", {})), Exclude(**given_.get("exclude", {})))


names = st.sampled_from(["a", "b", "a_b", "ab", "1"])
domains = st.sampled_from(["light", "sensor", "binary_sensor", "a"])
entities = st.builds(lambda domain, name: f"{domain}.{name}", domains, names)
globs = st.lists(
    st.sampled_from(["*", "?", "[ab]", "[!a]", "a", "b", ".", "light", "sensor", "_", "[", "A"]), max_size=5
)
part = st.fixed_dictionaries(
    {},
    optional={
        "domains": st.lists(domains, max_size=2),
        "entities": st.lists(entities, max_size=2),
        "entity_globs": st.lists(globs.map("".join).filter(bool), max_size=2),
    },
)
choices = st.fixed_dictionaries({}, optional={"include": part, "exclude": part})


@given(choices, st.lists(entities, max_size=8))
@example(
    {"include": {"entities": ["light.a"]}, "exclude": {"entities": ["light.a"], "domains": ["sensor"]}}, ["light.a"]
)
@example({"include": {"entities": "Light.A, light.b"}, "exclude": {"domains": "light"}}, ["light.a", "light.b"])
def test_decides_as_home_assistant_does(real: RealFilter, choice: dict[str, Any], asked: list[str]) -> None:
    assert [choice_of(choice).wants_entity(entity) for entity in asked] == real.decide(choice, asked)


def test_decides_as_home_assistant_did() -> None:
    """The same without Home Assistant: each of its cases, from a table that its own filter made."""
    table = json.loads(TABLE.read_text())
    decisions = {True: 0, False: 0}
    for choice, decided in table["cases"]:
        chosen = choice_of(choice)
        found = [chosen.wants_entity(entity) for entity in table["entities"]]
        assert found == [mark == "1" for mark in decided], choice
        for wanted in found:
            decisions[wanted] += 1
    assert min(decisions.values()) > 200


def event(event_type: str, entity_id: str | None = None) -> Event:
    return Event(1, 1, "home_assistant", "live", event_type, entity_id, None, "{}")


def test_by_default_everything() -> None:
    assert Choice().everything
    assert Choice().digest() == ""
    assert Choice().chosen(event("anything", "a.b"))
    assert choice_of({"include": {"domains": []}, "exclude": {"event_types": None}}).everything


def test_event_types_come_first_and_states_are_chosen_by_entity() -> None:
    choice = choice_of({"include": {"domains": "light"}, "exclude": {"event_types": ["call_service", "state_changed"]}})
    assert not choice.chosen(event("call_service"))
    assert not choice.chosen(event("call_service", "light.a"))
    assert choice.chosen(event("state_changed", "light.a"))
    assert not choice.chosen(event("state", "sensor.a"))
    assert choice.chosen(event("other")), "an event that names no entity is chosen by its type alone"
    assert not choice.chosen(event("other", "sensor.a"))
    assert choice.without_effect == ["state_changed"], "as in Home Assistant, whose recorder says so too"


@pytest.mark.parametrize("event_type", ["entity_registry", "floor_registry", "config", "homeiq_gap", "state"])
def test_what_the_log_needs_is_never_left_out(event_type: str) -> None:
    assert always_wanted(event_type)
    choice = choice_of({"include": {"entities": "a.b"}, "exclude": {"event_types": [event_type]}})
    assert choice.chosen(event(event_type))
    assert choice.without_effect == [event_type]


@given(choices, choices)
def test_the_digest_tells_choices_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = choice_of(one), choice_of(other)
    assert (first.digest() == second.digest()) == (first.facts() == second.facts())
    assert choice_of(first.facts()).digest() == first.digest()


def test_order_and_doubles_change_nothing() -> None:
    one = choice_of({"exclude": {"domains": ["b", "a", "a"], "entity_globs": ["x*", "y"]}})
    other = choice_of({"exclude": {"entity_globs": ["y", "x*"], "domains": ["a", "b"]}})
    assert (
        one.facts() == other.facts() == {"include": {}, "exclude": {"domains": ["a", "b"], "entity_globs": ["x*", "y"]}}
    )
    assert one.digest() == other.digest() != Choice().digest()


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"include": {"entities": ["light.*"]}}, "a pattern belongs into entity_globs"),
        ({"include": {"domains": ["light.kitchen"]}}, "is not a domain"),
        ({"include": {"event_types": ["x"]}}, "Extra inputs"),
        ({"exclude": {"domain": ["x"]}}, "Extra inputs"),
        ({"exclude": {"domains": {"a": 1}}}, "must be a list of texts"),
        ({"exclude": {"entity_globs": [""]}}, "must be a list of texts"),
    ],
)
def test_what_cannot_be_meant_is_refused(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        choice_of(given_)


def test_many_entities_need_no_memory_for_ever() -> None:
    choice = choice_of({"exclude": {"domains": ["a"]}})
    for number, domain in itertools.product(range(60_000), "ab"):
        assert choice.wants_entity(f"{domain}.{number}") == (domain == "b")
    assert len(choice._decided) <= 50_000
