"""The shell blocks of a page: what a reader would copy, and what it says to show.

A block is fenced as `console` or `sh`. Where its first line begins with `$ `, such lines are commands, and what follows
each is what it prints; else every line is a command. README, which is also read as text, has them indented: a block whose
first line is a prompt, or begins with one of `PROGRAMS`. A comment before a block, which no reader sees, says more of it:

    <!-- not run: why -->       it is not run, for that reason
    <!-- exit 1 -->             its last command ends with that exit code
    <!-- file: homeiq.yaml -->  not a shell block: its content is written into this file before what follows is run

What is printed is compared where the page shows it; `…` alone on a line stands for any lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["PROGRAMS", "Block", "Command", "blocks_of"]

PROGRAMS = (
    "homeiq",
    "make",
    "python3",
    "pip",
    "pipx",
    "uv",
    "git",
    "export",
    "curl",
    "sudo",
    "systemctl",
    "docker",
    "cd",
)

_FENCE = re.compile(r"^```(\w*)[^\n]*$")
_COMMENT = re.compile(r"^<!-- (not run|exit|file):? (.*?) -->$")
_COMMAND = re.compile(rf"^(\$ |(?:~/\S*/)?({'|'.join(PROGRAMS)})(?= |$))")


@dataclass
class Command:
    """A command, with its lines in the page (from 0, the end not included) and what the page says it prints."""

    text: str
    first: int
    last: int
    shown: list[str] | None = None


@dataclass
class Block:
    """A block of a page: commands, or the content of a file."""

    line: int
    indent: str = ""
    commands: list[Command] = field(default_factory=list)
    not_run: str = ""
    exit_code: int = 0
    file: str = ""
    content: str = ""


def blocks_of(text: str) -> list[Block]:
    """Return the shell blocks of a page, and the files that it has written, in order."""
    lines = text.split("\n")
    found: list[Block] = []
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence:
            end = next(at for at in range(number + 1, len(lines)) if lines[at] == "```")
            block = _marked(lines, number)
            body = lines[number + 1 : end]
            if block.file:
                block.content = "\n".join(body) + "\n"
                found.append(block)
            elif fence[1] in ("sh", "console"):
                block.commands = _commands(body, number + 1, prompts=bool(body) and body[0].startswith("$ "))
                found.append(block)
            number = end + 1
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            body = [line[4:] for line in lines[number:end]]
            while body and not body[-1]:
                body.pop()
            if _COMMAND.match(body[0]):
                block = _marked(lines, number)
                block.indent = "    "
                block.commands = _commands(body, number, prompts=body[0].startswith("$ "))
                found.append(block)
            number = end
        else:
            number += 1
    return found


def _marked(lines: list[str], number: int) -> Block:
    """Return the block that begins on a line, with what the comments before it say."""
    block = Block(number)
    above = number - 1
    while above >= 0 and (comment := _COMMENT.match(lines[above]) if lines[above] else True):
        if comment is not True:
            match comment[1]:
                case "not run":
                    block.not_run = comment[2]
                case "exit":
                    block.exit_code = int(comment[2])
                case "file":
                    block.file = comment[2]
        elif above < number - 1:
            break
        above -= 1
    return block


def _commands(body: list[str], first: int, *, prompts: bool) -> list[Command]:
    found: list[Command] = []
    number = 0
    while number < len(body):
        line = body[number]
        if prompts and not line.startswith("$ "):
            last = found[-1]
            last.shown = [*(last.shown or []), line]
            number += 1
            continue
        if not line.strip() or (not prompts and line.startswith("#")):
            number += 1
            continue
        end = number + 1
        text = line.removeprefix("$ ") if prompts else line
        while not _whole(text) and end < len(body):
            text += "\n" + body[end]
            end += 1
        found.append(Command(text, first + number, first + end))
        number = end
    return found


def _whole(text: str) -> bool:
    """Tell whether a command ends here: no quote is open, and no backslash says that it goes on."""
    quote = ""
    letters = iter(text)
    for letter in letters:
        if letter == "\\" and quote != "'":
            if next(letters, None) is None:
                return False
        elif letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote = letter
        elif not quote and letter == "#":
            break
    return not quote
