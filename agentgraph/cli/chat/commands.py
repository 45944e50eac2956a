"""What a line means: a message, or one of the commands. One table is parsed by, completed from, and shown as help."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple


class Explained(NamedTuple):
    """A command as the help shows it. Commands that take something take the name of a file."""

    says: str
    takes: str = ""


COMMANDS: Mapping[str, Explained] = {
    "/help": Explained("this list"),
    "/context": Explained("who holds the conversation, what is known and used"),
    "/graph": Explained("the agents, their tools and handoffs"),
    "/undo": Explained("back to before the last turn; as often as you like"),
    "/resume": Explained("take up a turn that was stopped, where it was left"),
    "/save": Explained("keep the conversation in FILE", "FILE"),
    "/load": Explained("go on with the conversation in FILE", "FILE"),
    "/new": Explained("start a new conversation"),
    "/quit": Explained("leave; so does ctrl-D"),
}


class Say(NamedTuple):
    """A message to whoever holds the conversation."""

    text: str


class Do(NamedTuple):
    """A command, with the file it takes, if it takes one."""

    name: str
    file: str = ""


class Unclear(NamedTuple):
    """Something that looks like a command and is none, and why."""

    why: str


def parse(line: str) -> Say | Do | Unclear | None:
    """What `line` means; nothing, when it is blank. "//" at its start is a message that starts with "/".

    >>> parse("/save  my talk.json"), parse("//save")
    (Do(name='/save', file='my talk.json'), Say(text='/save'))
    """
    line = line.strip()
    if not line:
        return None
    if line.startswith("//"):
        return Say(line[1:])
    if not line.startswith("/"):
        return Say(line)
    name, _, rest = line.partition(" ")
    name, rest = name.lower(), rest.strip()
    if name not in COMMANDS:
        return Unclear(_unknown(name))
    takes = COMMANDS[name].takes
    if takes and not rest:
        return Unclear(f"{name} needs the name of a file, such as {name} talk.json")
    if rest and not takes:
        return Unclear(f"{name} takes nothing after it; a message that starts with a slash is written with two: /{line:.40}")
    return Do(name, rest)


def _unknown(name: str) -> str:
    near = get_close_matches(name, COMMANDS, 1, 0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"there is no {name:.40}; {meant}there are {', '.join(COMMANDS)}. A message that starts with a slash is written with two"


def help_text() -> str:
    """The commands, one a line."""
    called = {name: f"{name} {it.takes}".rstrip() for name, it in COMMANDS.items()}
    widest = max(map(len, called.values()))
    listed = "\n".join(f"{called[name]:{widest}}  {it.says}" for name, it in COMMANDS.items())
    return f"{listed}\n{'//...':{widest}}  a message that starts with one slash\nctrl-C stops an answer, and keeps the conversation."
