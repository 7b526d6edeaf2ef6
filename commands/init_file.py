"""homeiq.yaml as `homeiq init` writes it: what was found out, with comments, and as comments what may be wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from .init_proposal import Proposal

__all__ = ["Answers", "config_text"]

_WIDTH: Final = 10_000


class _Dumper(yaml.SafeDumper):
    """Writes lists in one line."""


_Dumper.add_representer(list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, True))


@dataclass(frozen=True)
class Answers:
    """What goes into the file.

    Attributes:
        home: what Home Assistant says of itself, in a line.
        url: its address.
        token_file: the file with its token.
        influxdb: keys of the section; none: the embedded target.
        influxdb_is: what it is, in a line.
        wanted: the sections that are to hold.
        offered: those that are written as comments.
        data_dir: where the log is to be, None: where it is by default, which is `default_data_dir`.
    """

    home: str
    url: str
    token_file: Path
    default_data_dir: Path
    influxdb: Mapping[str, Any] = field(default_factory=dict)
    influxdb_is: str = ""
    wanted: Sequence[Proposal] = ()
    offered: Sequence[Proposal] = ()
    data_dir: Path | None = None


def config_text(answers: Answers) -> str:
    """Return the whole file."""
    parts = [_head(), _data_dir(answers)]
    parts.append(
        _comment(answers.home) + _section("home_assistant", {"url": answers.url, "token_file": str(answers.token_file)})
    )
    if answers.influxdb:
        parts.append(_comment(f"Points go to {answers.influxdb_is}.") + _section("influxdb", answers.influxdb))
    else:
        parts.append(
            _comment("Points go into Parquet files beside the log, which `homeiq sql` reads. For an InfluxDB:")
            + _commented(
                _section(
                    "influxdb",
                    {
                        "url": "http://localhost:8086",
                        "token_file": "/path/to/a/file",
                        "org": "homeiq",
                        "bucket": "home_assistant_events",
                    },
                )
            )
        )
    parts += [_proposal(proposal) for proposal in answers.wanted]
    parts += [_offer(proposal) for proposal in answers.offered]
    return "\n".join(parts)


def _head() -> str:
    return (
        "# yaml-language-server: $schema=./homeiq.schema.json\n"
        "# Settings of homeiq, written by `homeiq init`. All that can be set is in the README, and in the schema beside\n"
        "# this file (`homeiq init --schema` prints it). Variables of the environment win over this file.\n"
    )


def _data_dir(answers: Answers) -> str:
    what = _comment("The log, and all that is computed from it.")
    if answers.data_dir is not None:
        return what + _dump({"data_dir": str(answers.data_dir)})
    return what + _commented(_dump({"data_dir": str(answers.default_data_dir)}))


def _proposal(proposal: Proposal) -> str:
    tells = f" It asks {proposal.tells}." if proposal.tells else ""
    return _comment(proposal.why + tells) + _section(proposal.section, proposal.content)


def _offer(proposal: Proposal) -> str:
    fill = f" Fill in {proposal.incomplete}." if proposal.incomplete else ""
    whom = f" It asks {proposal.tells}; nobody is asked as long as this is a comment." if proposal.tells else ""
    return _comment(proposal.why + whom + fill) + _commented(_section(proposal.section, proposal.content))


def _section(name: str, content: Mapping[str, Any]) -> str:
    return _dump({name: dict(content)})


def _dump(content: Mapping[str, Any]) -> str:
    text: str = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )
    return text


def _comment(sentence: str) -> str:
    """Return a sentence as comment lines of at most 118 characters. What others say of themselves stays in the comment."""
    lines = [""]
    printable = "".join(letter if letter.isprintable() else " " for letter in sentence)
    for word in printable.split():
        if len(lines[-1]) + len(word) > 115:
            lines.append("")
        lines[-1] += f" {word}"
    return "".join(f"#{line}\n" for line in lines)


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in _lines(text))


def _lines(text: str) -> Iterable[str]:
    return text.rstrip("\n").split("\n")
