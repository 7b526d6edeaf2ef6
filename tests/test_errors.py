import inspect
import re

import pytest
from homeiq import errors
from homeiq.errors import HomeiqError, Kind, TargetBusy

CLASSES = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, HomeiqError)]


def drawn() -> list[tuple[str, str, str]]:
    """Return the tree of the module's own docstring: (class, its parent, what stands to the right)."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if re.match(r"^[│├└ ]*[├└]── ", line)]
    found = []
    parents = {-1: "HomeiqError"}
    for line in lines:
        branch, _, rest = line.partition("── ")
        depth = len(branch) // 4
        name, _, said = rest.partition(" ")
        parents[depth] = name
        found.append((name, parents[depth - 1], said.strip()))
    return found


def test_the_tree_is_as_it_is_drawn() -> None:
    assert {(one.__name__, one.__bases__[0].__name__) for one in CLASSES if one is not HomeiqError} == {
        (name, parent) for name, parent, _ in drawn()
    }


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, _, said in drawn() if said])
def test_kind_and_exit_code_are_as_they_are_drawn(name: str, said: str) -> None:
    one = getattr(errors, name)
    kind, _, code = re.split(r"  +", said)[-1].partition(", exit ")
    assert one.kind is Kind(kind)
    assert one.exit_code == int(code or 1)


def test_an_error_reads_as_one_sentence_with_its_hint() -> None:
    assert str(HomeiqError("the disk is full")) == "the disk is full"
    error = HomeiqError("the disk is full", hint="make room", place="/var/lib/homeiq")
    assert str(error) == "the disk is full: make room"
    assert (error.message, error.hint, error.place) == ("the disk is full", "make room", "/var/lib/homeiq")
    assert TargetBusy("busy", retry_after=3.0).retry_after == 3.0


def test_all_of_them_are_public() -> None:
    assert {one.__name__ for one in CLASSES} | {"Kind"} == set(errors.__all__)
