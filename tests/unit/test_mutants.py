"""What `tests/mutants.py` changes: what is done, and nothing that is only said or read by a type checker."""

from __future__ import annotations

from tests.mutants import mutants

SOURCE = '''
"""A docstring."""
if TYPE_CHECKING:
    limit: int = 1

def spent(used: int = 0, *, most: Literal[3]) -> bool:
    """Another 1."""
    assert used != 7
    table["é"] = used
    if not used and used < most:
        return replace(used, by=used)
    return None
'''


def test_each_kind_of_change_is_made_where_something_is_done() -> None:
    found = [(mutant.was, mutant.now) for mutant in mutants("spent.py", SOURCE)]

    assert sorted(found) == sorted(
        [
            ("0", "(1)"),
            ('table["é"] = used', "pass"),
            ("not used and used < most", "(not used or used < most)"),
            ("not used", "(used)"),
            ("used < most", "(used <= most)"),
            ("used < most", "(used >= most)"),
            ("return replace(used, by=used)", "return None"),
            ("replace(used, by=used)", "(replace(used))"),
        ]
    )


def test_a_mutant_is_the_source_but_for_one_change() -> None:
    text = SOURCE.encode()
    for mutant in mutants("spent.py", SOURCE):
        assert text[mutant.start : mutant.end].decode() == mutant.was
        compile(text[: mutant.start] + mutant.now.encode() + text[mutant.end :], mutant.file, "exec")
