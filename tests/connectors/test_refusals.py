"""What Home Assistant's place and others answer who are not there, not ready, or somebody else: one sentence each."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import aiohttp
import pytest
from homeiq.clock import ManualClock
from homeiq.connectors.exchange import Request
from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.connectors.http_client import HttpClient, _no_answer
from homeiq.errors import NotHomeAssistant, SourceError, SourceRefused, SourceUnreachable
from homeiq.settings import HomeAssistantSettings
from pydantic import SecretStr

from servers.fake_home import FakeHome
from servers.web import serving


@pytest.fixture
def status_server() -> Iterator[str]:
    """The address of a web server that answers /NUMBER with that status; its path stands behind it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        statuses: ClassVar = {}

        def do_GET(self) -> None:
            self.send_response(int(self.path.split("/")[1]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(Handler) as place:
        yield place


def connect(url: str) -> SourceError:
    """Return what is said of an address at which Home Assistant should be."""

    async def session() -> None:
        settings = HomeAssistantSettings(url=url, token=SecretStr("any"))
        async with HomeAssistantConnector(settings).asking():
            pass

    with pytest.raises(SourceError) as found:
        asyncio.run(session())
    return found.value


@pytest.mark.parametrize("status", [502, 503, 504])
def test_home_assistant_is_not_there_yet(status_server: str, status: int) -> None:
    error = connect(f"http://{status_server}/{status}")
    assert isinstance(error, SourceUnreachable)
    assert str(error) == f"Home Assistant is not there yet (HTTP {status})"


@pytest.mark.parametrize("reset", [False, True])
def test_it_hangs_up_before_it_answers(reset: bool) -> None:
    """As a proxy does whose Home Assistant ends just then."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(65_536)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        error = connect(url)
        hanging_up.join()
    assert isinstance(error, SourceUnreachable)
    assert str(error) == f"{url} ended the connection before it answered"
    assert error.gap_reason == "connection_lost"


@pytest.mark.parametrize("status", [404, 401])
def test_somebody_else_is_there(status_server: str, status: int) -> None:
    error = connect(f"http://{status_server}/{status}")
    assert isinstance(error, NotHomeAssistant)
    assert f"is not Home Assistant (HTTP {status}): " in str(error)
    assert "home_assistant.url" in str(error)


def test_no_certificate_where_one_is_needed(status_server: str) -> None:
    error = connect(f"https://{status_server}")
    assert isinstance(error, SourceUnreachable)
    assert "has no valid certificate" in str(error)
    assert "home_assistant.url" in str(error)

    async def ask() -> None:
        http = HttpClient(ManualClock())
        try:
            await http.send(Request(f"https://{status_server}/200"))
        finally:
            await http.close()

    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1 has no valid certificate"):
        asyncio.run(ask())


def test_a_question_is_not_answered() -> None:
    async def session() -> None:
        async with FakeHome([]) as home:
            settings = HomeAssistantSettings(url=home.url, token=SecretStr("secret"))
            connector = HomeAssistantConnector(settings)
            home.silent = {"config/area_registry/list"}
            async with connector.asking():
                connector.answer_seconds = 0.05
                await connector._session.ask("config/area_registry/list", {})

    with pytest.raises(SourceUnreachable, match="Home Assistant does not answer config/area_registry/list"):
        asyncio.run(session())


def test_an_address_that_only_the_client_finds_wrong() -> None:
    error = _no_answer(aiohttp.InvalidURL("http://"), "service")
    assert isinstance(error, SourceRefused)
    assert str(error) == "the address of service is not a URL: check url in its section of the settings"
