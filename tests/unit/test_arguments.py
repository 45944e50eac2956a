"""How a signature is read, what of it a model is held to, and what is recorded."""

from __future__ import annotations

import datetime as dt
import json
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, FailFast, Field, SecretStr, WrapValidator
from typing_extensions import TypedDict

from agentgraph import Agent, AgentRunner, DefinitionError, Handoff, Reply, ScriptedModel, Secret, Tool, ToolCall, call, handoff, tool
from agentgraph.conversation.frozen import FrozenDict, freeze
from agentgraph.definition.shape import Mismatch, Shape


def ran(made: Tool, *written: Any) -> list[str]:
    """What is answered to calls of a tool with these arguments."""
    calls = [ToolCall("", made.name, arguments) for arguments in written]
    result = AgentRunner(Agent("Desk", tools=[made], model=ScriptedModel([Reply(None, tuple(calls)), "ok"]))).run("hi")
    return [message.text for message in result.messages if message.role == "tool"]


def recorded(shape: Shape, **written: Any) -> FrozenDict:
    arguments = freeze(written)
    return shape.record(shape.check(written), arguments)


class Order(BaseModel):
    number: int = Field(strict=False)
    lines: int


class Loose(BaseModel):
    model_config = ConfigDict(strict=False)
    number: int


class Note(BaseModel):
    text: str


def double(value: Any, go_on: Any) -> Any:
    return go_on(value) * 2 if value != 13 else 1 / 0


@tool
def pay(amount: int, urgent: bool = False) -> str:
    """Pay."""
    return f"paid {amount!r} {urgent!r}"


def test_nothing_is_converted() -> None:
    assert ran(pay, {"amount": 5}, {"amount": 5.0}, '{"amount": 5.00e0}') == ["paid 5 False"] * 3
    refused = ran(pay, {"amount": True}, {"amount": "5"}, {"amount": 5.5}, {"amount": 1, "urgent": "yes"}, {"amount": 1, "urgent": 1})
    assert refused == [
        *["error: the arguments of 'pay' do not fit: amount: Input should be a valid integer"] * 3,
        *["error: the arguments of 'pay' do not fit: urgent: Input should be a valid boolean"] * 2,
    ]


def test_what_is_right_is_not_told_to_be_wrong() -> None:
    """5.0 is an int, whatever is wrong beside it."""
    with pytest.raises(Mismatch) as wrong:
        pay.arguments.check({"amount": 5.0, "urgent": "yes"})
    assert str(wrong.value) == "urgent: Input should be a valid boolean"


def test_a_key_that_stands_twice() -> None:
    twice = ['{"amount": 1, "amount": 2}', '{"amount":1,"amount":1}', '{"amount": 1, "\\u0061mount": 2}']
    assert ran(pay, *twice) == ["error: the arguments are not a JSON object: the key 'amount' stands twice"] * 3


def test_what_is_loosened() -> None:
    @tool
    def ship(count: Annotated[int, Field(strict=False)], order: Order, loose: Loose, weight: float = 1) -> str:
        """Ship."""
        return f"{count!r} {order.number!r} {loose.number!r}"

    right = {"count": "5", "order": {"number": "6", "lines": 1}, "loose": {"number": "7"}}
    assert ran(ship, right, {**right, "count": True}, {**right, "count": 5.0}) == ["5 6 7", "1 6 7", "5 6 7"]
    assert ran(ship, {**right, "order": {"number": "6", "lines": "1"}}, {**right, "weight": "2"}, {**right, "count": "x"}) == [
        "error: the arguments of 'ship' do not fit: order.lines: '1' is not of type 'integer'",
        "error: the arguments of 'ship' do not fit: weight: '2' is not of type 'number'",
        "error: the arguments of 'ship' do not fit: count: Input should be a valid integer, unable to parse string as an integer",
    ]
    assert recorded(ship.arguments, **right) == {
        "count": 5,
        "order": {"number": 6, "lines": 1},
        "loose": {"number": 7},
        "weight": 1,
    }


