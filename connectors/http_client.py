"""One HTTP request: a time limit, the body as received, few redirects, and none with secrets to another host.

aiohttp is loaded with the first request: a recorder without utilities never needs it.
"""

from __future__ import annotations

import importlib.metadata
import os
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ..clock import Clock
from ..errors import SourceError, SourceRefused, SourceUnreachable
from .exchange import LARGEST_BODY, Answer, Request, Secrets

if TYPE_CHECKING:
    import aiohttp
    import yarl

__all__ = ["HttpClient"]

_REDIRECTS: Final = 3
_FOLLOWED: Final = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)
_CONNECT_SECONDS: Final = 10.0


_ADDRESS = "check url in its section of the settings"


class HttpClient:
    """Sends requests for all pollers of a recorder. To be closed in the loop in which it was used."""

    def __init__(self, clock: Clock, *, largest_body: int = LARGEST_BODY) -> None:
        self._clock = clock
        self._largest_body = largest_body
        self._session: aiohttp.ClientSession | None = None
        self._digests: dict[tuple[str, str, str], Any] = {}

    async def send(self, request: Request) -> Answer:
        """Return the answer, whatever its status; raises SourceUnreachable where none came, SourceRefused for a bad URL.

        No message holds more of a URL than its host: a query may hold a key.
        """
        import aiohttp
        import yarl

        sent_at = self._clock.now()
        try:
            url = yarl.URL(request.url)
            who = url.host or "the address"
            params = {**request.params, **request.secrets.params}
            url = url.update_query(params) if params else url
        except ValueError:
            raise SourceRefused("the address is not a URL", hint=_ADDRESS) from None
        if url.raw_user or url.raw_password or not url.host or url.scheme not in ("http", "https"):
            raise SourceRefused(
                "the address must be http://… or https://…, without a name or password in it", hint=_ADDRESS
            )
        try:
            async with await self._follow(url, request) as response:
                body, broken = await _read(response, self._largest_body + 1)
        except TimeoutError:
            raise SourceUnreachable(
                f"{who} does not answer within {request.timeout:g} s", place=who, gap_reason="no_answer"
            ) from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise _no_answer(error, who) from None
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body[: self._largest_body],
            sent_at=sent_at,
            received_at=self._clock.now(),
            truncated=bool(broken) or len(body) > self._largest_body,
            broken=broken,
        )

    async def close(self) -> None:
        """Close all connections; the next request would open new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _follow(self, url: yarl.URL, request: Request) -> aiohttp.ClientResponse:
        """Ask, and ask where a redirect points to; the last answer is returned, a redirect not followed among them."""
        for _ in range(_REDIRECTS):
            response = await self._ask(url, request)
            target = _target_of(response, request)
            if target is None:
                return response
            response.release()
            url = target
        return await self._ask(url, request)

    async def _ask(self, url: yarl.URL, request: Request) -> aiohttp.ClientResponse:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": f"homeiq/{importlib.metadata.version('homeiq')}"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        timeout = aiohttp.ClientTimeout(total=request.timeout, sock_connect=min(_CONNECT_SECONDS, request.timeout))
        return await self._session.request(
            request.method,
            url,
            json=request.body,
            headers=request.secrets.headers,
            allow_redirects=False,
            timeout=timeout,
            middlewares=self._middlewares(url, request.secrets),
        )

    def _middlewares(self, url: yarl.URL, secrets: Secrets) -> tuple[Any, ...]:
        """Return what answers a challenge; it is kept for each host, so that only the first request is sent twice."""
        if secrets.digest is None:
            return ()
        import aiohttp

        key = (str(url.origin()), *secrets.digest)
        if key not in self._digests:
            self._digests[key] = aiohttp.DigestAuthMiddleware(*secrets.digest)
        return (self._digests[key],)


def _target_of(response: aiohttp.ClientResponse, request: Request) -> yarl.URL | None:
    """Return where a redirect leads to, where it may be followed: never from https to http, nor with secrets elsewhere."""
    import yarl

    location = response.headers.get("location", "")
    if response.status not in _FOLLOWED or request.method != "GET" or not location:
        return None
    try:
        target = response.url.join(yarl.URL(location))
    except ValueError:
        return None
    if target.scheme not in ("http", "https") or (response.url.scheme, target.scheme) == ("https", "http"):
        return None
    if target.host != response.url.host or target.port != response.url.port:
        upgraded = (target.host, response.url.scheme, target.scheme) == (response.url.host, "http", "https")
        return target if upgraded or not request.secrets else None
    return target


async def _read(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, str]:
    """Return the body up to `most` bytes, and why it ended too soon, if it did."""
    import aiohttp

    parts, size = [], 0
    try:
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size >= most:
                response.close()  # the rest of it is not wanted, so that this connection can't be used again
                break
    except TimeoutError:
        return b"".join(parts), "stopped within its answer"
    except (aiohttp.ClientError, OSError):
        return b"".join(parts), "broke its answer off"
    return b"".join(parts), ""


def _no_answer(error: Exception, who: str) -> SourceError:
    """Return the one sentence for an error of the network; never with the error's own text, which may hold the URL."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return SourceUnreachable(f"{who} has no valid certificate", place=who)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return SourceUnreachable(f"{who} cannot be found", hint="no such name, or no network", place=who)
    if isinstance(error, aiohttp.InvalidURL):
        return SourceRefused(f"the address of {who} is not a URL", hint=_ADDRESS, place=who)
    if isinstance(error, OSError) and _cause(error).errno:
        why = "connection_refused" if isinstance(_cause(error), ConnectionRefusedError) else "unreachable"
        reason = os.strerror(_cause(error).errno or 0).lower()  # asyncio's own words name the port as a tuple
        return SourceUnreachable(f"{who} cannot be reached ({reason})", place=who, gap_reason=why)
    if isinstance(error, ValueError):  # what aiohttp says of a header with a line break in it
        return SourceRefused(f"the request to {who} cannot be sent", hint="is there a line break in a key?", place=who)
    said = f"{who} ends the connection without an answer"
    return SourceUnreachable(said, place=who, gap_reason="connection_lost")


def _cause(error: OSError) -> OSError:
    cause = getattr(error, "os_error", error)
    return cause if isinstance(cause, OSError) else error
