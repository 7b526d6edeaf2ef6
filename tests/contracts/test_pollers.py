"""What each poller keeps, whatever its service does: every answer a record, no secret in it, and the right kind of end."""

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from homeiq.clock import ManualClock
from homeiq.connectors import http_client
from homeiq.connectors.base import Poller
from homeiq.connectors.http_client import HttpClient
from homeiq.connectors.registry import connector_class, connector_names
from homeiq.errors import SourceBusy, SourceError, SourceRefused, SourceUnreachable, TokenRefused

from connectors.polls import NOW, Polled, around, made, poll, polled_by
from servers.ports import free_port
from servers.service import Asked, Reply, serving

SECRET = "s3cret/with+signs&ä"
TOKEN = "token-that-was-given"

PROVIDERS: list[tuple[str, dict[str, Any]]] = [
    ("weather", {"provider": "open_meteo"}),
    ("weather", {"provider": "open_meteo", "api_key": SECRET}),
    ("weather", {"provider": "openweathermap", "api_key": SECRET}),
    ("air_quality", {"provider": "open_meteo"}),
    ("air_quality", {"provider": "airnow", "api_key": SECRET}),
    ("electricity_pricing", {"provider": "awattar"}),
    ("electricity_pricing", {"provider": "energy_charts"}),
    ("electricity_pricing", {"provider": "tibber", "token": SECRET}),
    ("carbon_intensity", {"provider": "uk"}),
    ("carbon_intensity", {"provider": "uk", "region": 13}),
    ("carbon_intensity", {"provider": "watttime", "username": "me", "password": SECRET, "region": "CAISO_NORTH"}),
    ("smart_meter", {"provider": "shelly"}),
    ("smart_meter", {"provider": "shelly", "password": SECRET, "components": ["em:0"]}),
    ("calendar", {"provider": "home_assistant", "calendars": ["calendar.family"]}),
]
IDS = [f"{name}-{section['provider']}-{len(section)}" for name, section in PROVIDERS]

KEYS = ["provider", "request", "status", "headers", "body"]


def near() -> Any:
    return around(url="http://127.0.0.1:1", token=SECRET)


def asked(name: str, section: dict[str, Any], answer: Callable[[Asked], Reply], **more: Any) -> Polled:
    """Poll once; a login is always answered well."""

    def answers(request: Asked) -> Reply:
        return Reply({"token": TOKEN}) if request.path == "/login" else answer(request)

    return poll(name, {**section, **more}, answers, near())


def has_secret(name: str, section: dict[str, Any]) -> bool:
    """Tell whether something secret is sent: the calendar's token is Home Assistant's."""
    return name == "calendar" or any(value == SECRET for value in section.values())


