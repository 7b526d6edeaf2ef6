"""The text of a state, read no further than a point needs. Pure.

Of the old state only its text and its time are read, and the attributes stay the bytes that they are: most are those of
the entity's state before. Measured: half the time that reading everything takes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...storage.record import Record

__all__ = ["Context", "NewState", "OldState", "Change", "read_change"]


class Context(msgspec.Struct):
    """Who or what caused a state."""

    id: Any = None
    parent_id: Any = None
    user_id: Any = None


class OldState(msgspec.Struct):
    """What is asked for of the state before."""

    state: Any = None
    last_changed: Any = None


class NewState(msgspec.Struct):
    """A state; `attributes` is the text of its attributes, empty without any."""

    state: Any = None
    attributes: msgspec.Raw = msgspec.Raw(b"")
    context: Context | None = None


class Change(msgspec.Struct):
    """A state, and the one before it."""

    new_state: NewState
    old_state: OldState | None = None


class _Event(msgspec.Struct):
    data: Change


_read_event = msgspec.json.Decoder(_Event).decode
_read_state = msgspec.json.Decoder(NewState).decode


def read_change(record: Record) -> Change | None:
    """Return what a record says if it has the form that all but odd ones have; None where it must be read in full.

    A removal, a state that is no text, and what is not JSON by the letter must be.
    """
    try:
        change = Change(_read_state(record.raw)) if record.event_type == "state" else _read_event(record.raw).data
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return change if type(change.new_state.state) is str else None
