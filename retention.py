"""How long the log keeps what, as settings: by age, by event type, by size. Off by default. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from .clock import DAY

__all__ = ["RetentionSettings"]

_FOR_EVER: Final = (None, False, "", "forever", "for ever", "off")
_DAYS: Final = {"d": 1, "w": 7, "y": 365}
_BYTES: Final = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


def _age(value: Any) -> int | None:
    """Return an age (30d, 8w, 2y) in microseconds; None for ever."""
    if value in _FOR_EVER:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= DAY:
        return value  # read already
    match = re.fullmatch(r"(\d{1,5}) ?([dwy])", value.strip()) if isinstance(value, str) else None
    if not match or not int(match[1]):
        raise ValueError("must be a number of days, weeks or years, such as 30d, 8w or 2y, or forever")
    return int(match[1]) * _DAYS[match[2]] * DAY


def _size(value: Any) -> int | None:
    """Return a size (500MB, 20GB) in bytes; None where there is no limit."""
    if value in _FOR_EVER:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10**6:
        return value
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?([MGT]B)", value.strip()) if isinstance(value, str) else None
    if not match or not float(match[1]):
        raise ValueError("must be a size such as 500MB or 20GB")
    return int(float(match[1]) * _BYTES[match[2]])


Age = Annotated[int | None, BeforeValidator(_age, json_schema_input_type=str | Literal[False] | None)]
Size = Annotated[int | None, BeforeValidator(_size, json_schema_input_type=str | Literal[False] | None)]


class RetentionSettings(BaseModel):
    """What expires from the log; by default nothing ever does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    age: Age = Field(default=None, description="records older than this, such as 400d, expire; by default never")
    event_types: dict[str, Age] = Field(
        default={},
        description="the same for one event type, or forever; wins over age",
        json_schema_extra={"type": ["object", "null"]},
    )
    total_size: Size = Field(default=None, description="beyond this size, such as 20GB, the oldest days expire")

    @field_validator("event_types", mode="before")
    @classmethod
    def _is_a_map(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError("must hold event types and their ages, such as call_service: 30d")
        return value
