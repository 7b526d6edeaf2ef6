"""The digest of a segment's bytes, and the version that its footer names: without pyarrow, as the recorder needs them."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from .record import FORMAT_VERSION

__all__ = ["NO_DIGEST", "digest_of", "format_of"]

NO_DIGEST: Final = b"0" * 64

_VERSION: Final = re.compile(rb"homeiq\.format\x18[\x01-\x09](\d+)")
_SAID: Final = re.compile(rb"homeiq\.digest\x18\x40([0-9a-f]{64})")
"""Keys and their values as Parquet's footer (Thrift's compact protocol) has them."""


def digest_of(content: bytes | bytearray, said: bytes) -> bytes:
    """Return the digest of a file's bytes, `NO_DIGEST` being in the place of what they say; b"" if they don't say it."""
    place = content.rfind(said) if said else -1
    if place < 0:
        return b""
    view = memoryview(content)
    digest = hashlib.sha256(view[:place])
    digest.update(NO_DIGEST)
    digest.update(view[place + len(said) :])
    return digest.hexdigest().encode()


def format_of(content: bytes) -> int:
    """Return the format that a segment's bytes name; 0 if they name none.

    A segment of our own version of which a bit has flipped just there is not newer, but damaged: it has our version.
    """
    found = list(_VERSION.finditer(content))
    if not found:
        return 0
    version, (start, end) = int(found[-1].group(1)), found[-1].span(1)
    said = _SAID.findall(content)
    if version > FORMAT_VERSION and end - start == 1 and said:
        ours = content[:start] + str(FORMAT_VERSION).encode() + content[end:]
        if digest_of(ours, said[-1]) == said[-1]:
            return FORMAT_VERSION
    return version
