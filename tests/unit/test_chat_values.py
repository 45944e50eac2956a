"""What a chat is made of, as values: text made harmless, text broken into lines, commands, undo, read-outs."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, strategies as st
from rich.cells import cell_len

from agentgraph import Agent, AgentGraph, AgentGroup, Context, Usage, tool
from agentgraph.cli.chat.commands import COMMANDS, Do, Say, Unclear, help_text, parse
from agentgraph.cli.chat.readout import context_text, graph_text, used
from agentgraph.cli.chat.session import Chat
from agentgraph.cli.chat.spelling import spelled
from agentgraph.cli.chat.terminal import going_on
from agentgraph.cli.chat.wrap import Wrap
from agentgraph.cli.demo import graph as demo
from agentgraph.cli.visible import one_line, visible
from agentgraph.conversation.message import ToolCall
from agentgraph.runtime.observations import AgentThinking, LLMCallComplete, TextDelta, ToolCompleted, ToolStarted

ANYTHING = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\x07\x1b\x7f\x9b\x85\xad\u061c\u200b\u202e\u2066\u2028\ufeff\ud800\U000e0041\r\n\t "))
)
OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# -- what a terminal would obey ------------------------------------------------------------------------------------------


@given(ANYTHING)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    left = set(visible(text)) - set("\n\t\u200c\u200d")

    assert not [character for character in left if unicodedata.category(character) in OBEYED]


@given(ANYTHING)
def test_what_is_visible_stays_as_it_is(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(ANYTHING, ANYTHING)
def test_text_may_come_in_pieces(one: str, other: str) -> None:
    assert visible(one + other) == visible(one) + visible(other)


@given(st.recursive(st.text(), st.lists))
def test_json_stays_the_same_json(value: Any) -> None:
    assert json.loads(visible(json.dumps(value, ensure_ascii=False))) == value


@pytest.mark.parametrize("text", ["Grüezi, 日本! [bold]not bold[/bold]", "👩‍👩‍👧 ❤️ 👍🏽 🇩🇪", "a\n\tb", "שלום עליכם", "می‌خواهم"])
def test_what_people_write_is_left_alone(text: str) -> None:
    assert visible(text) == text


@given(ANYTHING, st.integers(1, 40))
def test_one_line_is_one_line_and_short(text: str, most: int) -> None:
    line = one_line(text, most)

    assert len(line) <= most
    assert line.splitlines() in ([], [line])


# -- lines ---------------------------------------------------------------------------------------------------------------

WRITTEN = st.text(st.one_of(st.sampled_from("ab \n\t日。👍\u200d"), st.characters(categories=["L", "P", "Zs"])), max_size=120)
WIDTHS = st.one_of(st.none(), st.integers(4, 60))


def wrapped(pieces: list[str], width: int | None, column: int = 0) -> str:
    wrap = Wrap(column)
    return "".join(wrap.feed(piece, width) for piece in pieces) + wrap.end(width)


@given(st.lists(WRITTEN, max_size=4), WIDTHS)
def test_how_text_is_cut_into_pieces_makes_no_difference(pieces: list[str], width: int | None) -> None:
    assert wrapped(pieces, width) == wrapped(["".join(pieces)], width)


@given(WRITTEN, WIDTHS)
def test_wrapping_loses_and_adds_nothing_but_blanks(text: str, width: int | None) -> None:
    assert "".join(wrapped([text], width).split()) == "".join(text.split())


@given(WRITTEN, st.integers(4, 60))
def test_no_line_is_longer_than_the_terminal_is_wide(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in wrapped([text], width).split("\n"))


@given(WRITTEN, WIDTHS)
def test_further_lines_are_indented_so_that_none_looks_like_another_speakers(text: str, width: int | None) -> None:
    _, *further = wrapped([text], width, 5).split("\n")

    assert all(not line or line.startswith("  ") for line in further)


def test_lines_are_broken_between_words_and_long_words_where_the_line_ends() -> None:
    assert wrapped(["one two three"], 10) == "one two\n  three"
    assert wrapped(["so abcdefghijklm"], 8) == "so\n  abcdef\n  ghijkl\n  m"
    assert wrapped(["deep:\n            code"], 8) == "deep:\n  code"
    assert wrapped(["日本語日、本語"], 8) == "日本語\n  日、本\n  語"
    assert wrapped(["code:\n    x = 1\n\n"], 20) == "code:\n      x = 1"


# -- commands ------------------------------------------------------------------------------------------------------------


@given(st.text())
def test_every_line_means_something_or_is_blank(line: str) -> None:
    meant = parse(line)

    assert (meant is None) == (not line.strip())
    if isinstance(meant, Say):
        assert meant.text in line.strip()


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("  hello ", Say("hello")),
        ("//etc/hosts is there", Say("/etc/hosts is there")),
        ("///", Say("//")),
        ("/UNDO", Do("/undo")),
        ("/save  my talk.json ", Do("/save", "my talk.json")),
        ("/load ~/talk.json", Do("/load", "~/talk.json")),
    ],
)
def test_lines_and_what_they_mean(line: str, meant: Say | Do) -> None:
    assert parse(line) == meant


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/unod", "did you mean /undo?"),
        ("/grpah", "did you mean /graph?"),
        ("/xyzzy", "there are /help, /context, /graph, /undo"),
        ("/", "there is no /"),
        ("/save", "needs the name of a file"),
        ("/undo twice", "//undo twice"),
    ],
)
def test_what_is_no_command_says_what_would_be(line: str, told: str) -> None:
    meant = parse(line)

    assert isinstance(meant, Unclear)
    assert told in meant.why


def test_the_help_has_every_command() -> None:
    assert [line.split()[0] for line in help_text().splitlines() if line.startswith("/")] == [*COMMANDS, "//..."]


# -- undo ----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=5), max_size=8))
def test_undo_leads_back_through_everything_that_was_done(done: list[str]) -> None:
    chats = [Chat()]
    for turn, what in enumerate(done, 1):
        chats.append(chats[-1].moved(Context(turn=turn), what))

    back = chats[-1]
    for chat, what in zip(reversed(chats[:-1]), reversed(done), strict=True):
        assert back.last is not None
        assert back.last.done == what
        back = back.undone()
        assert back.context is chat.context
    assert back.undone() is back
    assert back.last is None


def test_what_changed_nothing_is_nothing_to_undo() -> None:
    chat = Chat()

    assert chat.moved(chat.context, "a message that was refused", failed=True) == Chat(chat.context, failed=True)


# -- what goes on --------------------------------------------------------------------------------------------------------


def test_rows_come_and_go_with_what_they_show() -> None:
    context, one, two = Context(), ToolCall("1", "look", {"at": "x"}), ToolCall("2", "ask", {"input": "y"})
    seen: list[list[str]] = []
    rows: tuple[Any, ...] = ()
    for observation in (
        AgentThinking(agent="A", context=context),
        LLMCallComplete(agent="A", reply=None, context=context),  # type: ignore[arg-type]
        ToolStarted(agent="A", call=one),
        ToolStarted(agent="A", call=two),
        AgentThinking(agent="B", context=context, within=("2",)),
        TextDelta(agent="B", text="...", within=("2",)),
        ToolCompleted(agent="A", call=one),
        ToolCompleted(agent="A", call=two),  # whatever went on inside is over too
        AgentThinking(agent="A", context=context),
        TextDelta(agent="A", text="Done"),
    ):
        rows = going_on(rows, observation, 0.0)
        seen.append([f"{'  ' * row.depth}{row.agent} {row.what}" for row in rows])

    look, ask, inner = 'A look(at="x")', 'A ask(input="y")', "  B thinks"
    assert seen == [["A thinks"], [], [look], [look, ask], [look, ask, inner], [look, ask, inner], [ask, inner], [], ["A thinks"], []]


# -- read-outs -----------------------------------------------------------------------------------------------------------


def test_a_graph_as_text() -> None:
    assert graph_text(demo.compile(), "Billing").splitlines() == [
        "support: 2 agents, 2 handoffs",
        "  Triage  (entry)",
        "  ├─ customer_lookup(email)",
        "  └─ → Billing: invoices, payments, balances",
        "* Billing  (holds the conversation)",
        "  ├─ check_balance(account_id)",
        "  ├─ verify_identity(code)  [sets verified]",
        "  ├─ refund(amount)  [needs verified, asks you first]",
        "  └─ → Triage: anything else",
    ]


def test_groups_agents_as_tools_and_guards_are_in_the_graph_too() -> None:
    @tool
    def note() -> str:
        return ""

    inner = AgentGroup.builder("Back").root(Agent("Clerk", tools=[note.replace(final=True)])).build()
    graph = AgentGraph("g").add_agent(Agent("Desk", tools=[Agent("Helper").as_tool(name="ask_helper")])).add_agent(inner)
    graph.add_handoff("Desk", "Clerk", requires="known", when=lambda _: True)

    text = graph_text(graph.compile(), "Desk")

    assert "* Desk  (entry, holds the conversation)" in text
    assert "ask_helper(input)  [asks Helper]" in text
    assert "→ Clerk  [needs known, on a condition]" in text
    assert "  Clerk  (in Back)\n  └─ note()  [ends the turn]" in text


def test_a_context_as_text() -> None:
    context = Context(
        agent="Billing", turn=2, data={"name": "Ada", "plan": {"pro": True}}, facts={"b", "a"}, usage=Usage(3, 1200, 45, 0.0012)
    )

    assert context_text(demo.compile(), context).splitlines() == [
        "agent     Billing; it is your turn",
        "turn      2",
        "messages  0",
        'data      name = "Ada"',
        '          plan = {"pro": true}',
        "facts     a, b",
        "pending   none",
        "usage     3 model calls, 1,200 tokens in, 45 out, $0.0012",
    ]


def test_what_was_used_says_what_is_known() -> None:
    assert used(Usage(1)) == "1 model call"
    assert used(Usage(2, 10, 5, 0.5)) == "2 model calls, 10 tokens in, 5 out, $0.50"


@given(st.text(st.sampled_from("├─└→✓✗…ab ")))
def test_signs_of_ours_can_be_written_anywhere(text: str) -> None:
    assert spelled(text, "ascii").isascii()
    assert spelled(text, "utf-8") == text
