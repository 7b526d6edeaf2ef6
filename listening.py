"""The section `http` of the settings: where the recorder listens, and to whom it answers."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

__all__ = ["HttpSettings"]


def _names(value: Any) -> Any:
    """Read a list of names that stands in one text, separated by commas, as a variable has it."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class HttpSettings(BaseModel):
    """Where the recorder takes events by POST, and says how it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="false: it does not listen at all")
    host: str = Field(default="127.0.0.1", description="address to listen on; any but this machine's own needs a token")
    port: int = Field(default=8002, ge=0, le=65_535, description="port to listen on; 0 takes a free one")
    token: SecretStr = Field(default=SecretStr(""), description="what callers must send as Authorization: Bearer")
    allowed_hosts: Names = Field(default=(), description="names by which it may be addressed, besides its own")
    max_body_bytes: int = Field(default=4_000_000, ge=1_000, description="a body may be so large, also uncompressed")

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def wrong(self) -> str:
        """Return one sentence on what must not be, and what to do, or an empty text."""
        if not self.enabled or self.loopback or self.token.get_secret_value():
            return ""
        return (
            f"http.host {self.host or '(empty)'} can be reached from other machines:"
            " set http.token, or HOMEIQ_HTTP__TOKEN, or http.host 127.0.0.1"
        )