def test_a_tool_that_is_lax_is_lax_all_over_and_can_be_made_strict_again() -> None:
    lax = pay.replace(lax=True)

    assert ran(lax, {"amount": True}, {"amount": "5", "urgent": "yes"}) == ["paid 1 False", "paid 5 True"]
    assert recorded(lax.arguments, amount="5") == {"amount": 5, "urgent": False}
    assert recorded(lax.arguments, amount=True, urgent=0) == {"amount": 1, "urgent": False}
    assert type(recorded(lax.arguments, amount=True, urgent=0)["amount"]) is int
    assert lax.parameters == pay.parameters
    assert ran(lax.replace(lax=False), {"amount": "5"})[0].startswith("error: ")
    assert lax.replace(description="Pays.").lax
    assert lax == lax.replace()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pay.replace(lax="yes"), "lax='yes'; give True or False"),
        (lambda: tool(name="pay", lax=True, parameters={"type": "object"})(lambda: None), "'pay' has lax=True, but no types"),
        (lambda: Agent("Inner").as_tool().replace(lax=True), "'inner' has lax=True, but no types"),
        (lambda: Tool(name="drawn", lax=True), "'drawn' has lax=True, but no types"),
    ],
)
def test_a_laxness_that_means_nothing(make: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        make()
    assert said in str(refused.value)


def test_a_schema_of_the_users_own_means_what_it_says() -> None:
    @tool(parameters={"type": "object", "properties": {"n": {"type": "integer"}, "one": {"enum": [1]}}})
    def count(**given: Any) -> str:
        """Count."""
        return json.dumps(given)

    assert ran(count, {"n": 5}, {"n": 5.0}, {"one": 1.0}) == ['{"n": 5}', '{"n": 5.0}', '{"one": 1.0}']
    assert all("do not fit" in said for said in ran(count, {"n": True}, {"n": "5"}, {"n": 5.5}, {"one": True}))
    assert recorded(count.arguments, n=5.0) == {"n": 5.0}


class Point(NamedTuple):
    x: int
    y: int


class Span(TypedDict, total=False):
    start: dt.date
    days: int


@dataclass
class Seats:
    rows: tuple[int, ...]
    marks: set[str] = field(default_factory=set)


@pytest.mark.parametrize(
    ("kind", "right", "value", "wrong"),
    [
        (dt.datetime, "2026-01-31T10:00:00Z", dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC), 1769850000),
        (dt.time, "10:00:00", dt.time(10), 36000),
        (dt.timedelta, "PT1H", dt.timedelta(hours=1), 3600),
        (Point, [1, 2.0], Point(1, 2), [1, "2"]),
        (Span, {"start": "2026-01-31", "days": 3.0}, {"start": dt.date(2026, 1, 31), "days": 3}, {"days": "3"}),
        (Seats, {"rows": [1, 2.0], "marks": ["a", "a"]}, Seats((1, 2), {"a"}), {"rows": ["1"]}),
        (frozenset[int], [1, 1.0, 2], frozenset({1, 2}), [True]),
        (deque[int], [1, 2.0], deque([1, 2]), ["1"]),
        (dict[int, str], {"1": "one"}, {1: "one"}, {"one": "one"}),
        (Annotated[list[int], FailFast()], [1.0] * 500, [1] * 500, [1.0, "1"]),
    ],
)
def test_types_that_json_has_not(kind: Any, right: Any, value: Any, wrong: Any) -> None:
    def act(x: Any) -> None:
        """Nothing is done."""

    act.__annotations__["x"] = kind
    shape = tool(act).arguments

    assert shape.check({"x": right}) == {"x": value}
    with pytest.raises(Mismatch):
        shape.check({"x": wrong})


def test_half_a_surrogate_pair_is_refused_where_it_is_no_text() -> None:
    @tool
    def note(note: Note) -> str:
        """Note."""
        return note.text

    assert "it cannot be written as JSON" in ran(note, '{"note": {"text": "\\ud800"}}')[0]


def test_what_field_says_as_a_default_is_what_is_told_checked_and_given() -> None:
    @tool
    def find(
        city: str = Field(default="Berlin", description="Where.", min_length=2),
        tags: list[str] = Field(default_factory=list),  # noqa: B008
    ) -> str:
        """Find.

        Args:
            city: Not this.
        """
        tags.append("seen")
        return f"{city} {tags}"

    @tool
    def need(city: str = Field(min_length=2)) -> str:
        """Need."""
        return city

    assert find.parameters["properties"]["city"] == {"default": "Berlin", "description": "Where.", "minLength": 2, "type": "string"}
    assert ran(find, {}, {"city": "Rome"}, {}) == ["Berlin ['seen']", "Rome ['seen']", "Berlin ['seen']"]
    assert recorded(find.arguments) == {"city": "Berlin", "tags": []}
    assert need.parameters["required"] == ["city"]
    assert "city: Field required" in ran(need, {})[0]


