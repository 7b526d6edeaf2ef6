"""POST /events: what is answered 201 is in the log, once; what is refused is not, in no part."""

import gzip
import json
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import ManualClock
from homeiq.connectors.pushed import MOST_EVENTS, events_of
from homeiq.recorder import idempotency, ingest
from homeiq.recorder.idempotency import KEPT, Known, digest_of, key_event
from homeiq.settings import RecordingSettings
from homeiq.storage.log import EventLog
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.serving import Answer, Served, records_in
from recorder.test_intake import StuckFiles
from replayer.making import fast_folder

ONE = '{"event_type":"x"}'
LIMIT = 10_000


def raws(data_dir: Path) -> list[str]:
    return [record.raw for record in records_in(data_dir) if record.source == "pushed" and record.event_type == "x"]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (ONE, [ONE]),
        (f" [ {ONE} ,{ONE}]\n", [ONE, ONE]),
        (f"{ONE}\n{ONE} \n", [ONE, ONE]),
        ('{"event_type": "x"}', ['{"event_type": "x"}']),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_201_when_it_is_in_the_log(tmp_path: Path, body: str, texts: list[str], packed: bool) -> None:
    with Served(tmp_path) as served:
        served.post(ONE)
        answer = served.post(gzip.compress(body.encode()), Content_Encoding="gzip") if packed else served.post(body)
        assert (answer.status, answer.json()) == (201, {"first_seq": 2, "last_seq": 1 + len(texts)})
        assert raws(tmp_path)[1:] == texts


@pytest.mark.parametrize(
    ("query", "origin"), [("", "manual"), *((f"?origin={o}", o) for o in ("manual", "simulated", "import"))]
)
def test_the_origin_is_what_the_caller_states(tmp_path: Path, query: str, origin: str) -> None:
    with Served(tmp_path) as served:
        assert served.post(ONE, query).status == 201
    assert [record.origin for record in records_in(tmp_path)] == [origin]


@pytest.mark.parametrize("query", ["?origin=live", "?origin=", "?origin=import&origin=import", "?orgin=import", "?%ff"])
def test_no_other_origin(tmp_path: Path, query: str) -> None:
    with Served(tmp_path) as served:
        assert served.post(ONE, query).status == 400
    assert records_in(tmp_path) == []


def too_many(served: Served) -> Answer:
    return served.post("\n".join([ONE] * (MOST_EVENTS + 1)))


def bomb(served: Served) -> Answer:
    return served.post(gzip.compress(b" " * 100_000_000), Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("refused", "status", "words"),
    [
        (lambda s: s.post(""), 400, {"error": "there is no event in the body"}),
        (lambda s: s.post(f"[{ONE}, 7]"), 400, {"index": 1}),
        (lambda s: s.post(f'{ONE}\n{{"event_type":7}}'), 400, {"line": 2, "field": "event_type"}),
        (lambda s: s.post('{"event_type":"x","y":NaN}'), 400, {}),
        (lambda s: s.post(b'{"event_type":"\xff"}'), 400, {}),
        (lambda s: s.post(ONE, Content_Encoding="gzip"), 400, {"error": "the body is not gzip"}),
        (lambda s: s.post(gzip.compress(ONE.encode())[:-4], Content_Encoding="gzip"), 400, {}),
        (lambda s: s.post(gzip.compress(b"") * 101, Content_Encoding="gzip"), 400, {}),
        (lambda s: s.post(zlib.compress(ONE.encode()), Content_Encoding="deflate"), 415, {}),
        (lambda s: s.post(ONE, Content_Encoding="gzip, gzip"), 415, {}),
        (lambda s: s.post(" " * (LIMIT + 1)), 413, {}),
        (bomb, 413, {}),
        (lambda s: s.post(gzip.compress(b" " * (LIMIT + 1)), Content_Encoding="gzip"), 413, {}),
        (lambda s: s.post(ONE, Idempotency_Key="k" * 256), 400, {}),
        (lambda s: s.post(ONE, Idempotency_Key=""), 400, {}),
        (lambda s: s.post(ONE, Idempotency_Key="\xfc"), 400, {}),
    ],
)
def test_what_is_refused_is_not_recorded(tmp_path: Path, refused: Any, status: int, words: dict[str, Any]) -> None:
    with Served(tmp_path, max_body_bytes=LIMIT) as served:
        answer = refused(served)
        assert answer.status == status, answer.body
        said = answer.json()
        assert {name: said.get(name) for name in words} == words
        assert said["error"]
        assert served.post(ONE).status == 201, "and the next one is taken"
    assert len(records_in(tmp_path)) == 1


