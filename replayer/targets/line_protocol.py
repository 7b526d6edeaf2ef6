"""Line protocol into a file: what `replay --output` writes, the same byte for byte; or one that goes on for ever."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ...errors import TargetRefused, TargetUnreachable
from ..point import Point, line
from .base import StreamTarget

__all__ = ["AppendedLinesTarget", "LineProtocolTarget"]


class LineProtocolTarget(StreamTarget):
    """Writes all wanted points anew; a file appears under its name when it is complete."""

    takes_lines = True
    one_at_a_time = True

    def __init__(self, output: str) -> None:
        """`output` is a path, or `-` for stdout."""
        self.name = self.title = f"line protocol to {output}"
        self._path = None if output == "-" else Path(output)
        self._file: BinaryIO | None = None

    def connect(self, position: int) -> None:
        """Open the output; raises TargetRefused."""
        del position
        try:
            self._file = sys.stdout.buffer if self._path is None else self._beside(self._path).open("wb")
        except OSError as error:
            raise TargetRefused(f"{self._path} cannot be written ({error.strerror})", hint="check --output") from None

    def write(self, points: Sequence[Point]) -> None:
        """Write one line for each point."""
        if self._file is None:
            raise TargetRefused(f"{self.title} is not open")
        try:
            self._file.write("".join([f"{line(point)}\n" for point in points]).encode("utf-8", "replace"))
        except BrokenPipeError:
            raise
        except OSError as error:
            place = self._path or "stdout"
            raise TargetRefused(
                f"{place} cannot be written ({error.strerror})", hint="make room, or check --output"
            ) from None

    def close(self) -> None:
        """Let the file appear under its name; stdout is flushed."""
        file, self._file = self._file, None
        if file is None:
            return
        file.flush()
        if self._path is not None:
            os.fsync(file.fileno())
            file.close()
            self._beside(self._path).replace(self._path)

    def abandon(self) -> None:
        """Leave nothing behind of a replay that did not end."""
        file, self._file = self._file, None
        if file is not None and self._path is not None:
            file.close()
            self._beside(self._path).unlink(missing_ok=True)

    @staticmethod
    def _beside(path: Path) -> Path:
        return path.with_name(f"{path.name}.{os.getpid()}.tmp")


class AppendedLinesTarget(StreamTarget):
    """Adds lines to a file, for whoever reads on: a replay adds its points again, and whoever reads them takes the last."""

    takes_lines = True
    one_at_a_time = True

    def __init__(self, path: Path) -> None:
        self.name = f"line_protocol {path.absolute()}"
        self.title = f"the line protocol file {path}"
        self._path = path
        self._file: BinaryIO | None = None

    def connect(self, position: int) -> None:
        """Open the file; raises TargetUnreachable."""
        del position
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            except OSError as error:
                raise self._unreachable(error) from None

    def write(self, points: Sequence[Point]) -> None:
        """Add lines, durably; a line that could not be written whole is taken back. Raises TargetUnreachable."""
        file = self._file
        if file is None:
            raise TargetUnreachable(f"{self.title} is not open")
        content = "".join([f"{line(point)}\n" for point in points]).encode("utf-8", "replace")
        end = os.fstat(file.fileno()).st_size
        try:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(end)
            raise self._unreachable(error) from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _unreachable(self, error: OSError) -> TargetUnreachable:
        return TargetUnreachable(
            f"{self.title} cannot be written ({error.strerror or error})",
            hint="make room or give write permission there",
            place=str(self._path),
        )
