"""What is recorded of a request and its answer: all of it, and no secret, whatever the secret is."""

import base64
from typing import Any

import orjson
import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.connectors.exchange import Answer, Request, Secrets, record_text
from hypothesis import example, given
from hypothesis import strategies as st

AT = from_iso("2026-11-24T14:30:00+00:00")


def answer(body: bytes = b"{}", **more: Any) -> Answer:
    return Answer(**{"status": 200, "headers": {}, "body": body, "sent_at": AT, "received_at": AT, **more})


@given(st.binary(max_size=200), st.text(max_size=20), st.booleans())
def test_the_body_can_be_had_again(body: bytes, value: str, truncated: bool) -> None:
    value = value.encode("utf-8", "replace").decode()
    request = Request("http://h/p", {"a": value})
    raw = orjson.loads(record_text("p", request, answer(body, truncated=truncated)))
    assert raw["request"] == {"method": "GET", "url": "http://h/p", "params": {"a": value}}
    assert raw.get("truncated", False) == truncated
    again = base64.b64decode(raw["body"]) if "encoding" in raw else raw["body"].encode()
    assert again == body or (truncated and body.startswith(again) and len(body) - len(again) < 4)


@given(st.text(min_size=8, max_size=40), st.binary(max_size=40), st.sampled_from(["param", "header", "digest", "word"]))
@example("0000000\\", b"", "param")
@example('"params":', b"", "word")
def test_no_secret_is_in_a_record(secret: str, other: bytes, how: str) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    secrets = {
        "param": Secrets(params={"key": secret}),
        "header": Secrets(headers={"Authorization": secret}),
        "digest": Secrets(digest=("admin", secret)),
        "word": Secrets(words=(secret,)),
    }[how]
    given_back = secret.encode() + other + orjson.dumps({"key": secret})
    request = Request(f"http://h/{secret}", {"a": f"x{secret}"}, secrets)
    text = record_text("p", request, answer(given_back, headers={"content-type": f"text/{secret}"}))
    raw = orjson.loads(text)
    body = base64.b64decode(raw["body"]) if "encoding" in raw else raw["body"].encode()
    if secret in "(removed)(removed)":  # it can't be told from what stands in its place
        return
    parts = [body.replace(b"(removed)", b"\0"), str(raw["request"]).encode(), str(raw["headers"]).encode()]
    assert not any(secret.encode() in part.replace(b"(removed)", b"\0") for part in parts)
    assert repr(secret)[1:-1] not in repr(request.secrets)


def test_a_short_secret_is_no_reason_to_damage_a_reading() -> None:
    secrets = Secrets(digest=("admin", "1234"))
    raw = orjson.loads(record_text("p", Request("http://h"), answer(b'{"total": 1234.5}')))
    assert raw["body"] == '{"total": 1234.5}'
    raw = orjson.loads(
        record_text("p", Request("http://h", secrets=secrets), answer(b'{"total": 1234.5, "p": "1234"}'))
    )
    assert raw["body"] == '{"total": 1234.5, "p": "(removed)"}'


def test_a_header_of_any_bytes_can_be_recorded() -> None:
    headers = {"content-type": b"text/\xff\xe4".decode("utf-8", "surrogateescape"), "date": "x", "server": "y"}
    raw = orjson.loads(record_text("p", Request("http://h"), answer(headers=headers)))
    assert raw["headers"] == {"content-type": "text/\ufffd\ufffd", "date": "x"}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Tue, 24 Nov 2026 14:31:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 14:29:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Tue, 99 Nov 2026 14:31:00 GMT", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after(said: str, seconds: float | None) -> None:
    assert answer(headers={"retry-after": said}).retry_after == seconds


@given(st.text(max_size=40))
def test_retry_after_never_fails(said: str) -> None:
    seconds = answer(headers={"retry-after": said}, received_at=AT + SECOND).retry_after
    assert seconds is None or seconds >= 0