@pytest.fixture(params=PROVIDERS, ids=IDS)
def provider(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param  # type: ignore[no-any-return]


def check_records(polled: Polled, name: str, section: dict[str, Any]) -> None:
    """Assert what holds for each record, and that there is one if an answer came."""
    assert polled.events or isinstance(polled.error, SourceUnreachable)
    for event, raw in zip(polled.events, polled.raws, strict=True):
        assert (event.source, event.event_type, event.origin) == (name, "polled", "live")
        assert event.entity_id == ("calendar.family" if name == "calendar" else None)
        assert event.state is None
        assert event.time == NOW <= event.received_at
        assert list(raw)[:5] == KEYS
        assert set(raw) <= {*KEYS, "encoding", "truncated"}
        assert raw["provider"] == section["provider"]
        assert set(raw["request"]) == {"method", "url", "params"}
        assert raw["request"]["url"].startswith(polled.url)
        assert set(raw["headers"]) <= {"content-type", "date", "retry-after"}
        for secret in (SECRET, "s3cret", TOKEN, base64.b64encode(f"me:{SECRET}".encode()).decode()):
            assert secret not in event.raw
            assert "encoding" not in raw or secret.encode() not in base64.b64decode(raw["body"])
    if polled.error is not None:
        assert not re.search("s3cret|token-that", f"{polled.error} {polled.error!r} {polled.error.place}")


def test_each_provider_is_tested() -> None:
    there = set()
    for name in connector_names():
        kind = connector_class(name)
        assert kind is not None
        assert issubclass(kind, Poller)
        there |= {(name, provider) for provider in kind.providers() if provider not in kind.not_polled}
    assert there == {(name, section["provider"]) for name, section in PROVIDERS}


def test_an_answer_is_recorded_as_it_came(provider: tuple[str, dict[str, Any]]) -> None:
    body = '{"a" : 1.50, "b":[ ] , "ü":"\\u00fc"}\n'
    headers = {"Date": "Tue, 24 Nov 2026 14:30:00 GMT", "X-Other": "1", "Set-Cookie": "a=b"}
    polled = asked(*provider, lambda request: Reply(body, headers=headers))
    check_records(polled, *provider)
    assert polled.error is None
    assert polled.events
    for raw in polled.raws:
        assert (raw["status"], raw["body"]) == (200, body)
        assert raw["headers"] == {"content-type": "application/json", "date": headers["Date"]}
        assert list(raw) == KEYS
    for request in polled.asked:
        assert re.fullmatch(r"homeiq/\d+\.\d+\.\d+", request.headers["user-agent"])
        assert "cookie" not in request.headers


def test_what_was_asked_is_in_the_record_but_for_the_secrets(provider: tuple[str, dict[str, Any]]) -> None:
    polled = asked(*provider, lambda request: Reply({}))
    requests = [request for request in polled.asked if request.path != "/login"]
    for request, raw in zip(requests, polled.raws, strict=True):
        said = raw["request"]
        assert (said["method"], said["url"]) == (request.method, polled.url + request.path)
        if request.method == "POST":
            assert orjson.loads(request.body) == said["params"]
        else:
            hidden = {key for key in request.query if request.query[key] == SECRET}
            assert {key: value for key, value in request.query.items() if key not in hidden} == said["params"]
            assert len(hidden) == (1 if "api_key" in provider[1] else 0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, TokenRefused),
        (403, TokenRefused),
        (404, SourceRefused),
        (400, SourceRefused),
        (429, SourceBusy),
        (500, SourceBusy),
        (503, SourceBusy),
        (301, SourceRefused),
    ],
)
def test_a_failure_is_a_record_too(provider: tuple[str, dict[str, Any]], status: int, kind: type[SourceError]) -> None:
    polled = asked(*provider, lambda request: Reply("<html>no</html>", status, {"Retry-After": "17"}))
    check_records(polled, *provider)
    assert type(polled.error) is kind
    assert polled.raws[0]["status"] == status
    assert polled.raws[0]["body"] == "<html>no</html>"
    assert polled.raws[0]["headers"]["retry-after"] == "17"
    if isinstance(polled.error, SourceBusy):
        assert polled.error.retry_after == 17
    if kind is TokenRefused and (has_secret(*provider) or provider[1]["provider"] == "shelly"):
        assert re.search(r"(check|set) [a-z_]+\.(api_key|token|username|password)", str(polled.error))


@pytest.mark.parametrize("body", ["<!doctype html><html>", "", "{", '{"error": true, "reason": "no"}', "null", "[]"])
def test_what_a_body_means_is_not_its_business(provider: tuple[str, dict[str, Any]], body: str) -> None:
    polled = asked(*provider, lambda request: Reply(body))
    check_records(polled, *provider)
    assert polled.error is None
    assert {raw["body"] for raw in polled.raws} == {body}


def test_secrets_that_are_given_back_are_removed(provider: tuple[str, dict[str, Any]]) -> None:
    """Services do so in messages of errors: "invalid key …", or with the URL that was asked."""
    forms = [SECRET, "s3cret%2Fwith%2Bsigns%26%C3%A4", orjson.dumps(SECRET).decode(), TOKEN]

    def answer(request: Asked) -> Reply:
        return Reply(" ".join([*forms, *request.headers.values(), str(request.query)]), 400)

    polled = asked(*provider, answer)
    if not has_secret(*provider):
        return  # nothing secret is known
    for raw in polled.raws:
        if provider[1]["provider"] != "watttime":
            raw["body"] = raw["body"].replace(TOKEN, "")
        assert not re.search("s3cret|token-that", raw["body"])
        assert "(removed)" in raw["body"]


def test_bytes_that_are_no_text_are_kept(provider: tuple[str, dict[str, Any]]) -> None:
    body = b'{"name": "K\xf6ln"}'
    polled = asked(*provider, lambda request: Reply(body))
    check_records(polled, *provider)
    for raw in polled.raws:
        assert raw["encoding"] == "base64"
        assert base64.b64decode(raw["body"]) == body


def test_an_answer_that_breaks_off_is_kept_as_far_as_it_came(provider: tuple[str, dict[str, Any]]) -> None:
    polled = asked(*provider, lambda request: Reply('{"name": "Kö'.encode()[:-1], length=500))
    check_records(polled, *provider)
    assert isinstance(polled.error, SourceUnreachable)
    for raw in polled.raws:
        assert (raw["body"], raw["truncated"], raw["status"]) == ('{"name": "K', True, 200)
        assert "encoding" not in raw


