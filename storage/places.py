"""Where a copy of the log lies: a folder, or a prefix of an object store. Imports pyarrow only for the latter.

Names are relative, with slashes, as in a data folder: `log/ID`, `log/date=2026-11-23/….parquet`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import BackupUnreachable, UsageError
from .files import Files

__all__ = ["Place", "FolderPlace", "ObjectPlace", "is_url", "place_of"]


class Place(ABC):
    """Holds whole files by name. A file is there whole or not at all. All methods raise BackupUnreachable."""

    shown: str
    """What people may read of where it is: never a key or a password."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Return the names of all files below `log/`, with their sizes in bytes."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises FileNotFoundError too."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Put a file there, in the place of one that was there; durable once it returns."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Take a file away; one that is gone already is fine."""

    @abstractmethod
    def settle(self) -> None:
        """Make durable what is there: whoever wrote it may have been killed before."""


class FolderPlace(Place):
    """A folder, of this machine or mounted."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self.folder = folder.expanduser().absolute()
        self.shown = str(self.folder)
        self._files = files or Files()

    def sizes(self) -> dict[str, int]:
        with _told(self.shown):
            paths = [*self.folder.glob("log/*"), *self.folder.glob("log/date=*/*")]
            return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in paths if path.is_file()}

    def read(self, name: str) -> bytes:
        with _told(self.shown):
            return (self.folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        with _told(self.shown):
            self._files.write_whole(self.folder / name, content)

    def remove(self, name: str) -> None:
        with _told(self.shown):
            self._files.remove(self.folder / name)

    def settle(self) -> None:
        with _told(self.shown):
            for folder in (*self.folder.glob("log/date=*"), self.folder / "log", self.folder):
                self._files.sync_folder(folder)


class ObjectPlace(Place):
    """A prefix of an object store, by pyarrow's file systems; credentials come from the environment, as usual there."""

    def __init__(self, url: str) -> None:
        """Raises UsageError for a URL that names no store."""
        import pyarrow as pa
        from pyarrow import fs

        parts = urlsplit(url)
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        try:
            self._system, path = fs.FileSystem.from_uri(url)
        except (pa.ArrowException, OSError, ValueError, NotImplementedError):  # its words repeat the URL, with its keys
            raise UsageError(
                f"{self.shown} names no place that can be reached",
                hint="give a folder, or s3://bucket/prefix?region=… with endpoint_override=host:port and scheme=http",
            ) from None
        self._path = path.rstrip("/")
        self._selector: Any = fs.FileSelector(f"{self._path}/log", allow_not_found=True, recursive=True)

    def sizes(self) -> dict[str, int]:
        with _told(self.shown):
            found = self._system.get_file_info(self._selector)
            return {info.path.removeprefix(self._path + "/"): info.size for info in found if info.is_file}

    def read(self, name: str) -> bytes:
        with _told(self.shown), self._system.open_input_stream(f"{self._path}/{name}") as stream:
            content: bytes = stream.read()
            return content

    def write(self, name: str, content: bytes) -> None:
        with _told(self.shown), self._system.open_output_stream(f"{self._path}/{name}") as stream:
            stream.write(content)

    def remove(self, name: str) -> None:
        with _told(self.shown), suppress(FileNotFoundError):
            self._system.delete_file(f"{self._path}/{name}")

    def settle(self) -> None:
        """Nothing is to be done: what a store has taken is durable."""


def is_url(text: str) -> bool:
    """Tell whether this names an object store, not a folder."""
    return "://" in text


def place_of(text: str) -> Place:
    """Return the place that a person named. Raises UsageError."""
    return ObjectPlace(text) if is_url(text) else FolderPlace(Path(text))


@contextmanager
def _told(shown: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BackupUnreachable(
            f"{shown} cannot be used: {_reason(error)}",
            hint="is it there, and may this user (or these keys) read and write it?",
            place=shown,
        ) from None


def _reason(error: OSError) -> str:
    """Return the store's own words, short."""
    text = error.strerror or str(error)
    for words in ("AWS Error ", "Message: "):
        text = text.partition(words)[2] or text
    return text.strip()[:200]
