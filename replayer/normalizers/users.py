"""A user's own normalizers: the files of a folder, each with a class that it names in its constant NORMALIZER.

`solar.py` holds the normalizer `solar`. Files that begin with `_` are none. One that cannot be used is said in a sentence,
and everything else goes on; what it wrote before is left as it is.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from .base import Normalizer
from .checked import checked, require_class

__all__ = ["Found", "Unusable", "file_names", "load_file", "load_files", "sentence_of"]

_MODULE = "homeiq_user_normalizers"
_LONGEST = 200


class Unusable(Exception):
    """A normalizer that is not part of homeiq cannot be used; says why."""


@dataclass
class Found:
    """The classes of a folder by their names, and of the others why they can't be used.

    `unreadable` says what is wrong with the folder itself: which normalizers there are is not known then.
    """

    classes: dict[str, type[Normalizer]] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    unreadable: str = ""


def file_names(folder: Path | None) -> list[str]:
    """Return the names of the normalizers that have a file, without reading it. Raises OSError."""
    if folder is None:
        return []
    return sorted(path.stem for path in folder.iterdir() if path.suffix == ".py" and not path.name.startswith("_"))


def load_files(folder: Path | None, known: Mapping[str, Sequence[str]]) -> Found:
    """Load all files of a folder; `known` are the measurements of the normalizers that there are already."""
    found = Found()
    try:
        names = file_names(folder)
    except OSError as error:
        found.unreadable = (
            f"normalizers_dir {folder} cannot be read ({error.strerror}): none of its normalizers is used"
        )
        return found
    taken = dict(known)
    for name in names:
        assert folder is not None
        try:
            kind = load_file(folder / f"{name}.py", taken)
        except Unusable as error:
            found.unusable[name] = str(error)
            continue
        found.classes[name] = kind
        taken[name] = kind.measurements
    return found


def load_file(path: Path, known: Mapping[str, Sequence[str]]) -> type[Normalizer]:
    """Return the normalizer that a file holds. Raises Unusable."""
    try:
        source = path.read_bytes()
        module = ModuleType(f"{_MODULE}.{path.stem}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # dataclasses and pydantic look annotations up there
        exec(compile(source, str(path), "exec"), module.__dict__)
        kind = require_class(getattr(module, "NORMALIZER", None), path.stem, known)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Unusable(f"the normalizer {path.stem} cannot be used ({path}): {sentence_of(error, path)}") from error
    made = checked(kind)
    made.source = source.decode("utf-8", "replace")
    return made


def sentence_of(error: BaseException, path: Path | None = None) -> str:
    """Return what is wrong in one line, with the line of the file where it is known."""
    text = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return text
    where = ""
    if path is not None:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"line {line}: " if line else ""
    if isinstance(error, SyntaxError):
        text = error.msg
    return f"{where}{type(error).__name__}: {text}" if text else f"{where}{type(error).__name__}"
