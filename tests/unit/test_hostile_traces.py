"""Traces that were cut off, damaged or made up: one line that says where and why, and nothing else, whatever is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentgraph import Agent, AgentGraph, AgentRunner, ContextError, RunConfig, ScriptedModel, ToolContext, Trace, call, handoff, tool
from agentgraph.conversation.stored import Form
from agentgraph.engine.replaying import replay_against
from agentgraph.engine.trace_json import Header, lines_of, read_lines


@tool
def look_up(account: str, ctx: ToolContext) -> dict[str, Any]:
    """Look something up."""
    ctx.update(account=account)
    return {"account": account, "open": [1, 2.5, None, "\ud800 \x00"]}


def desk() -> AgentGraph:
    """A tool, an agent as a tool and a handoff."""
    inner = Agent("Inner")
    graph = AgentGraph("desk")
    graph.add_agent(Agent("Triage", tools=[look_up, inner.as_tool(name="ask")])).add_agent(Agent("Billing"))
    graph.add_handoff("Triage", "Billing")
    return graph


def recorded() -> Trace:
    """A run with all of them."""
    script = {
        "Triage": [[call("look_up", account="A1"), call("ask", input="x")], handoff("Billing")],
        "Billing": ["done"],
        "Inner": ["inside"],
    }
    return AgentRunner(desk(), RunConfig(model=ScriptedModel(script))).run("hello").trace


TRACE = recorded()
MACHINE = desk().compile()
LINES = [line.encode("ascii") for line in lines_of(TRACE, Header("desk", "f", "desk.py:graph"))]
FILE = b"\n".join(LINES) + b"\n"


def refusal(content: bytes, *, partial: bool = False) -> str | None:
    """The one line that refuses `content`, or None when it is read; any other exception fails the test."""
    try:
        read_lines(content.splitlines(), partial=partial)
    except ContextError as wrong:
        said = str(wrong)
    else:
        return None
    assert len(said.splitlines()) == 1
    assert said.startswith("line ")
    return said


def test_a_trace_cut_off_at_any_byte_is_refused_and_read_in_part() -> None:
    for length in range(len(FILE) - 1):
        assert refusal(FILE[:length]) is not None, length

    for length in range(len(LINES[0]) + 1, len(FILE), 37):
        part = read_lines(FILE[:length].splitlines(), partial=True).trace

        assert part.start == TRACE.start
        assert list(part) == list(TRACE)[: len(part)]
    assert refusal(FILE) is None
    assert refusal(FILE[:-1]) is None


def test_part_of_a_trace_is_no_licence_for_damage_in_the_middle() -> None:
    damaged = b"\n".join([*LINES[:2], LINES[2][:-5], *LINES[3:]])

    assert "line 3" in (refusal(damaged, partial=True) or "")


@pytest.mark.parametrize("missing", range(1, len(LINES)))
def test_a_line_that_is_missing_is_noticed(missing: int) -> None:
    assert refusal(b"\n".join(LINES[:missing] + LINES[missing + 1 :])) is not None


def with_line(at: int, line: bytes) -> bytes:
    return b"\n".join([*LINES[:at], line, *LINES[at + 1 :]])


def edited(at: int, **changes: Any) -> bytes:
    return with_line(at, json.dumps({**json.loads(LINES[at]), **changes}).encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: nothing is there"),
        (b"\n", "line 1: "),
        (b"{}", 'a first line with "agentgraph_trace"'),
        (b"[]", "an object is expected, not list"),
        (b"\x00\x01\x02", "line 1: "),
        (b"\xff\xfe{}", "line 1: "),
        (b"\xef\xbb\xbf" + FILE, "line 1: "),
        (edited(0, agentgraph_trace=3), "this trace has version 3; this library reads 2"),
        (edited(0, agentgraph_trace=0), "version 0"),
        (edited(0, agentgraph_trace=True), "version True"),
        (edited(0, agentgraph_trace="1"), "version '1'"),
        (edited(0, start=None), '"start" is None; an object is expected'),
        (edited(0, start={"agent": 5}), "line 1: "),
        (edited(0, start={"nonsense": 5}), "unknown fields nonsense"),
        (edited(0, graph=5), "line 1: "),
        (edited(1, event={"type": "Exec", "code": "import os"}), "line 2: "),
        (edited(1, event={"type": "\ud800"}), "line 2: "),
        (edited(1, event={"type": "UserSaid", "content": 5}), "content is text or a list of parts"),
        (edited(1, event={"type": "UserSaid"}), "line 2: "),
        (edited(1, event=[]), '"event" is []'),
        (edited(1, then={"\ud800": 1}), "unknown fields"),
        (edited(1, then={"progress": {"\ud800": 1, "settings": {"\ud800": {}}}}), "line 2: "),
        (edited(1, then={"turn": "2"}), "line 2: "),
        (edited(1, then={"messages": {"role": "user"}}), "line 2: "),
        (edited(1, **{"in": ["nowhere"]}), "inside nowhere, where no trace has begun"),
        (edited(1, **{"in": 5}), "line 2: "),
        (with_line(1, b'{"event": ' + b"[" * 100_000), "line 2: "),
        (
            with_line(1, b'{"event": {"type": "ToolReturned", "call_id": "c", "value": ' + b"[" * 400 + b"]" * 400 + b'}, "then": {}}'),
            "nested",
        ),
        (with_line(1, b'{"event": {"type": "TimeUp", "seconds": 1e999}, "then": {}}'), "larger than a number can be"),
        (with_line(1, b'{"event": {"type": "TimeUp", "seconds": NaN}, "then": {}}'), "NaN is not JSON"),
        (with_line(1, b'{"event": {"type": "TimeUp", "seconds": ' + b"9" * 5000 + b'}, "then": {}}'), "line 2: "),
        (with_line(1, b'{"event": {"type": "TimeUp", "seconds": ' + b"9" * 400 + b'}, "then": {}}'), "line 2: "),
        (FILE + b"{}\n", "something follows the end"),
        (FILE + FILE, "something follows the end"),
        (edited(len(LINES) - 1, end=len(LINES)), "some are missing, or were added"),
    ],
    ids=lambda given: repr(given)[:40] if isinstance(given, str) else "",
)
def test_a_trace_that_is_none_is_refused_in_one_line(content: bytes, words: str) -> None:
    assert words in (refusal(content) or "it was read")


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(content: bytes) -> None:
    assert refusal(content) is not None
    refusal(b"\n".join([LINES[0], content]), partial=True)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from([10**4100, "\ud800", "\x00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=5) | st.sampled_from(["type", "agent"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied


@given(st.integers(0, len(LINES) - 1), st.data())
def test_any_value_anywhere_is_read_or_refused(at: int, data: st.DataObject) -> None:
    """And what is read can be written, read again and replayed, whatever nonsense it is."""
    line = json.loads(LINES[at])
    place, new = data.draw(st.sampled_from(places(line))), data.draw(_values)
    try:
        content = with_line(at, json.dumps(put(line, place, new)).encode())
    except ValueError:
        return  # an integer that Python does not write either
    if refusal(content) is None:
        trace = read_lines(content.splitlines()).trace

        assert read_lines([line.encode("ascii") for line in lines_of(trace)]).trace == trace
        found = replay_against(MACHINE, trace)
        assert found is None or len(str(found).splitlines()) == 1


@given(st.integers(0, len(FILE) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_any_bytes_anywhere_are_read_or_refused(at: int, new: bytes, gone: int) -> None:
    refusal(FILE[:at] + new + FILE[at + gone :])


def test_an_older_trace_is_upgraded_line_by_line() -> None:
    """A made-up version, in which an event was called an incident."""

    def renamed(line: dict[str, Any]) -> dict[str, Any]:
        return {"event" if key == "incident" else key: value for key, value in line.items()}

    form = Form("agentgraph_trace", "trace", (lambda line: line, renamed))
    old = [line.replace(b'"event":', b'"incident":', 1) for line in LINES]

    assert read_lines(old, form=form).trace == TRACE
    with pytest.raises(ContextError, match="line 2"):
        read_lines(old)


def test_a_file_is_written_whole_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    TRACE.save(file, graph="desk")

    assert Trace.load(file) == TRACE
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]
    file.write_bytes(FILE[:-5])
    with pytest.raises(ContextError, match=r"run\.jsonl, line \d+: "):
        Trace.load(file)
    assert list(Trace.load(file, partial=True)) == list(TRACE)
    for path in (tmp_path, tmp_path / "none.jsonl", "a\0b"):
        with pytest.raises(ContextError):
            Trace.load(path)
    for path in (tmp_path, tmp_path / "none" / "run.jsonl", "a\0b"):
        with pytest.raises(ContextError, match="cannot be written"):
            TRACE.save(path)
