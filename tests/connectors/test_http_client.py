"""One request: redirects, time limits, addresses that are none. The rest is in tests/contracts/test_pollers.py."""

import asyncio
import gzip
import subprocess
import sys
from typing import Any

import pytest
from homeiq.clock import ManualClock
from homeiq.connectors.exchange import Answer, Request, Secrets
from homeiq.connectors.http_client import HttpClient
from homeiq.errors import SourceError, SourceRefused, SourceUnreachable

from servers.service import Answers, Asked, Reply, serving

SECRET = Secrets(params={"key": "the-secret-key"})


def send(answers: Answers, path: str = "/a", **more: Any) -> tuple[Answer | SourceError, list[Asked]]:
    async def session() -> tuple[Answer | SourceError, list[Asked]]:
        async with serving(answers) as service:
            http = HttpClient(ManualClock())
            try:
                return await http.send(Request(service.url + path, **more)), service.asked
            except SourceError as error:
                return error, service.asked
            finally:
                await http.close()

    return asyncio.run(session())


def test_redirects_within_a_host_are_followed() -> None:
    def answers(asked: Asked) -> Reply:
        places = {"/a": "/b?x=1", "/b": "/c", "/c": ""}
        return Reply("", 307, {"Location": places[asked.path]}) if places[asked.path] else Reply("here")

    answer, asked = send(answers, params={"q": "1"}, secrets=SECRET)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (200, b"here")
    assert [(one.path, one.query) for one in asked] == [
        ("/a", {"q": "1", "key": "the-secret-key"}),
        ("/b", {"x": "1"}),
        ("/c", {}),
    ]


def test_redirects_end() -> None:
    answer, asked = send(lambda asked: Reply("", 302, {"Location": "/a"}))
    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert len(asked) == 4


@pytest.mark.parametrize("location", ["ftp://x/", "http://[/", "javascript:x", "", "http://user:pw@/"])
def test_redirects_to_nowhere_are_answers(location: str) -> None:
    answer, asked = send(lambda asked: Reply("", 302, {"Location": location}), secrets=SECRET)
    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert len(asked) == 1


def test_a_post_is_not_repeated_elsewhere() -> None:
    answer, asked = send(lambda asked: Reply("", 307, {"Location": "/b"}), method="POST", body={"query": "{}"})
    assert isinstance(answer, Answer)
    assert [one.path for one in asked] == ["/a"]


def test_a_time_limit() -> None:
    error, _ = send(lambda asked: Reply(hang=True), timeout=0.2, secrets=SECRET)
    assert isinstance(error, SourceUnreachable)
    assert str(error) == "127.0.0.1 does not answer within 0.2 s"
    assert error.gap_reason == "no_answer"


def test_a_time_limit_within_an_answer() -> None:
    answer, _ = send(lambda asked: Reply("half", length=9, stall=True), timeout=0.5)
    assert isinstance(answer, Answer)
    assert (answer.body, answer.truncated, answer.broken) == (b"half", True, "stopped within its answer")


def test_a_compressed_body_is_recorded_as_what_it_says() -> None:
    answer, _ = send(lambda asked: Reply(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}))
    assert isinstance(answer, Answer)
    assert answer.body == b'{"a": 1}'


def test_a_compressed_body_does_not_fill_the_memory() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    answer, _ = send(lambda asked: Reply(bomb, headers={"Content-Encoding": "gzip"}))
    assert isinstance(answer, Answer)
    assert answer.truncated
    assert len(answer.body) == 4 << 20


@pytest.mark.parametrize(
    "url",
    ["", "nothing", "http://", "http://user:the-password@127.0.0.1/", "http://[", "ftp://127.0.0.1/x", "http://h:x/"],
)
def test_what_is_no_address(url: str) -> None:
    async def session() -> None:
        http = HttpClient(ManualClock())
        try:
            await http.send(Request(url, secrets=SECRET))
        finally:
            await http.close()

    with pytest.raises(SourceRefused) as found:
        asyncio.run(session())
    assert "the-password" not in str(found.value)


def test_a_name_that_does_not_exist() -> None:
    async def session() -> None:
        http = HttpClient(ManualClock())
        try:
            await http.send(Request("http://no-such-host.invalid/", secrets=SECRET))
        finally:
            await http.close()

    with pytest.raises(SourceUnreachable, match=r"no-such-host\.invalid cannot be found"):
        asyncio.run(session())


def test_a_key_with_a_line_break_is_said_without_the_key() -> None:
    error, _ = send(lambda asked: Reply({}), secrets=Secrets(headers={"Authorization": "Bearer the-key\nx"}))
    assert isinstance(error, SourceRefused)
    assert "line break" in str(error)
    assert "the-key" not in str(error)


def test_no_http_library_is_loaded_before_it_is_needed() -> None:
    script = (
        "import sys, homeiq.cli, homeiq.commands.record, homeiq.recorder.daemon;"
        "from homeiq.connectors.registry import connector_names; connector_names();"
        "print([name for name in ('aiohttp', 'yarl') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
