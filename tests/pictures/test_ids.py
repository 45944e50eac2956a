"""An id says of which name it is, and no two names share one."""

from __future__ import annotations

from hypothesis import given, strategies as st

from agentgraph.views.ids import made_id
from tests.pictures.test_names import hostile


def test_thousands_of_names_that_no_id_can_spell_have_ids_of_their_own() -> None:
    """Birthdays: 20,000 names in six hex digits would meet a dozen times."""
    foreign = [f"{chr(0x4E00 + at // 150)}{chr(0x4E00 + at % 150)}" for at in range(20_000)]
    alike = [f"{'the same long beginning of a name ' * 2}{at}" for at in range(20_000)]
    for names in (foreign, alike):
        assert len({made_id("agent", name) for name in names}) == len(names)


@given(names=st.lists(hostile, unique=True, max_size=20), kind=st.sampled_from(["agent", "tool"]))
def test_ids_are_words_that_tell_names_apart(names: list[str], kind: str) -> None:
    made = [made_id(kind, name) for name in names]

    assert len(set(made)) == len(names)
    assert all(one.isascii() and one.isidentifier() and one.startswith(f"{kind}_") for one in made)
    # what an id looks like is a name too, and has another id
    assert all(made_id(kind, one.removeprefix(f"{kind}_")) != one or one == f"{kind}_{name}" for one, name in zip(made, names, strict=True))
