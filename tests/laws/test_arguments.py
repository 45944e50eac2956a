"""Arguments have the types that are written down, as JSON writes them: held to a table of what each type takes, which knows no pydantic."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, create_model

from agentgraph import Handoff, ToolCall, tool
from agentgraph.checks.sample import sample
from agentgraph.conversation.frozen import freeze, same, thaw
from agentgraph.definition.shape import Mismatch, Shape
from agentgraph.testing.fitting import fitting


class Refused(Exception):
    """The type does not take this value."""


@dataclass(frozen=True)
class Kind:
    """A type, and what it makes of a JSON value."""

    annotation: Any
    read: Callable[[Any], Any]

    def __repr__(self) -> str:
        return str(self.annotation)


class Size(enum.IntEnum):
    NONE = 0
    SMALL = 1


class Colour(enum.Enum):
    RED = "red"
    FIVE = "5"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def an_int(value: Any) -> int:
    if not is_number(value) or value != int(value):
        raise Refused
    return int(value)


def a_float(value: Any) -> float:
    if not is_number(value):
        raise Refused
    return float(value)


def a_decimal(value: Any) -> Decimal:
    if not is_number(value) and not isinstance(value, str):
        raise Refused
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise Refused from None


def only(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise Refused
        return value

    return read


def of_text(make: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return make(only(str)(value))
        except ValueError:
            raise Refused from None

    return read


def one_of(*choices: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        for choice in choices:
            plain = choice.value if isinstance(choice, enum.Enum) else choice
            if same(value, plain):
                return choice
        raise Refused

    return read


def loosely_an_int(value: Any) -> int:
    """Also a truth value, and the text of a whole number."""
    try:
        return int(value) if isinstance(value, bool) else an_int(float(value) if isinstance(value, str) else value)
    except ValueError:
        raise Refused from None


LEAVES = [
    Kind(int, an_int),
    Kind(float, a_float),
    Kind(bool, only(bool)),
    Kind(str, only(str)),
    Kind(None, only(type(None))),
    Kind(Any, lambda value: value),
    Kind(Size, one_of(*Size)),
    Kind(Colour, one_of(*Colour)),
    Kind(Literal["red", "5"], one_of("red", "5")),
    Kind(Literal[1, "red"], one_of(1, "red")),
    Kind(Literal[True, "red"], one_of(True, "red")),
    Kind(dt.date, of_text(dt.date.fromisoformat)),
    Kind(uuid.UUID, of_text(uuid.UUID)),
    Kind(Decimal, a_decimal),
    Kind(bytes, of_text(str.encode)),
    Kind(Annotated[int, Field(ge=2)], lambda value: an_int(value) if is_number(value) and value >= 2 else only(str)(0)),
    Kind(int | str, lambda value: value if isinstance(value, str) else an_int(value)),
    Kind(int | float, lambda value: value if is_number(value) else only(float)(value)),
]
LOOSE = Kind(Annotated[int, Field(strict=False)], loosely_an_int)


def several(item: Kind) -> Kind:
    return Kind(list[item.annotation], lambda value: [item.read(each) for each in only(list)(value)])  # type: ignore[name-defined]


def named(item: Kind) -> Kind:
    return Kind(dict[str, item.annotation], lambda value: {key: item.read(each) for key, each in only(dict)(value).items()})  # type: ignore[name-defined]


def perhaps(item: Kind) -> Kind:
    return Kind(Optional[item.annotation], lambda value: None if value is None else item.read(value))  # noqa: UP045 - None | None is none


def pair(item: Kind) -> Kind:
    def read(value: Any) -> Any:
        if len(only(list)(value)) != 2:
            raise Refused
        return an_int(value[0]), item.read(value[1])

    return Kind(tuple[int, item.annotation], read)  # type: ignore[name-defined]


def model(item: Kind) -> Kind:
    made: type[BaseModel] = create_model("Made", n=(int, ...), item=(item.annotation, ...))

    def read(value: Any) -> Any:
        if only(dict)(value).keys() < {"n", "item"} or not {"n", "item"} <= value.keys():
            raise Refused
        return made.model_construct(n=an_int(value["n"]), item=item.read(value["item"]))

    return Kind(made, read)


leaves = st.sampled_from(LEAVES)
kinds = st.recursive(
    st.one_of(leaves, st.just(LOOSE)),
    lambda inner: st.builds(lambda make, item: make(item), st.sampled_from([several, named, perhaps, pair, model]), inner),
    max_leaves=3,
)
scalars = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 2, 5, -1, 0.0, 1.0, 5.0, -0.0, 5.5, 1e300, 2**70]),
    st.sampled_from(["5", "5.0", "yes", "red", "", "1", "2026-01-31", "00000000-0000-4000-8000-000000000000", "x: y"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["n", "item", "int", "red"]), inner, max_size=3),
        st.fixed_dictionaries({"n": scalars, "item": inner}),
    ),
    max_leaves=5,
)


def argument(kind: Kind, **options: Any) -> Shape:
    def act(x: Any, y: int = 7) -> None:
        """Nothing is done."""

    act.__annotations__ = {"x": kind.annotation, "y": int, "return": None}
    return tool(**options)(act).arguments


def read(kind: Kind, value: Any) -> tuple[bool, Any]:
    try:
        return True, kind.read(value)
    except Refused:
        return False, None


def checked(shape: Shape, value: Any) -> tuple[bool, Any]:
    try:
        return True, shape.check({"x": value})["x"]
    except Mismatch:
        return False, None


def kinds_in(value: Any) -> str:
    """What tells 1, 1.0 and True apart, and no zeros behind a point of a Decimal."""
    return re.sub(r"Decimal\('[^']*'\)", "Decimal", repr(value))


@given(kinds, values)
def test_a_type_takes_what_the_table_says_and_gives_what_it_says(kind: Kind, value: Any) -> None:
    takes, expected = read(kind, value)
    took, got = checked(argument(kind), value)

    assert took == takes
    assert got == expected
    assert took is False or kinds_in(got) == kinds_in(expected)


@pytest.mark.parametrize("kind", [*LEAVES, LOOSE], ids=str)
def test_each_type_with_each_value_that_is_no_list(kind: Kind) -> None:
    shape, nested = argument(kind), argument(model(kind))
    value: Any
    for value in (None, True, False, 0, 1, 2, 5, 0.0, 1.0, 5.0, 5.5, "5", "yes", "red", "1", "2026-01-31", [], {}):
        takes, expected = read(kind, value)
        assert (value, *checked(shape, value)) == (value, takes, expected)
        assert checked(nested, {"n": 1.0, "item": value})[0] == takes


@given(kinds, values)
def test_what_is_recorded_is_what_ran(kind: Kind, value: Any) -> None:
    """It holds the defaults, gives the same when it is read again, and is what the model wrote where it says the same."""
    shape, written = argument(kind), freeze({"x": value})
    try:
        ran = shape.check(thaw(written))
    except Mismatch:
        return
    recorded = shape.record(ran, written)

    assert shape.check(thaw(recorded)) == ran
    assert recorded["y"] == ran["y"] == 7
    whole = freeze({"x": value, "y": 7})
    assert (shape.record(shape.check(thaw(whole)), whole) is whole) == same(recorded, whole)


@given(kinds, values)
def test_a_lax_tool_takes_all_that_a_strict_one_takes(kind: Kind, value: Any) -> None:
    if checked(argument(kind), value)[0]:
        assert checked(argument(kind, lax=True), value)[0]


@given(kinds)
def test_what_is_made_up_for_a_schema_is_taken(kind: Kind) -> None:
    shape = argument(kind)

    shape.check(fitting(shape))
    shape.check(sample(shape.schema))


@given(kinds, values)
def test_a_payload_is_held_to_its_types_as_arguments_are(kind: Kind, value: Any) -> None:
    payload = model(kind)
    shape = Handoff("Next", payload=payload.annotation).payload_shape
    assert shape is not None
    takes, _ = read(payload, value)
    try:
        shape.check(value)
    except Mismatch:
        assert not takes
    else:
        assert takes


def repeats_a_key(text: str) -> bool:
    found = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        found.append(len({key for key, _ in pairs}) < len(pairs))

    json.loads(text, object_pairs_hook=look)
    return any(found)


def escaped(text: str) -> str:
    return text.replace(":a", "\\u003aa")


@st.composite
def objects(draw: st.DrawFn) -> str:
    """The text of an object, in which a key may stand twice anywhere, with colons in all sorts of places."""
    keys = st.sampled_from(['"a"', '"b"', '"a:a"', '"\\u003a"', '"\\u0061"'])
    texts = st.recursive(
        st.sampled_from(["1", '""', '":"', '"::a"', '"\\u003a\\u003A"', '"\\\\u003a"', "null"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2).map(lambda items: f"[{','.join(items)}]"),
            st.lists(st.tuples(keys, inner), max_size=3).map(lambda pairs: f"{{{','.join(f'{k}:{v}' for k, v in pairs)}}}"),
        ),
        max_leaves=6,
    )
    pairs = draw(st.lists(st.tuples(keys, texts), max_size=3))
    text = f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
    return escaped(text) if draw(st.booleans()) else text


@given(objects())
def test_of_two_equal_keys_none_wins(text: str) -> None:
    called = ToolCall("c", "pay", text)

    if repeats_a_key(text):
        assert called.malformed is not None
        assert called.malformed.endswith("stands twice")
        assert not called.arguments
        assert called.json == text
    else:
        assert called.malformed is None
        assert called.arguments == json.loads(text)
