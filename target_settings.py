"""The sections `influxdb` and `targets` of the settings: where points go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

__all__ = ["HttpUrl", "InfluxDBSettings", "TargetSettings"]


def _http_url(value: str) -> str:
    """Accept http and https (and ws, wss as people write them for Home Assistant), without a slash at the end."""
    url = value.strip().rstrip("/")
    for websocket, http in (("ws://", "http://"), ("wss://", "https://")):
        if url.startswith(websocket):
            url = http + url.removeprefix(websocket)
    url = url.removesuffix("/api/websocket")
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        urlsplit(url)
    except ValueError as error:
        raise ValueError(f"is not an address ({error})") from None
    return url


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class InfluxDBSettings(BaseModel):
    """The InfluxDB that is written to; without a `url`, the embedded target is used instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl = Field(default="", description="its address, such as http://localhost:8086")
    token: SecretStr = Field(
        default=SecretStr(""), description="a token that may read, write and delete in the bucket; on 1.8 user:password"
    )
    org: str = Field(default="homeiq", description="its organisation; on 1.8 of no matter")
    bucket: str = Field(default="home_assistant_events", description="the bucket; on 1.8 the database")
    gzip: bool | None = Field(default=None, description="compress requests; by default wherever it is not this machine")
    batch_lines: int = Field(default=5_000, ge=1, description="lines in one request at most")
    batch_bytes: int = Field(
        default=4_000_000, ge=1_000, description="bytes in one request at most, before compression"
    )
    concurrency: int = Field(default=1, ge=1, le=16, description="requests under way at once while a day is replayed")
    timeout: float = Field(default=30.0, gt=0, description="seconds to wait for an answer")


class TargetSettings(InfluxDBSettings):
    """One of several targets: an InfluxDB, the embedded target, or a file of line protocol that is written on and on."""

    kind: Literal["influxdb", "embedded", "line_protocol"] = Field(
        default="influxdb", description="an InfluxDB, Parquet files in the data folder, or a file of line protocol"
    )
    path: Path | None = Field(default=None, description="the file of a line_protocol target")

    @model_validator(mode="before")
    @classmethod
    def _token_from_file(cls, value: Any) -> Any:
        if isinstance(value, dict) and "token_file" in value:
            value = dict(value)
            try:
                value["token"] = Path(str(value.pop("token_file"))).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(
                    f"token_file cannot be read ({getattr(error, 'strerror', None) or 'not text'})"
                ) from None
        return value

    @model_validator(mode="after")
    def _whole(self) -> TargetSettings:
        if self.kind == "influxdb" and not self.url:
            raise ValueError("needs a url")
        if (self.kind == "line_protocol") != (self.path is not None):
            raise ValueError("needs a path" if self.path is None else "takes a path only with kind: line_protocol")
        return self
