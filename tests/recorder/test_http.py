"""The server listens where it is told, waits for its port, and lets nobody take all connections or the log's words."""

import logging
import socket
import time
from pathlib import Path

import pytest
from homeiq.recorder import http

from recorder.serving import Served, records_in
from servers.homeiq import wait_for
from servers.ports import free_port
from storage.disks import FastFiles

ONE = '{"event_type":"x"}'


def test_a_port_in_use_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http, "_RETRY_SECONDS", 0.02)
    caplog.set_level(logging.INFO)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as other, Served(tmp_path, port=port) as served:
        time.sleep(0.2)
        problem = served.health.http["problem"]
        assert problem.startswith(f"HTTP cannot listen on 127.0.0.1:{port} (it is in use): ")
        assert served.in_loop(served.health.not_ready) == [problem]
        assert caplog.text.count("cannot listen") == 1
        other.close()
        wait_for("the port", lambda: served.health.http["url"])
        assert served.post(ONE).status == 201
        assert served.in_loop(served.health.not_ready) == []


@pytest.mark.parametrize("host", ["256.0.0.1", "no such host", "."])
def test_a_host_that_is_none_is_said(tmp_path: Path, host: str) -> None:
    with Served(tmp_path, host=host, token="t") as served:
        assert "HTTP cannot listen on" in served.health.http["problem"]


def test_too_many_connections_are_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 5)
    with Served(tmp_path) as served:
        taken = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(5)]
        wait_for("them to be accepted", lambda: served.ask("GET", "/health").status == 503)
        for connection in taken:
            connection.close()
        wait_for("room", lambda: served.ask("GET", "/health").status == 200)
        assert served.post(ONE).status == 201


def test_a_connection_that_says_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SILENT_SECONDS", 0.2)
    with Served(tmp_path) as served:
        for said in (b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: localhost\r\n"):
            with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
                connection.sendall(said)
                assert connection.recv(100) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer S3\x01CRET\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"POST /events HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /events?origin=%zz&\xff HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nExpect: wonders\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_4xx_and_not_logged(
    tmp_path: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Served(tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answered = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert answered == b"" or answered.split()[1][:1] == b"4"
        assert served.post(ONE).status == 201
    assert len(records_in(tmp_path)) == 1
    assert "S3" not in caplog.text
    assert "Traceback" not in caplog.text


class _SlowFiles(FastFiles):
    def sync(self, descriptor: int) -> None:
        time.sleep(0.5)


def test_what_is_under_way_at_the_end_is_answered(tmp_path: Path) -> None:
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18\r\n\r\n"
    with Served(tmp_path, files=_SlowFiles()) as served:
        waiting = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        waiting.sendall(head + ONE.encode())
        half = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        half.sendall(head + ONE.encode()[:5])
        wait_for("it to be taken", lambda: served.intake.taken)
    with waiting, half:
        assert waiting.recv(1000).startswith(b"HTTP/1.1 201 ")
        assert b" 201 " not in half.recv(1000)
    assert len(records_in(tmp_path)) == 1


def test_an_error_of_our_own_is_said_and_ends_only_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http, "application", lambda *arguments: 1 / 0)
    with Served(tmp_path) as served:
        assert served.in_loop(served.health.not_ready) == ["HTTP ended by an error in homeiq itself: see its log"]
    assert "ZeroDivisionError" in caplog.text