def test_more_events_than_may_come_at_once(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        assert too_many(served).status == 413
        assert served.post("\n".join([ONE] * MOST_EVENTS)).json() == {"first_seq": 1, "last_seq": MOST_EVENTS}
    assert len(records_in(tmp_path)) == MOST_EVENTS


def test_a_chunked_body_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_BODY_SECONDS", 1.0)
    with Served(tmp_path, max_body_bytes=LIMIT) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(11):
                connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
        for broken in (b"", b"zz\r\n", b"5\r\n12345xx", b"-1\r\n"):
            with socket.create_connection(("127.0.0.1", served.port)) as connection:
                connection.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
                connection.sendall(broken)
                assert connection.recv(100).split()[1] in (b"400", b"408")
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert served.post(ONE).status == 201
    assert len(records_in(tmp_path)) == 1


def test_bodies_held_at_once_are_bounded(tmp_path: Path) -> None:
    with Served(tmp_path, max_body_bytes=LIMIT) as served:
        head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n"
        slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(5)]
        try:
            for connection in slow:
                connection.sendall(head + b" " * 9_999)
            refused = [c for c in slow if _answered(c)]
            assert len(refused) == 1
            assert refused[0].recv(1000).startswith(b"HTTP/1.1 429 ")
        finally:
            for connection in slow:
                connection.close()


def _answered(connection: socket.socket) -> bool:
    connection.settimeout(0.5)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


def test_a_disk_that_cannot_is_503_and_nothing_is_recorded(tmp_path: Path) -> None:
    files = StuckFiles()
    with Served(tmp_path, files=files) as served:
        assert served.post(ONE).status == 201
        files.full = True
        for key in ({}, {"Idempotency_Key": "k"}):
            answer = served.post(ONE, **key)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "disk full" in answer.json()["error"]
        assert served.ask("GET", "/ready").status == 503
        files.full = False
        answer = served.post(ONE, Idempotency_Key="k")
        assert answer.status == 201
        assert "idempotency-replayed" not in answer.headers
        assert served.ask("GET", "/ready").status == 200
    assert len(raws(tmp_path)) == 2


def test_what_never_has_room_in_the_buffer_is_413(tmp_path: Path) -> None:
    recording = RecordingSettings(buffer_bytes=100_000)
    with Served(tmp_path, recording=recording) as served:
        large = json.dumps({"event_type": "x", "y": "z" * 100_000})
        assert served.post(large).status == 413
        assert served.post(ONE).status == 201


def test_a_key_comes_again(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.monotonic = time.monotonic  # type: ignore[method-assign]
    with Served(tmp_path, clock=clock) as served:
        first = served.post(f"[{ONE},{ONE}]", Idempotency_Key="k")
        again = served.post(f"[{ONE},{ONE}]", Idempotency_Key="k")
        assert first.json() == again.json() == {"first_seq": 2, "last_seq": 3}
        assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
        assert served.post(ONE, Idempotency_Key="k").status == 422
        assert served.post(f"[{ONE},{ONE}]", "?origin=import", Idempotency_Key="k").status == 422
        assert served.post("nonsense", Idempotency_Key="new").status == 400
        assert served.post(ONE, Idempotency_Key="new").status == 201, "a refused request used no key up"
    with Served(tmp_path, clock=clock) as served:
        assert served.post(f"[{ONE},{ONE}]", Idempotency_Key="k").json() == first.json()
        clock.jump(KEPT / 1e6 + 1)
        assert served.post(ONE, Idempotency_Key="k").status == 201
    assert len(raws(tmp_path)) == 4


def test_what_a_crash_left_of_a_request_is_completed(tmp_path: Path) -> None:
    texts = [f'{{"event_type":"x","n":{number}}}' for number in range(4)]
    body = "\n".join(texts)
    known = Known("k", digest_of(body.encode(), "manual"), time.time_ns() // 1000, 4, 0, 0, 0)
    with EventLog(tmp_path) as log:
        log.append([key_event(known, "pushed"), *events_of(body.encode(), "manual", known.received_at)[:2]])
    with Served(tmp_path) as served:
        served.post(ONE)
        answer = served.post(body, Idempotency_Key="k")
        assert (answer.status, answer.json()) == (201, {"first_seq": 2, "last_seq": 7})
        assert "idempotency-replayed" not in answer.headers
        assert served.post(body, Idempotency_Key="k").json() == {"first_seq": 2, "last_seq": 7}
    with Served(tmp_path) as served:
        assert served.post(body, Idempotency_Key="k").json() == {"first_seq": 2, "last_seq": 7}
    assert raws(tmp_path) == [*texts[:2], ONE, *texts[2:]]


def test_the_same_key_at_once_is_one_request(tmp_path: Path) -> None:
    files = _SlowFiles()
    body = f"[{','.join([ONE] * 5)}]"
    with Served(tmp_path, files=files) as served, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: served.post(body, Idempotency_Key="k"), range(8)))
        assert {(a.status, a.body) for a in answers} == {(201, b'{"first_seq":2,"last_seq":6}')}
        assert sum("idempotency-replayed" not in a.headers for a in answers) == 1
    assert len(raws(tmp_path)) == 5