def test_defaults_of_every_sort() -> None:
    @tool
    def book(
        day: dt.date = dt.date(2026, 1, 31),
        most: float = float("inf"),
        key: Any = Secret("sk-canary"),  # noqa: B008
        password: SecretStr = SecretStr("canary"),  # noqa: B008
        note: str = None,  # type: ignore[assignment]  # noqa: RUF013
        about: Any = object(),  # noqa: B008
        seats: list[int] = [],  # noqa: B006
    ) -> str:
        """Book."""
        seats.append(1)
        return f"{day} {most} {len(key.reveal())} {len(password.get_secret_value())} {note} {type(about).__name__} {seats}"

    said = "2026-01-31 inf 9 6 None object [1]"
    assert ran(book, {}, {}) == [said, said]
    told = book.parameters["properties"]
    assert {name for name in told if "default" in told[name]} == {"day", "note", "seats"}
    assert told["day"]["default"] == "2026-01-31"
    assert "canary" not in json.dumps(book.parameters)
    assert recorded(book.arguments) == {"day": "2026-01-31", "note": None, "seats": []}


def test_what_a_partial_binds_is_no_models_business() -> None:
    def query(tenant: str, text: str, most: int = 3) -> str:
        """Query."""
        return f"{tenant}: {text} {most}"

    for made in (
        tool(partial(query, "acme")),
        tool(partial(query, tenant="acme")),
        tool(partial(partial(query, tenant="x"), tenant="acme")),
    ):
        assert list(made.parameters["properties"]) == ["text", "most"]
        assert ran(made, {"text": "x"}) == ["acme: x 3"]
        assert "Extra inputs are not permitted" in ran(made, {"text": "x", "tenant": "other"})[0]


def test_an_alias_is_the_name_that_is_told_and_recorded() -> None:
    @tool
    def send(sender: Annotated[str, Field(alias="from")], copies: int = 1) -> str:
        """Send."""
        return sender

    assert ran(send, {"from": "ada"}) == ["ada"]
    assert recorded(send.arguments, **{"from": "ada"}) == {"from": "ada", "copies": 1}


def test_what_cannot_be_loosened_is_said_at_the_definition() -> None:
    with pytest.raises(DefinitionError, match="'f' has a parameter whose annotation describes no JSON"):

        @tool
        def f(x: Annotated[int | str, Field(strict=False)]) -> str:
            """Nothing."""
            return ""


def test_validators_that_change_or_fail() -> None:
    @tool
    def play(n: Annotated[int, WrapValidator(double)]) -> str:
        """Play."""
        return str(n)

    assert ran(play, {"n": 2.0}, {"n": 13}) == ["4", "error: the arguments of 'play' do not fit: ZeroDivisionError: division by zero"]
    assert recorded(play.arguments, n=2) == {"n": 4}


def test_a_payload_is_strict_and_what_it_was_given_is_told() -> None:
    class Case(BaseModel):
        number: int
        opened: dt.date

    billing = Agent("Billing", model=ScriptedModel(["Hello"]))
    asked = ScriptedModel(
        [handoff("Billing", number="7", opened="2026-01-31"), handoff("Billing", number=7.0, opened="2026-01-31"), "never said"]
    )
    result = AgentRunner(Agent("Desk", handoffs=[Handoff(billing, payload=Case)], model=asked)).run("hi")

    refused, handed = [message.text for message in result.messages if message.role == "tool"]
    assert "number: Input should be a valid integer" in refused
    assert 'It was given: {"number": 7, "opened": "2026-01-31"}' in handed


def test_an_answer_is_read_as_before() -> None:
    class Ticket(BaseModel):
        number: int

    result = AgentRunner(Agent("Desk", output_type=Ticket, model=ScriptedModel(['{"number": "7"}']))).run("hi")
    assert result.output == Ticket(number=7)


def test_a_call_is_told_as_it_was_written() -> None:
    result = AgentRunner(Agent("Desk", tools=[pay], model=ScriptedModel([call("pay", amount=5.0), "ok"]))).run("hi")
    assert result.messages[1].tool_calls[0].json == '{"amount": 5.0}'
