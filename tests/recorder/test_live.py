"""Server-sent events: the present state to each listener, to so many, and to none for longer than he reads."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import SystemClock, to_iso
from homeiq.recorder import http, live
from homeiq.recorder.live import MOST_LISTENERS

from recorder.serving import Served
from servers.homeiq import wait_for


class Listener:
    """A listener as a plain socket, who reads when he is asked to."""

    def __init__(self, served: Served, **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        self._file = self.socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(self._file.readline, b"\r\n"))

    def events(self) -> Iterator[tuple[str, Any]]:
        """Yield the events until the server ends the connection."""
        name = ""
        for line in self._file:
            if line.startswith(b"event: "):
                name = line[7:].decode().strip()
            elif line.startswith(b"data: "):
                yield name, json.loads(line[6:])

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def put_view(data_dir: Path, name: str, **content: Any) -> None:
    (data_dir / "views").mkdir(exist_ok=True)
    path = data_dir / "views" / f"{name}.json"
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"at": to_iso(SystemClock().now()), **content}))
    beside.rename(path)


def test_facts_each_second_and_views_when_they_change(tmp_path: Path) -> None:
    put_view(tmp_path, "doctor", answer="Yes")
    with Served(tmp_path) as served, Listener(served) as listener:
        assert (listener.status, listener.headers["content-type"]) == (200, "text/event-stream")
        assert listener.headers["cache-control"] == "no-store"
        events = listener.events()
        name, facts = next(events)
        assert (name, facts["status"]["durable_seq"], facts["latest"]) == ("live", 0, [])
        assert facts["views"]["doctor"]["stale"] is False
        name, told = next(events)
        assert (name, told["name"], told["content"]["answer"]) == ("view", "doctor", "Yes")
        served.post('{"event_type":"state_changed","entity_id":"a.b","new_state":{"state":"<b>"}}')
        put_view(tmp_path, "doctor", answer="No")
        seen: dict[str, Any] = {}
        for name, told in events:
            seen[name] = told
            if name == "view" and seen["live"]["latest"]:
                break
        assert seen["view"]["content"]["answer"] == "No"
        (heard,) = seen["live"]["latest"]
        assert (heard["source"], heard["entity_id"], heard["state"]) == ("pushed", "a.b", "<b>")


def test_the_token_is_asked_for(tmp_path: Path) -> None:
    with Served(tmp_path, token="door") as served:
        with Listener(served) as nobody:
            assert nobody.status == 401
        with Listener(served, Authorization="Bearer door") as somebody:
            assert next(somebody.events())[0] == "live"


def test_there_are_only_so_many(tmp_path: Path) -> None:
    with Served(tmp_path) as served, ExitStack() as listeners:
        many = [listeners.enter_context(Listener(served)) for _ in range(MOST_LISTENERS)]
        assert {listener.status for listener in many} == {200}
        with Listener(served) as late:
            assert (late.status, late.headers["retry-after"]) == (503, "10")
        many[0].close()
        many[1].close()

        def again() -> bool:
            with Listener(served) as late:
                return late.status == 200

        wait_for("room for another", again)


def test_who_reads_too_slowly_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = live.Live.__init__
    made: list[live.Live] = []

    def hurried(self: live.Live, *arguments: Any) -> None:
        original(self, *arguments, each_seconds=0.01, slow_seconds=0.5)
        made.append(self)

    monkeypatch.setattr(live.Live, "__init__", hurried)
    with Served(tmp_path) as served:
        slow = Listener(served)
        assert slow.status == 200
        with Listener(served) as quick:
            events = quick.events()
            number = 0
            deadline = time.monotonic() + 60
            while made[0].listeners == 2:
                assert time.monotonic() < deadline
                number += 1
                put_view(tmp_path, "big", number=number, x="x" * 1_000_000)
                next(events)
            for _ in range(20):
                assert next(events)[0] in ("live", "view"), "the other one is told as before"
        slow.close()


def test_the_recorders_stop_ends_them_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_STOP_SECONDS", 60.0)
    with ExitStack() as listeners:
        with Served(tmp_path) as served:
            many = [listeners.enter_context(Listener(served)) for _ in range(5)]
            assert [next(listener.events())[0] for listener in many] == ["live"] * 5
            begun = time.monotonic()
        assert time.monotonic() - begun < 30, "no listener is waited for"
        for listener in many:
            assert len(list(listener.events())) < 20, "the stream ended"
