"""What `homeiq init` learns of a home by asking Home Assistant, over the socket by which it will be recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed

from ..connectors.home_assistant.client import HomeAssistantConnector
from ..errors import CommandRefused, NotHomeAssistant, SourceUnreachable
from ..settings import HomeAssistantSettings

__all__ = ["Home", "addresses", "ask_home", "greet"]

_SECONDS: Final = 20.0
_PORT: Final = 8123


@dataclass(frozen=True)
class Home:
    """What Home Assistant says of itself: its configuration, all states, and whether the token is an administrator's."""

    url: str
    config: Mapping[str, Any]
    states: Sequence[Mapping[str, Any]]
    admin: bool

    @property
    def sentence(self) -> str:
        """Who it is."""
        name = self.config.get("location_name") or "a home"
        return f"Home Assistant {self.config.get('version', '')}, {name!s}, {len(self.states)} entities"


def addresses(typed: str) -> list[str]:
    """Return the addresses that may be meant by what a person types: with http:// and port 8123 where they are missing."""
    text = typed.strip().rstrip("/")
    url = text if "://" in text else f"http://{text}"
    try:
        has_port = urlsplit(url).port is not None
    except ValueError:
        return [url]
    scheme, _, rest = url.partition("://")
    if has_port or scheme == "https":
        return [url]
    host, slash, path = rest.partition("/")
    return [f"{scheme}://{host}:{_PORT}{slash}{path}", url]


def greet(typed: str) -> str:
    """Return the address at which Home Assistant answers; no token is needed. Raises SourceError, of the first address."""
    found = addresses(typed)
    first: SourceUnreachable | NotHomeAssistant | None = None
    for url in found:
        try:
            asyncio.run(_Asking(_settings(url, "")).greet())
        except (SourceUnreachable, NotHomeAssistant) as error:
            first = first or error
            continue
        return url
    assert first is not None
    raise first


def ask_home(url: str, token: str) -> Home:
    """Return what Home Assistant says of the home. Raises TokenRefused, NotHomeAssistant, SourceUnreachable."""
    return asyncio.run(_Asking(_settings(url, token)).home())


def _settings(url: str, token: str) -> HomeAssistantSettings:
    try:
        return HomeAssistantSettings(url=url, token=SecretStr(token))
    except ValueError:
        raise NotHomeAssistant(f"{url} is not an address", hint="it begins with http:// or https://") from None


class _Asking(HomeAssistantConnector):
    """A connector that listens to nothing."""

    def __init__(self, settings: HomeAssistantSettings) -> None:
        super().__init__(settings, answer_seconds=_SECONDS)

    async def greet(self) -> None:
        """Wait for the words with which Home Assistant asks for a token."""
        url = self._settings.url
        socket = await self._connect(url)
        try:
            async with asyncio.timeout(_SECONDS):
                said = orjson.loads(await socket.recv())
        except (ConnectionClosed, TimeoutError):
            raise SourceUnreachable(f"{url} says nothing", hint="is Home Assistant still starting?") from None
        except ValueError:
            said = None
        finally:
            await socket.close()
        if not isinstance(said, dict) or said.get("type") != "auth_required":
            raise NotHomeAssistant(f"{url} is not Home Assistant", hint="something else answers there")

    async def home(self) -> Home:
        """Ask for the configuration, the states and the user."""
        async with self.asking():
            config, states = orjson.loads(await self.ask("get_config")), orjson.loads(await self.ask("get_states"))
            admin = True
            with suppress(CommandRefused):
                admin = bool(orjson.loads(await self.ask("auth/current_user")).get("is_admin", True))
        return Home(self._settings.url, config, states, admin)
