"""The first user of a new Home Assistant, without a browser."""

import json
from typing import Any

from websockets.sync.client import ClientConnection, connect

from .web import Answer, request

__all__ = ["onboard"]

_LIFESPAN_DAYS = 3650


def onboard(url: str) -> str:
    """Make the administrator of a Home Assistant that has none, and return a long-lived access token.

    Only the step that makes the user is taken. The next one (core_config) would set up integrations that reach for the
    internet: a weather service, a text-to-speech one, a list of radio stations.
    """
    client_id = url + "/"
    person = {"name": "Test", "username": "test", "password": "correct horse", "language": "en"}
    created = _must(request("POST", f"{url}/api/onboarding/users", body={"client_id": client_id, **person}))
    grant = {"grant_type": "authorization_code", "code": created["auth_code"], "client_id": client_id}
    short_lived = _must(request("POST", f"{url}/auth/token", form=grant))["access_token"]
    with connect(url.replace("http", "ws", 1) + "/api/websocket", proxy=None) as socket:
        _say(socket, {"type": "auth", "access_token": short_lived}, until="auth_ok")
        wanted = {"id": 1, "type": "auth/long_lived_access_token", "client_name": "homeiq", "lifespan": _LIFESPAN_DAYS}
        token: str = _say(socket, wanted, until="result")["result"]
    return token


def _must(answer: Answer) -> Any:
    if not answer.ok:
        raise RuntimeError(f"onboarding was answered with {answer.status}: {answer.body}")
    return answer.json()


def _say(socket: ClientConnection, message: dict[str, Any], *, until: str) -> dict[str, Any]:
    socket.send(json.dumps(message))
    while True:
        answer: dict[str, Any] = json.loads(socket.recv(timeout=30))
        if answer["type"] == until:
            return answer
        if answer["type"] != "auth_required":
            raise RuntimeError(f"onboarding was answered with {answer}")
