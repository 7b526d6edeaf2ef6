"""Who is answered what: own names only, no pages of other sites, and the token where one is set."""

import json
from pathlib import Path
from typing import Any

import pytest
from homeiq.recorder.endpoints import ENDPOINTS

from recorder.serving import Served, records_in
from servers.ports import free_port

ONE = '{"event_type":"x"}'
GETS = sorted(set(ENDPOINTS) - {"/events", "/live"})
OWN = [
    "localhost",
    "localhost:8002",
    "LOCALHOST.",
    "127.0.0.1",
    "127.0.0.1:9",
    "[::1]:8002",
    "192.168.1.5",
    "pi.example:80",
]
FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost/x",
    "[",
    "a b",
    "evil.example:8002",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Served(tmp_path_factory.mktemp("served"), allowed_hosts=("pi.example",)) as served:
        yield served


@pytest.mark.parametrize("host", OWN)
def test_addressed_by_a_name_of_its_own(served: Served, host: str) -> None:
    assert served.ask("GET", "/health", Host=host).status == 200
    assert served.post(ONE, Host=host, Origin=f"http://{host}").status == 201


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/health", "/status", "/events"])
def test_a_name_that_is_not_ours_may_be_another_sites_rebound(served: Served, host: str, path: str) -> None:
    answer = served.ask("POST" if path == "/events" else "GET", path, ONE if path == "/events" else None, Host=host)
    assert answer.status in (400, 421)
    assert "seq" not in answer.body.decode()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost.evil.example", "file://"])
def test_pages_of_other_sites_may_not_ask(served: Served, origin: str) -> None:
    before = len(records_in(served.data_dir))
    assert served.post(ONE, Origin=origin).status == 403
    assert (
        served.ask("OPTIONS", "/events", Origin="http://localhost", Access_Control_Request_Method="POST").status == 405
    )
    assert len(records_in(served.data_dir)) == before


def test_no_answer_lets_another_site_read_it(served: Served) -> None:
    for path in [*GETS, "/nowhere"]:
        headers = served.ask("GET", path, Origin="http://localhost:3000").headers
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["server"] == "homeiq"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/events", 405),
        ("POST", "/status", 405),
        ("PUT", "/events", 405),
        ("GET", "/%ff", 404),
    ],
)
def test_what_is_not_there_is_said_in_json(served: Served, method: str, path: str, status: int) -> None:
    answer = served.ask(method, path)
    assert (answer.status, list(answer.json())) == (status, ["error"])


def test_where_a_token_is_set_it_is_asked_for(tmp_path: Path) -> None:
    with Served(tmp_path, token="geheim-ü") as served:
        for wrong in (
            {},
            {"Authorization": "Bearer falsch"},
            {"Authorization": "Basic geheim-ü".encode().decode("latin-1")},
        ):
            for path in GETS:
                answer = served.ask("GET", path, **wrong)
                assert answer.status == (200 if path in ("/health", "/") else 401)
                assert answer.status == 200 or answer.headers["www-authenticate"] == 'Bearer realm="homeiq"'
            assert served.ask("GET", "/live", **wrong).status == 401
            assert served.post(ONE, **wrong).status == 401
            assert served.ask("GET", "/nowhere", **wrong).status == 401
        right = {"Authorization": "bearer geheim-ü".encode().decode("latin-1")}
        assert [served.ask("GET", path, **right).status for path in GETS] == [200] * len(GETS)
        assert served.post(ONE, **right).status == 201
    assert len(records_in(tmp_path)) == 1


def test_not_ready_says_all_reasons(tmp_path: Path) -> None:
    with Served(tmp_path, unconfigured="Home Assistant is not configured: <set it>") as served:
        answer = served.ask("GET", "/ready")
        assert answer.status == 503
        assert answer.json() == {"ready": False, "reasons": ["Home Assistant is not configured: <set it>"]}
        assert served.ask("GET", "/health").status == 200
        page = served.ask("GET", "/")
        assert page.headers["content-type"].startswith("text/html")
        assert b"set it" not in page.body, "the page itself tells nothing"


def test_the_status_says_what_happened(served: Served) -> None:
    served.post(ONE, "?origin=import")
    status = served.ask("GET", "/status").json()
    assert status["ready"] is True
    assert {"source": "pushed", "origin": "import", "count": 1} in status["events"]
    assert status["durable_seq"] == len(records_in(served.data_dir))
    assert 0 <= status["last_event"]["pushed"]["seconds_since"] < 30
    assert status["http"]["url"] == f"http://127.0.0.1:{served.port}"
    json.dumps(status, allow_nan=False)


def test_an_error_of_our_own_is_500_and_ends_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served.health, "not_ready", lambda: 1 / 0)
    answer = served.ask("GET", "/ready")
    assert (answer.status, answer.json()) == (500, {"error": "an error in homeiq itself: see its log"})
    assert "an error in homeiq itself" in caplog.text
    monkeypatch.undo()
    assert served.ask("GET", "/ready").status == 200


def test_listening_everywhere_is_not_a_name(tmp_path: Path) -> None:
    with Served(tmp_path, host="", port=free_port(), token="door") as served:
        assert served.ask("GET", "/health", Host="").status in (400, 421)
        assert served.ask("GET", "/health", Host="127.0.0.1").status == 200
