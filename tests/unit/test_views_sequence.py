"""What is drawn of runs in which something special happens."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Context,
    DefinitionError,
    Final,
    Forward,
    Handoff,
    Reply,
    Rewrite,
    RunConfig,
    RunResult,
    call,
    handoff,
    tool,
)
from agentgraph.engine import Trace
from agentgraph.models import ScriptedModel
from agentgraph.views.picture import Message
from agentgraph.views.sequence_view import sequence_of


@tool
def balance() -> str:
    """What is owed."""
    return "$1,250.00"


@tool
def invoice() -> dict[str, Any]:
    """The last invoice.

    Returns:
        dict: The last invoice,
            with its lines.
    """
    return {"lines": [1, 2]}


@tool
def raw() -> dict[str, Any]:
    """No word of what comes."""
    return {"lines": [1, 2]}


@tool
def nothing() -> None:
    """Give nothing."""


@tool
def broken() -> str:
    """Fail."""
    raise ValueError("down\nfor good")


@tool(requires="verified")
def refund() -> str:
    """Need a fact."""
    return "done"


@tool(needs_approval=True)
def transfer() -> str:
    """Ask a person."""
    return "sent"


@tool(final=True)
def finish() -> dict[str, int]:
    """End the run."""
    return {"n": 1}


TOOLS = (balance, invoice, raw, nothing, broken, refund, transfer, finish)


def runner(*replies: Any, agents: Iterable[Any] | None = None, **config: Any) -> AgentRunner:
    script = ScriptedModel(replies[0] if len(replies) == 1 and isinstance(replies[0], dict) else replies)
    return AgentRunner.with_agents(*(agents or [Agent("Desk", tools=TOOLS)]), config=RunConfig(model=script, **config))


def lines(result: RunResult, **options: Any) -> list[str]:
    """The messages alone."""
    text = result.to_mermaid(**options)
    return [line.strip() for line in text.split("\n") if line and not line.strip().startswith(("participant", "sequenceDiagram"))]


def between(result: RunResult, **options: Any) -> list[str]:
    """What lies between the first question to a model and the final response."""
    every = lines(result, **options)
    return every[3 : next((i for i, line in enumerate(every) if "Final Response" in line), len(every))]


BEGUN = ['U->>AR: "hi"', "AR->>A: Select Agent + Context", "A->>LLM: Process with Instructions"]


# -- tools -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("balance", ["LLM->>T: balance", 'T-->>LLM: "$1,250.00"']),
        ("invoice", ["LLM->>T: invoice", "T-->>LLM: The last invoice, with its lines"]),
        ("raw", ["LLM->>T: raw", 'T-->>LLM: {"lines"#58;[1,2]}']),
        ("nothing", ["LLM->>T: nothing", "T-->>LLM: (no output)"]),
        ("broken", ["LLM->>T: broken", "T--xLLM: ValueError: down for good"]),
        ("refund", ["LLM-xT: refund: 'refund' was not run: it needs 'verified' first"]),
        ("no_such", ["LLM-xT: no_such: there is no tool 'no_such'#59; available: balance, invoice, raw, nothing, broken,…"]),
    ],
)
def test_a_call(name: str, drawn: list[str]) -> None:
    result = runner(call(name), "done").run("hi")

    assert lines(result) == [*BEGUN, *drawn, "LLM-->>A: Generate Response", "A-->>AR: Final Response", 'AR-->>U: "done"']


def test_tools_one_after_another_and_what_is_said_beside_them() -> None:
    result = runner(call("balance"), Reply("Let me see.", [call("nothing")]), "done").run("hi")

    assert between(result) == [
        "LLM->>T: balance",
        'T-->>LLM: "$1,250.00"',
        'LLM-->>A: "Let me see."',
        "LLM->>T: nothing",
        "T-->>LLM: (no output)",
        "LLM-->>A: Generate Response",
    ]


def test_calls_side_by_side_have_a_section_each_and_what_did_not_run_has_none() -> None:
    result = runner([call("balance"), call("refund"), call("broken")], "done").run("hi")

    assert between(result) == [
        "par Calls side by side",
        "LLM->>T: balance",
        'T-->>LLM: "$1,250.00"',
        "and 2",
        "LLM->>T: broken",
        "T--xLLM: ValueError: down for good",
        "end",
        "LLM-xT: refund: 'refund' was not run: it needs 'verified' first",
        "LLM-->>A: Generate Response",
    ]


def test_calls_that_were_made_to_wait_for_each_other_are_not_side_by_side() -> None:
    result = runner([call("balance"), call("nothing")], "done", parallel_tools=False).run("hi")

    assert between(result)[:4] == ["LLM->>T: balance", 'T-->>LLM: "$1,250.00"', "LLM->>T: nothing", "T-->>LLM: (no output)"]


def test_a_final_tool_answers_in_the_place_of_the_model() -> None:
    result = runner([call("finish"), call("balance")]).run("hi")

    assert lines(result)[3:] == [
        "LLM->>T: finish",
        'T-->>A: {"n"#58;1}',
        "LLM-xT: balance: not executed: the run ended with the output of an earlier call",
        "A-->>AR: Final Response",
        'AR-->>U: "{"n"#58;1}"',
    ]


def test_a_handler_stands_between_the_tools_and_the_model() -> None:
    def handler(seen: int, _: Any) -> tuple[int, Any]:
        return seen + 1, (Forward(), Rewrite("mended"), Rewrite(["no"]), Final("enough"))[seen]

    script = (call("balance"), call("broken"), call("no_such"), call("nothing"))
    result = runner(*script).run_with_run_context("hi", int, handler).result

    drawn = lines(result)[3:]
    assert drawn[:5] == [
        "LLM->>T: balance",
        'T-->>LLM: "$1,250.00"',
        "LLM->>T: broken",
        "T--xAR: ValueError: down for good",
        'AR-->>LLM: "mended"',
    ]
    assert drawn[5].startswith("LLM-xT: no_such: there is no tool")
    assert drawn[6:] == ['AR-->>LLM: ["no"]', "LLM->>T: nothing", "T-->>AR: (no output)", 'AR-->>U: "enough"']


def test_what_a_tool_gives_is_said_by_its_docstring_or_by_hand() -> None:
    @tool(returns="A list.")
    def listed() -> list[int]:
        """Number them.

        Returns:
            Numbers.
        """
        return [1]

    assert (invoice.returns, raw.returns, listed.returns) == ("The last invoice, with its lines.", "", "A list.")
    assert "invoice, with" not in str(invoice.spec)  # people are told, not models
    assert between(runner(call("listed"), "done", agents=[Agent("Desk", tools=[listed])]).run("hi"))[1] == "T-->>LLM: A list"


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_run_that_waits_for_a_person_and_is_taken_up() -> None:
    desk = runner([call("transfer"), call("transfer")], "done")
    waiting = desk.run("hi")

    assert lines(waiting) == [*BEGUN, "AR->>U: Approve transfer?", "AR->>U: Approve transfer?"]

    first, second = waiting.context.pending
    taken_up = desk.resume(waiting.context, approvals={first.id: True, second.id: "too much"})
    assert lines(taken_up) == [
        "U->>AR: Resume",
        "AR->>A: Select Agent + Context",
        "AR->>U: Approve transfer?",
        "U-->>AR: Approved",
        "LLM->>T: transfer",
        'T-->>LLM: "sent"',
        "AR->>U: Approve transfer?",
        "U--xAR: Not approved: too much",
        "LLM-xT: transfer: not approved: too much",
        "LLM-->>A: Generate Response",
        "A-->>AR: Final Response",
        'AR-->>U: "done"',
    ]


def test_a_conversation_of_several_turns_is_the_sum_of_its_traces() -> None:
    desk = runner("one", call("transfer"), "three")
    first = desk.run("hi")
    second = desk.run("and?", context=first.context)
    third = desk.run("forget it", context=second.context)

    drawn = sequence_of(first.trace + second.trace + third.trace, desk.machine).happenings
    messages = [happening for happening in drawn if isinstance(happening, Message)]

    assert [m.text for m in messages if m.source == "U"] == ['"hi"', '"and?"', '"forget it"']
    assert [m.text for m in messages if m.marks == ("refused",)] == ["transfer: not executed: the user spoke first"]


def test_what_the_user_sent_may_be_no_text() -> None:
    result = runner("a cat").run([{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}])

    assert lines(result)[0] == "U->>AR: (image_url)"


# -- handoffs ----------------------------------------------------------------------------------------------------------


def research() -> AgentGraph:
    scout, writer = Agent("Scout", tools=[balance]), Agent("Writer Agent")
    group = AgentGroup("Research", scout, members=[writer])
    graph = AgentGraph("desk").add_agent(Agent("Triage")).add_agent(group)
    graph.add_handoff("Triage", "Research").add_handoff("Scout", "Writer Agent").add_handoff("Writer Agent", "Triage")
    return graph.add_handoff("Triage", Handoff("Writer Agent", requires="verified"))


def came_back() -> RunResult:
    script = {
        "Triage": [handoff("Writer Agent"), handoff("Research", reason="facts"), "Here."],
        "Scout": [[call("balance"), handoff("Writer Agent"), call("balance")]],
        "Writer Agent": [Reply("Back to you", [handoff("Triage")])],
    }
    return AgentRunner(research(), RunConfig(model=ScriptedModel(script))).run("hi")


def test_handoffs_refused_to_a_group_between_tools_and_back() -> None:
    assert lines(came_back()) == [
        'U->>AR: "hi"',
        "AR->>A1: Select Triage Agent",
        "A1->>LLM: Process with Instructions",
        "LLM-->>A1: handoff_to_writer_agent",
        "A1-xAR: Request Handoff to Writer: 'handoff_to_writer_agent' was refused: it needs 'verified' first",
        "A1->>LLM: Process with Instructions",
        "LLM-->>A1: handoff_to_research",
        "A1->>AR: Request Handoff to Research",
        "AR->>A2: Load Scout Agent + Context",
        "A2->>LLM: Process with Scout Instructions",
        "LLM->>T: balance",
        'T-->>LLM: "$1,250.00"',
        "LLM-->>A2: handoff_to_writer_agent",
        "A2->>AR: Request Handoff to Writer",
        "LLM-xT: balance: not executed: the conversation was handed off to Writer Agent",
        "AR->>A3: Load Writer Agent + Context",
        "A3->>LLM: Process with Writer Instructions",
        'LLM-->>A3: "Back to you"',
        "A3->>AR: Request Handoff to Triage",
        "AR->>A1: Load Triage Agent + Context",
        "A1->>LLM: Process with Instructions",
        "LLM-->>A1: Generate Response",
        "A1-->>AR: Final Response",
        'AR-->>U: "Here."',
    ]


def test_a_group_may_be_one_lifeline() -> None:
    drawn = came_back().sequence(collapse=["Research"], detail="turns")

    assert [(p.id, p.label, p.kind) for p in drawn.drawn.participants[2:]] == [  # type: ignore[union-attr]
        ("A1", "Triage Agent", "agent"),
        ("G1", "Research", "group"),
    ]
    assert lines(came_back(), collapse=["Research"], detail="turns")[2:] == [
        "A1-xAR: Request Handoff to Writer: 'handoff_to_writer_agent' was refused: it needs 'verified' first",
        "A1->>AR: Request Handoff to Research",
        "AR->>G1: Load Research + Context",
        "G1->>G1: Request Handoff to Writer",
        "G1->>AR: Request Handoff to Triage",
        "AR->>A1: Load Triage Agent + Context",
        "A1-->>AR: Final Response",
        'AR-->>U: "Here."',
    ]


def test_among_agents_alone() -> None:
    assert lines(came_back(), participants="agents", detail="tools") == [
        'U->>A1: "hi"',
        "A1-xA1: Request Handoff to Writer: 'handoff_to_writer_agent' was refused: it needs 'verified' first",
        "A1->>A2: Handoff to Scout: facts",
        'A2->>A2: balance: "$1,250.00"',
        "A2-xA2: balance: not executed: the conversation was handed off to Writer Agent",
        "A2->>A3: Handoff to Writer",
        'A3->>A3: "Back to you"',
        "A3->>A1: Handoff to Triage",
        'A1-->>U: "Here."',
    ]


def test_agents_that_would_be_called_alike_keep_their_names() -> None:
    agents = [Agent("Billing", handoffs=["Billing Agent"]), Agent("Billing Agent")]
    result = runner({"Billing": [handoff("Billing Agent")], "Billing Agent": ["done"]}, agents=agents).run("hi")

    assert [p.label for p in result.sequence().drawn.participants[2:4]] == ["Billing", "Billing Agent"]  # type: ignore[union-attr]


# -- agents as tools ---------------------------------------------------------------------------------------------------


def test_an_agent_inside_of_a_tool_has_a_lifeline_of_its_own() -> None:
    inner = Agent("Researcher", tools=[balance])
    lead = Agent("Lead", tools=[inner.as_tool(name="ask_researcher")])
    script = {"Lead": [call("ask_researcher", input="How much?"), "done"], "Researcher": [call("balance"), "a lot"]}
    result = runner(script, agents=[lead]).run("hi")

    assert lines(result)[3:11] == [
        "LLM->>T: ask_researcher",
        "rect rgba(128, 128, 128, 0.15)",
        'T->>A2: "How much?"',
        "A2->>LLM: Process with Researcher Instructions",
        "LLM->>T: balance",
        'T-->>LLM: "$1,250.00"',
        "LLM-->>A2: Generate Response",
        "A2-->>T: Final Response",
    ]
    assert lines(result)[-5:] == ["end", 'T-->>LLM: "a lot"', "LLM-->>A1: Generate Response", "A1-->>AR: Final Response", 'AR-->>U: "done"']
    assert [p.label for p in result.sequence(detail="llm").drawn.participants[2:]] == ["Agent", "LLM Provider"]  # type: ignore[union-attr]
    assert lines(result, participants="agents") == [
        'U->>A1: "hi"',
        "rect rgba(128, 128, 128, 0.15)",
        "Note over A1,A2: ask_researcher",
        'A1->>A2: "How much?"',
        'A2->>A2: balance: "$1,250.00"',
        'A2-->>A1: "a lot"',
        "end",
        'A1-->>U: "done"',
    ]


def test_an_agent_inside_of_a_tool_that_fails_or_would_ask_a_person() -> None:
    inner = Agent("Clerk", tools=[transfer])
    lead = Agent("Lead", tools=[inner.as_tool(name="ask_clerk")])
    failing = {"Lead": [call("ask_clerk", input="?"), "done"], "Clerk": [ConnectionError("down")]}
    asking = {"Lead": [call("ask_clerk", input="?"), "done"], "Clerk": [call("transfer")]}

    assert "A2--xT: ConnectionError: down" in lines(runner(failing, agents=[lead]).run("hi"))
    assert "LLM-xT: transfer: a call inside of a tool cannot be approved" in lines(runner(asking, agents=[lead]).run("hi"))


# -- ends --------------------------------------------------------------------------------------------------------------


def test_an_answer_that_cannot_be_used_is_asked_for_again() -> None:
    once, twice = runner("", "done").run("hi"), runner("", "").run("hi")

    unusable = "LLM--xA: Unusable Response: gave neither text nor a tool call"
    assert between(once) == [unusable, "A->>LLM: Process Again with Instructions", "LLM-->>A: Generate Response"]
    assert lines(twice)[3:] == [
        unusable,
        "A->>LLM: Process Again with Instructions",
        unusable,
        "AR--xU: 'Desk' gave neither text nor a tool call, twice",
    ]


@pytest.mark.parametrize(
    ("result", "last"),
    [
        (runner(ConnectionError("down")).run("hi"), ["LLM--xA: ConnectionError: down", "AR--xU: ConnectionError: down"]),
        (
            runner(call("balance"), max_turns=1).run("hi", config=None),
            ['T-->>LLM: "$1,250.00"', "AR--xU: the run reached max_turns=1#59; raise the limit, or continue from the result's con…"],
        ),
    ],
)
def test_what_the_user_sees_of_an_end_without_an_answer(result: RunResult, last: list[str]) -> None:
    assert lines(result)[-2:] == last


def test_a_run_that_never_began() -> None:
    too_long = runner("never said", input_limit=1).run("hi")

    assert too_long.to_mermaid() == (
        "sequenceDiagram\n    participant U as User\n    participant AR as Runner\n\n"
        "    AR--xU: the run reached input_limit=1#59; raise the limit, or continue from the result's c…\n"
    )
    assert lines(too_long, participants="agents") == lines(too_long)
    nothing_yet = sequence_of(Trace(Context()), runner("x").machine)
    assert (len(nothing_yet.participants), nothing_yet.happenings) == (2, ())


def test_a_stream_that_was_left() -> None:
    with runner(call("balance"), "done").stream("hi") as stream:
        next(stream)
        next(stream)
        left = stream.result

    assert left.stop_reason == "unfinished"
    assert lines(left) == BEGUN


def test_names_and_texts_from_outside_stay_texts() -> None:
    hostile = 'Bob; participant X\nU->>AR: "#1" \u202e%%{init}%%'
    result = runner("fine\nthen", agents=[Agent(hostile)]).run("a;b#c\x07")

    text = result.to_mermaid(participants="agents")
    assert text.count("\n") == 6
    assert 'U->>A1: "a#59;b#35;c\u2407"' in text
    assert 'A1-->>U: "fine<br/>then"' in text


# -- options and values ------------------------------------------------------------------------------------------------


def test_how_much_is_told() -> None:
    result = runner(call("balance"), "done").run("hi")

    assert lines(result, detail="turns") == [*BEGUN[:2], "A-->>AR: Final Response", 'AR-->>U: "done"']
    assert between(result, detail="llm") == ["LLM-->>A: balance", "A->>LLM: Process with Tool Results", "LLM-->>A: Generate Response"]
    assert lines(result, participants="agents", detail="llm") == ['U->>A1: "hi"', "A1->>A1: Calls: balance", 'A1-->>U: "done"']
    assert lines(result, participants="agents", detail="turns") == ['U->>A1: "hi"', 'A1-->>U: "done"']
    assert lines(result, max_text=3)[0] == 'U->>AR: "hi"'
    assert lines(result, max_text=3)[-1] == 'AR-->>U: "do…"'


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"participants": "everybody"}, "'roles' or 'agents'"),
        ({"detail": "all"}, "'turns' or 'llm' or 'tools'"),
        ({"max_text": 0}, "1 or more"),
        ({"max_text": True}, "1 or more"),
        ({"collapse": ["Nobody"]}, "no group 'Nobody'"),
        ({"collapse": 3}, "names of groups"),
    ],
)
def test_an_option_that_there_is_not(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        runner("done").run("hi").sequence(**options)


def test_the_machine_is_no_part_of_the_outcome() -> None:
    one, other = runner("done").run("hi"), runner("done").run("hi")

    assert one.machine is not other.machine
    assert one == other
    assert "machine" not in repr(one)
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    with pytest.raises(DefinitionError, match="unpickled"):
        again.sequence()
    assert again._repr_mimebundle_() == {"text/plain": repr(one)}
    shown = one._repr_mimebundle_()
    assert (shown["text/plain"], shown["text/vnd.mermaid"]) == (repr(one), one.to_mermaid())
    assert shown["image/svg+xml"].startswith("<svg ")
