"""How a page is read: what is a command, what it prints, what a comment says of it, and when two outputs are alike."""

from pathlib import Path

import pytest

from documentation.blocks import blocks_of
from documentation.reader import Reader, alike, is_an_installation

PAGE = """\
# A page

```console
$ echo one   # said
one
$ printf 'a\\nb' \\
    | sort
a
…
```

<!-- not run: for a reason -->
```sh
rm -rf /
```

<!-- file: x.yaml -->
```yaml
a: 1
```

<!-- exit 3 -->

```sh
# a remark
export A=1
exit 3
```

```python
print("no shell")
```

    homeiq "SELECT 1
            FROM x"
    make test

Then

    homeiq: an output
"""


def test_blocks_of_a_page() -> None:
    console, marked, file, ended, indented = blocks_of(PAGE)
    assert [(one.text, one.shown) for one in console.commands] == [
        ("echo one   # said", ["one"]),
        ("printf 'a\\nb' \\\n    | sort", ["a", "…"]),
    ]
    assert (marked.not_run, [one.text for one in marked.commands]) == ("for a reason", ["rm -rf /"])
    assert (file.file, file.content) == ("x.yaml", "a: 1\n")
    assert (ended.exit_code, [one.text for one in ended.commands]) == (3, ["export A=1", "exit 3"])
    assert [one.text for one in indented.commands] == ['homeiq "SELECT 1\n        FROM x"', "make test"]
    assert PAGE.split("\n")[console.commands[0].last] == "one"


@pytest.mark.parametrize(
    ("shown", "seen", "same"),
    [
        (["12 points in 3.1 s (4 events/s)"], ["12 points in 0.9 s (4,000 events/s)"], True),
        (["12 points in 3.1 s"], ["13 points in 3.1 s"], False),
        (["2026-11-24 02:44:18 connected"], ["2027-01-01 00:00:00 connected"], True),
        (["lasts │ 21 h 25 min │ no"], ["lasts │ 3 d 2 h │ no"], True),
        (["a", "…", "z"], ["a", "b", "c", "z"], True),
        (["a", "…", "z"], ["a", "b", "c"], False),
        (["a", "…"], ["a"], True),
        (["a"], ["a", "b"], False),
        (["a", "b"], ["a"], False),
        ([" x ┃   n", "━━━╇━━━━"], ["   x ┃ n", "━━╇━"], True),
    ],
)
def test_what_is_alike(shown: list[str], seen: list[str], same: bool) -> None:
    assert alike(shown, seen) is same


def test_a_reader_finds_what_is_wrong(tmp_path: Path) -> None:
    page = """\
```console
$ echo "$PLACE at HOUSE"
here at HOUSE
$ cd below && pwd
/home/me/below
$ pwd
/home/me/elsewhere
$ false
```
"""
    with Reader(tmp_path, {"HOUSE": "/somewhere"}, {"PLACE": "here"}) as reader:
        (reader.home / "below").mkdir()
        (block,) = blocks_of(page)
        results = reader.read(block)
    assert [(lines, wrong) for _, lines, wrong in results] == [
        (["here at HOUSE"], ""),
        (["/home/me/below"], ""),
        (["/home/me/below"], "prints something else"),
        ([], "ends with 1, not 0"),
    ]


def test_what_is_not_done_by_a_test() -> None:
    for command in (
        "make test",
        "pipx install .",
        "uv tool install homeiq",
        "python3 -m venv x",
        "git clone y && cd y",
    ):
        assert is_an_installation(command)
    assert is_an_installation("~/homeiq/bin/homeiq init   # asks")
    assert not is_an_installation("homeiq init --url http://h")
    assert not is_an_installation("make demo")
    assert not is_an_installation("homeiq run")
