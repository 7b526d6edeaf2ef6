"""Shelly devices on the LAN: by RPC, with digest authentication, and each for itself."""

import asyncio
import hashlib
import re
from typing import Any

import orjson
import pytest
from homeiq.clock import ManualClock
from homeiq.connectors.http_client import HttpClient
from homeiq.connectors.registry import create
from homeiq.errors import SourceIncomplete, TokenRefused
from pydantic import ValidationError

from connectors.polls import NOW, around, made, poll, polled_by
from servers.ports import free_port
from servers.service import Asked, Reply, serving

STATUS = {"em:0": {"id": 0, "total_act_power": -120.5}, "emdata:0": {"id": 0, "total_act": 1.0}}
PASSWORD = "the-device's-password"


def test_the_whole_status() -> None:
    polled = poll("smart_meter", {"provider": "shelly"}, lambda asked: Reply(STATUS))
    assert [(asked.method, asked.path, asked.query) for asked in polled.asked] == [("GET", "/rpc/Shelly.GetStatus", {})]
    assert polled.raws[0]["request"] == {"method": "GET", "url": f"{polled.url}/rpc/Shelly.GetStatus", "params": {}}


def test_single_components() -> None:
    section = {"provider": "shelly", "components": "em:0, emdata:0,switch:1,pm1:0"}
    polled = poll("smart_meter", section, lambda asked: Reply({}))
    assert sorted((asked.path, asked.query["id"]) for asked in polled.asked) == [
        ("/rpc/EM.GetStatus", "0"),
        ("/rpc/EMData.GetStatus", "0"),
        ("/rpc/PM1.GetStatus", "0"),
        ("/rpc/Switch.GetStatus", "1"),
    ]


class Device:
    """A Shelly with a password: digest authentication with SHA-256, as RFC 7616 has it."""

    def __init__(self) -> None:
        self.nonce = "1795530600"

    def __call__(self, asked: Asked) -> Reply:
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', asked.headers.get("authorization", "")))
        if not said or said["nonce"] != self.nonce or said["response"] != self._response(asked, said):
            challenge = f'Digest qop="auth", realm="shellypro3em-1", nonce="{self.nonce}", algorithm=SHA-256'
            return Reply("", 401, {"WWW-Authenticate": challenge})
        return Reply(STATUS)

    def _response(self, asked: Asked, said: dict[str, str]) -> str:
        def digest(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        assert (said["username"], said["algorithm"], said["qop"]) == ("admin", "SHA-256", "auth")
        secret = digest(f"admin:shellypro3em-1:{PASSWORD}")
        request = digest(f"{asked.method}:{asked.path}")
        return digest(f"{secret}:{said['nonce']}:{said['nc']}:{said['cnonce']}:auth:{request}")


def test_digest_authentication() -> None:
    async def session() -> None:
        device, clock = Device(), ManualClock(NOW)
        async with serving(device) as service:
            section = {"provider": "shelly", "hosts": [service.url], "password": PASSWORD}
            poller, http = made("smart_meter", section), HttpClient(clock)
            for count in (2, 3, 4):
                events, error = await polled_by(poller, http)
                assert error is None
                assert [orjson.loads(event.raw)["status"] for event in events] == [200]
                assert len(service.asked) == count, "only the first request is sent twice"
            device.nonce = "1795534200"
            events, error = await polled_by(poller, http)
            assert error is None
            assert orjson.loads(orjson.loads(events[0].raw)["body"]) == STATUS
            assert not any("the-device" in str(asked) for asked in service.asked), "it is never sent"
            await http.close()

    asyncio.run(session())


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password(password: str) -> None:
    polled = poll("smart_meter", {"provider": "shelly", "password": password}, Device())
    assert isinstance(polled.error, TokenRefused)
    assert "smart_meter.password" in str(polled.error)
    assert [raw["status"] for raw in polled.raws] == [401]


def test_a_device_that_is_away_delays_no_other() -> None:
    async def session() -> tuple[list[Any], Any]:
        async with serving(lambda asked: Reply(STATUS)) as service:
            hosts = [f"http://127.0.0.1:{free_port()}", service.url]
            http = HttpClient(ManualClock(NOW))
            try:
                return await polled_by(made("smart_meter", {"provider": "shelly", "hosts": hosts}), http)
            finally:
                await http.close()

    events, error = asyncio.run(session())
    assert len(events) == 1
    assert isinstance(error, SourceIncomplete), "the pace stays that of the one that is there"


def test_hosts_are_taken_as_people_write_them() -> None:
    poller = made("smart_meter", {"provider": "shelly", "hosts": "192.168.1.30, http://meter.local/"})
    assert [request.url for request in poller.requests()] == [
        "http://192.168.1.30/rpc/Shelly.GetStatus",
        "http://meter.local/rpc/Shelly.GetStatus",
    ]
    assert all(request.timeout <= 10 for request in poller.requests())
    (request,) = made("smart_meter", {"provider": "shelly", "url": "http://192.168.1.30/"}).requests()
    assert request.url == "http://192.168.1.30/rpc/Shelly.GetStatus"


@pytest.mark.parametrize(
    "section",
    [
        {"hosts": ["http://admin:secret@x"]},
        {"hosts": ["x/y"]},
        {"hosts": [""]},
        {"components": ["em"]},
        {"components": ["sys:0"]},
        {"interval_seconds": 9},
    ],
)
def test_what_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made("smart_meter", section)


def test_home_assistants_sensors_are_not_polled_and_circuits_are_the_normalizers() -> None:
    section = {"provider": "home_assistant", "circuits": {"oven": "sensor.oven_power"}}
    assert create("smart_meter", section, around()) is None
    assert made("smart_meter", {**section, "provider": "shelly"}).interval == 60
