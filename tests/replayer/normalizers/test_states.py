"""The state of an entity, whichever way it came."""

import json

import pytest
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.states import state_in
from homeiq.storage.record import Event

from replayer.making import state
from replayer.normalizers.polls import TIME, record_of


def test_an_event_and_a_snapshot_hold_the_same_state() -> None:
    live, snapshot = (state_in(record_of(state("person.a", "home", TIME, origin))) for origin in ("live", "snapshot"))
    assert live == snapshot
    assert live["state"] == "home"


def test_a_row_of_the_history_holds_it_too() -> None:
    def row(raw: str) -> Event:
        return Event(TIME, TIME, "home_assistant", "backfill", "state", "person.a", None, raw)

    found = state_in(record_of(row('{"s":"home","a":{"latitude":1.5},"lu":1.5}')))
    assert found == {"state": "home", "attributes": {"latitude": 1.5}}
    for raw in ('{"s":null,"a":{},"lu":1.5}', '{"s":"","a":{},"lu":1.5}', '{"entity_id":"person.a","state":""}'):
        with pytest.raises(SetAside) as caught:
            state_in(record_of(row(raw)))
        assert caught.value.reason is Reason.NO_VALUE


@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        ("{", "state", Reason.UNREADABLE),
        ("[]", "state", Reason.INCOMPLETE),
        ("[]", "state_changed", Reason.INCOMPLETE),
        (json.dumps({"data": {}}), "state_changed", Reason.INCOMPLETE),
        (json.dumps({"data": {"new_state": 7}}), "state_changed", Reason.INCOMPLETE),
        (json.dumps({"data": {"new_state": None}}), "state_changed", Reason.NO_VALUE),
    ],
)
def test_what_holds_no_state_says_why(raw: str, kind: str, reason: Reason) -> None:
    with pytest.raises(SetAside) as caught:
        state_in(record_of(Event(TIME, TIME, "home_assistant", "live", kind, "person.a", None, raw)))
    assert caught.value.reason is reason


def test_a_state_of_no_entity_is_incomplete() -> None:
    with pytest.raises(SetAside) as caught:
        state_in(record_of(Event(TIME, TIME, "home_assistant", "live", "state", None, None, "{}")))
    assert caught.value.reason is Reason.INCOMPLETE
