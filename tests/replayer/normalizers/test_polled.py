"""A poll is read by what its record says; what cannot be read says why, without a word of the answer."""

import base64
import json
import math
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import from_iso
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.polled import (
    LATEST,
    epoch,
    local_moment,
    moment,
    number,
    objects_in,
    point_of,
    read_poll,
    reader_of,
    text,
)
from homeiq.storage.record import Event

from replayer.normalizers.polls import TIME, poll, record_of

SECRET = "S3CRET"


def reason_of(event: Event) -> Reason:
    with pytest.raises(SetAside) as caught:
        read_poll(record_of(event))
    assert SECRET not in str(caught.value)
    return caught.value.reason


def of(body: Any = "{}", **envelope: Any) -> Event:
    return poll("weather", "open_meteo", body, params={"units": "metric"}, **envelope)


def test_what_a_poll_is() -> None:
    found = read_poll(record_of(of('{"a": [1]}', url="https://api.example.org/V1/Weather/?x=1")))
    assert found == ("open_meteo", "https://api.example.org/V1/Weather/?x=1", {"units": "metric"}, {"a": [1]})
    assert found.path == "/v1/weather"
    assert read_poll(record_of(of(url="http://[broken"))).path == ""


@pytest.mark.parametrize("status", [199, 300, 401, 429, 500, None, "200", True, 200.0])
def test_a_status_that_is_not_2xx_is_an_error(status: Any) -> None:
    assert reason_of(of(f'{{"key": "{SECRET}"}}', status=status)) is Reason.ERROR_ANSWER


def test_a_status_of_2xx_is_none() -> None:
    assert read_poll(record_of(of(status=203))).content == {}


@pytest.mark.parametrize("body", [f"<html>{SECRET}", "", SECRET, '{"a": 1', "[" * 100_000, "\ufeff{}"])
def test_a_body_that_is_not_json_is_unreadable(body: str) -> None:
    assert reason_of(of(body)) is Reason.UNREADABLE


def test_html_is_called_by_its_name() -> None:
    with pytest.raises(SetAside, match="the body is HTML"):
        read_poll(record_of(of(" \n<!DOCTYPE html>")))


def test_a_body_that_was_cut_off_is_unreadable_even_if_it_looks_whole() -> None:
    assert reason_of(of("[]", truncated=True)) is Reason.UNREADABLE


def test_a_body_in_base64() -> None:
    whole = base64.b64encode('{"a": "ü"}'.encode()).decode()
    assert read_poll(record_of(of(whole, encoding="base64"))).content == {"a": "ü"}
    latin = base64.b64encode('{"a": "ü"}'.encode("latin-1")).decode()
    assert reason_of(of(latin, encoding="base64")) is Reason.UNREADABLE
    assert reason_of(of("{}", encoding="base64")) is Reason.UNREADABLE


@pytest.mark.parametrize("raw", ["", "nonsense", "{", SECRET])
def test_a_record_that_is_not_json_is_unreadable(raw: str) -> None:
    event = of()
    event.raw = raw
    assert reason_of(event) is Reason.UNREADABLE


@pytest.mark.parametrize("raw", ["[]", "null", "{}", '{"provider": 7}', '{"provider": null, "status": 200}'])
def test_a_record_without_a_provider_is_in_no_known_form(raw: str) -> None:
    event = of()
    event.raw = raw
    assert reason_of(event) is Reason.UNKNOWN_FORM


@pytest.mark.parametrize("request_", [None, [], "x", {"url": 7, "params": []}])
def test_a_request_that_was_not_recorded_is_empty(request_: Any) -> None:
    event = of()
    event.raw = json.dumps(json.loads(event.raw) | {"request": request_})
    found = read_poll(record_of(event))
    assert (found.url, found.params, found.path) == ("", {}, "")


def test_a_body_that_is_missing_is_unreadable() -> None:
    event = of()
    event.raw = json.dumps(json.loads(event.raw) | {"body": None})
    assert reason_of(event) is Reason.UNREADABLE


@pytest.mark.parametrize("time", [-1, LATEST])
def test_a_record_of_no_time_is_incomplete(time: int) -> None:
    assert reason_of(of(time=time)) is Reason.INCOMPLETE


def test_a_provider_that_nobody_reads_is_named() -> None:
    with pytest.raises(SetAside, match="'open_meteo' is not known") as caught:
        reader_of(read_poll(record_of(of())), {"other": print})
    assert caught.value.reason is Reason.UNKNOWN_FORM


@pytest.mark.parametrize("value", [None, True, "1", [1], {}, math.nan, math.inf, -math.inf, 10**400])
def test_what_is_no_finite_number(value: Any) -> None:
    assert number(value) is None
    assert epoch(value) is None


def test_numbers_are_floats_and_minus_zero_is_zero() -> None:
    assert [repr(number(value)) for value in (3, -0.0, 0, 1.5)] == ["3.0", "0.0", "0.0", "1.5"]


def test_texts() -> None:
    assert [text(value) for value in ("a", "", None, 7, "\ud800")] == ["a", None, None, None, "�"]


def test_times() -> None:
    at = from_iso("2020-05-21T20:30:00+00:00")
    assert moment("2020-05-21T20:30Z") == moment("2020-05-21T22:30:00.000+02:00") == moment("2020-05-21T20:30") == at
    assert epoch(1590093000) == epoch(1590093000000, 1_000) == epoch(1590093000.0) == at
    assert local_moment("2020-05-21T22:30", ZoneInfo("Europe/Berlin")) == at
    assert local_moment("2020-05-21T20:30Z", ZoneInfo("Europe/Berlin")) == at


@pytest.mark.parametrize("value", [None, 7, "", "soon", "2020-13-01", "0001-01-01", "9999-12-31T23:59:59-12:00", []])
def test_what_is_no_time_of_a_reading(value: Any) -> None:
    assert moment(value) is None
    assert local_moment(value, ZoneInfo("Asia/Tokyo")) is None


@pytest.mark.parametrize("value", [-1, 1e300, LATEST])
def test_counts_that_are_no_time_of_a_reading(value: Any) -> None:
    assert epoch(value) is None


def test_objects() -> None:
    assert objects_in([{"a": 1}, 7, None, []]) == objects_in({"a": 1}) == [{"a": 1}]
    assert objects_in("x") == objects_in(None) == []


def test_a_point_without_a_field_but_its_origin_is_not_made() -> None:
    record = record_of(of())
    assert point_of(record, "m", {"t": None}, {"a": None}, TIME) is None
    point = point_of(record, "m", {"t": None}, {"a": None, "b": False}, TIME)
    assert point is not None
    assert (point.series.prefix, point.fields) == ("m,t=none", {"origin": "live", "b": False})