class _SlowFiles(StuckFiles):
    def sync(self, descriptor: int) -> None:
        threading.Event().wait(0.2)


def test_too_many_keys_is_429(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEYS", 2)
    with Served(tmp_path) as served:
        assert [served.post(ONE, Idempotency_Key=str(n)).status for n in range(3)] == [201, 201, 429]
        assert served.post(ONE).status == 201
    assert len(raws(tmp_path)) == 3


def test_one_who_goes_away_leaves_a_whole_request(tmp_path: Path) -> None:
    with Served(tmp_path, files=_SlowFiles()) as served:
        head = f"POST /events HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\nContent-Length: {len(ONE)}\r\n\r\n"
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", served.port)) as connection:
                connection.sendall(head.encode() + ONE.encode())
        assert served.post(ONE, Idempotency_Key="k").json() == {"first_seq": 2, "last_seq": 2}
    assert raws(tmp_path) == [ONE]


bodies = st.binary(max_size=200) | st.builds(
    b"".join,
    st.lists(
        st.sampled_from(
            [
                *(
                    b"{",
                    b"}",
                    b"[",
                    b"]",
                    b",",
                    b":",
                    b"\n",
                    b" ",
                    b"null",
                    b"NaN",
                    b"1e999",
                    b'"\\ud800"',
                    b"\xff",
                    b"\0",
                ),
                *(b'"event_type"', b'"state_changed"', b'"entity_id"', b'"a.b"', b'"new_state"', b'"state"', b'"data"'),
                *(b'{"event_type":"x"}', b'{"event_type":"state_changed","entity_id":"a.b","new_state":"on"}'),
            ]
        ),
        max_size=12,
    ),
)
encodings = st.sampled_from(["", "", "gzip", "identity", "br", "\x7f"])
keys = st.sampled_from(["", "", "a", "b", "c"])


@settings(max_examples=300)
@given(st.lists(st.tuples(bodies, encodings, keys, st.booleans()), min_size=1, max_size=8))
def test_hostile_bodies_are_taken_whole_or_not_at_all(requests: list[tuple[bytes, str, str, bool]]) -> None:
    with fast_folder() as data_dir:
        expected: dict[int, bytes] = {}
        with Served(data_dir, max_body_bytes=1_000) as served:
            for body, encoding, key, pack in requests:
                headers = {"Content_Encoding": encoding} if encoding else {}
                headers |= {"Idempotency_Key": key} if key else {}
                sent = gzip.compress(body) if pack and encoding == "gzip" else body
                answer = served.post(sent, **headers)
                assert answer.status in (201, 400, 413, 415, 422), answer.body
                if answer.status == 201 and "idempotency-replayed" not in answer.headers:
                    places = answer.json()
                    for seq in range(places["first_seq"], places["last_seq"] + 1):
                        assert seq not in expected
                        expected[seq] = body
        found = {r.seq: r.raw for r in records_in(data_dir) if r.event_type != "homeiq_idempotency"}
        assert found.keys() == expected.keys()
        assert all(found[seq].encode() in body for seq, body in expected.items())