def test_a_body_too_large_is_cut(provider: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert http_client.LARGEST_BODY == 4 << 20
    monkeypatch.setattr(HttpClient.__init__, "__kwdefaults__", {"largest_body": 1_000})
    polled = asked(*provider, lambda request: Reply("x" * 1_000))
    assert all("truncated" not in raw for raw in polled.raws)
    polled = asked(*provider, lambda request: Reply("x" * 1_001))
    check_records(polled, *provider)
    assert polled.error is None
    for raw in polled.raws:
        assert (raw["body"], raw["truncated"]) == ("x" * 1_000, True)


def test_without_an_answer_there_is_no_record(provider: tuple[str, dict[str, Any]]) -> None:
    polled = asked(*provider, lambda request: Reply(drop=True))
    assert polled.events == []
    assert isinstance(polled.error, SourceUnreachable)
    assert "without an answer" in str(polled.error)
    check_records(polled, *provider)


def test_nobody_there(provider: tuple[str, dict[str, Any]]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    name, section = provider
    places = {"hosts": [url]} if section["provider"] == "shelly" else {"url": url}

    async def session() -> tuple[list[Any], SourceError | None]:
        http = HttpClient(ManualClock(NOW))
        try:
            return await polled_by(made(name, {**section, **places}, near()), http)
        finally:
            await http.close()

    events, error = asyncio.run(session())
    assert events == []
    assert isinstance(error, SourceUnreachable)
    assert error.gap_reason == "connection_refused"
    assert "127.0.0.1 cannot be reached" in str(error)


def test_it_can_be_cancelled_and_asked_again(provider: tuple[str, dict[str, Any]]) -> None:
    name, section = provider

    async def session() -> list[Any]:
        hang = True

        def answers(request: Asked) -> Reply:
            return Reply({"token": TOKEN}) if request.path == "/login" else Reply({}, hang=hang)

        async with serving(answers) as service:
            places = {"hosts": [service.url]} if section["provider"] == "shelly" else {"url": service.url}
            poller = made(name, {**section, **places}, near())
            http = HttpClient(ManualClock(NOW))
            task = asyncio.create_task(polled_by(poller, http))
            async with asyncio.timeout(20):
                while not any(request.path != "/login" for request in service.asked):
                    await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            hang = False
            events, error = await polled_by(poller, http)
            await http.close()
            assert error is None
            return events

    assert asyncio.run(session())


def test_an_end_without_secrets_elsewhere(provider: tuple[str, dict[str, Any]]) -> None:
    """A redirect to another host is not followed with a secret; a record says where it ended."""

    async def session() -> None:
        name, section = provider
        async with serving(lambda request: Reply({"elsewhere": True})) as other:

            def answers(request: Asked) -> Reply:
                if request.path == "/login":
                    return Reply({"token": TOKEN})
                return Reply("", 302, {"Location": other.url + "/there"})

            async with serving(answers) as service:
                places = {"hosts": [service.url]} if section["provider"] == "shelly" else {"url": service.url}
                http = HttpClient(ManualClock(NOW))
                events, error = await polled_by(made(name, {**section, **places}, near()), http)
                await http.close()
            secret = has_secret(name, section)
            assert bool(other.asked) == (not secret)
            raws = [orjson.loads(event.raw) for event in events]
            if secret:
                assert isinstance(error, SourceRefused)
                assert {raw["status"] for raw in raws} == {302}
            else:
                assert {raw["body"] for raw in raws} == {'{"elsewhere": true}'}
                assert all(raw["request"]["url"].startswith(service.url) for raw in raws)

    asyncio.run(session())


def test_nobody_is_asked_before_a_provider_is_named() -> None:
    for name in connector_names():
        poller = made(name, {})
        missing = poller.missing()
        assert missing is not None
        assert f"set {name}.provider in homeiq.yaml, or HOMEIQ_{name.upper()}__PROVIDER" in missing.sentence
        assert not missing.awaited
        assert all(provider in missing.sentence for provider in poller.providers())


def test_what_is_missing_is_named(provider: tuple[str, dict[str, Any]]) -> None:
    name, section = provider
    for key in made(name, section).required.get(section["provider"], ()):
        missing = made(name, {other: value for other, value in section.items() if other != key}).missing()
        if key != "hosts":
            assert missing is not None
            assert f"set {name}.{key} in homeiq.yaml" in missing.sentence
    places = {"hosts": ["a"]} if section["provider"] == "shelly" else {}
    assert made(name, {**section, **places}, near()).missing() is None
