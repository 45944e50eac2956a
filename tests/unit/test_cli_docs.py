"""`agentgraph docs`: only what is between markers is written, all of it or nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agentgraph import Agent, AgentGraph, DefinitionError
from agentgraph.cli.blocks import Block, blocks_in, lines_of
from agentgraph.cli.demo import graph as demo
from agentgraph.cli.docs import refresh, rewritten
from tests.unit.test_cli import command, is_one_line

BEGIN, END = "<!-- agentgraph: agentgraph.cli.demo:graph -->", "<!-- /agentgraph -->"
FENCED = f"```mermaid\n{demo.to_mermaid()}```\n"
FRESH = f"# Desk\n\n{BEGIN}\n{FENCED}{END}\n\nThe end.\n"
STALE = f"# Desk\n\n{BEGIN}\n```mermaid\nold\n```\n{END}\n\nThe end.\n"


def placed(folder: Path, text: str | bytes, name: str = "a.md") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return file


def after(folder: Path, text: str | bytes) -> bytes:
    file = placed(folder, text)
    assert refresh([file], check=False) == 0
    return file.read_bytes()


@pytest.mark.parametrize("text", [STALE, FRESH.replace(FENCED, ""), FRESH.replace(FENCED, "\nsome words\n\n"), FRESH])
def test_what_is_between_the_markers_is_drawn_anew(tmp_path: Path, text: str) -> None:
    assert after(tmp_path, text).decode() == FRESH


def test_what_is_right_is_not_touched(tmp_path: Path) -> None:
    file = placed(tmp_path, FRESH)
    os.utime(file, ns=(1_000, 1_000))

    assert refresh([file], check=False) == 0
    assert (file.read_bytes().decode(), file.stat().st_mtime_ns) == (FRESH, 1_000)


def test_a_check_tells_what_is_stale_and_writes_nothing(tmp_path: Path) -> None:
    placed(tmp_path, STALE), placed(tmp_path, FRESH, "fresh.md")
    (tmp_path / "a.md").chmod(0o640)

    stale = command(tmp_path, "docs", "--check", "a.md", "fresh.md")
    assert (stale.returncode, stale.stderr, (tmp_path / "a.md").read_bytes().decode()) == (1, "", STALE)
    assert stale.stdout.startswith("--- a.md\n+++ a.md (as it should be)\n@@ ")
    assert "\n-old\n+flowchart TD\n" in stale.stdout

    done = command(tmp_path, "docs", "a.md", "fresh.md")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a.md written\n", "")
    assert (tmp_path / "a.md").stat().st_mode & 0o777 == 0o640

    fresh = command(tmp_path, "docs", "--check", "a.md", "fresh.md")
    assert (fresh.returncode, fresh.stdout, fresh.stderr) == (0, "", "")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.md", "fresh.md"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("final", [True, False])
def test_line_ends_byte_order_marks_and_the_last_line_stay(tmp_path: Path, end: str, bom: str, final: bool) -> None:
    def spelt(text: str) -> bytes:
        text = text.removeprefix("# Desk\n\n")  # so that the marker comes right after the byte order mark
        return (bom + (text if final else text.removesuffix("\n\nThe end.\n")).replace("\n", end)).encode()

    assert after(tmp_path, spelt(STALE)) == spelt(FRESH)
    assert after(tmp_path, spelt(FRESH)) == spelt(FRESH)


def test_lines_outside_keep_their_own_ends(tmp_path: Path) -> None:
    around = "a\r\nb\nc\x0bd\u2028e\x0c\r\n\n"
    assert after(tmp_path, around + STALE + around).decode() == around + FRESH + around


def test_several_blocks_with_options_of_their_own(tmp_path: Path) -> None:
    begin = '<!-- agentgraph: agentgraph.cli.demo:graph view=architecture direction=LR title="Our desk" hops=2 tools=none -->'
    text = f"{STALE}\n{begin}\n{END}\n"

    second = demo.to_mermaid(view="architecture", direction="LR", title="Our desk", hops=2, tools="none")
    assert after(tmp_path, text).decode() == f"{FRESH}\n{begin}\n```mermaid\n{second}```\n{END}\n"


def test_comparisons_and_saved_topologies_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = AgentGraph("old").add_agent(Agent("Triage"))
    old.save("old.yaml")
    placed(tmp_path, "from agentgraph.cli.demo import graph\nwith open('runs', 'a') as runs:\n    runs.write('x')\n", "app.py")
    begin = "<!-- agentgraph: app.py:graph compare=old.yaml groups=closed -->"

    text = after(tmp_path, f"{begin}\n{END}\n{begin}\n{END}\n").decode()

    assert text == f"{begin}\n```mermaid\n{demo.to_mermaid(compare=old)}```\n{END}\n" * 2
    assert (tmp_path / "runs").read_text() == "x"


def test_a_block_is_plain_text_where_it_is_to_be(tmp_path: Path) -> None:
    begin = "<!-- agentgraph: agentgraph.cli.demo:graph format=text -->"
    assert after(tmp_path, f"{begin}\n{END}\n").decode() == f"{begin}\n```text\n{demo.to_text()}```\n{END}\n"


def test_a_block_in_a_list_stays_in_it(tmp_path: Path) -> None:
    inner = "".join(f"  {line}\n" for line in FENCED.splitlines())
    assert after(tmp_path, f"- a\n\n  {BEGIN}\n  {END}\n").decode() == f"- a\n\n  {BEGIN}\n{inner}  {END}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{BEGIN}\n{END}\n```\n",
        f"````markdown\n```\n{BEGIN}\n```\n{BEGIN}\n````\n",
        f"~~~\n{BEGIN}\n```\n~~~\n",
        f"~~~ a `b`\n{BEGIN}\n~~~~~\n",
        f"   ```\n{BEGIN}\n  ```  \n",
        f"- ```\n  {BEGIN}\n  ```\n",
        f"1. ~~~\n   {BEGIN}\n   ~~~\n",
        f"```\n{BEGIN}\n``` not the end\n{END}\n```\n",
        f"```\n{BEGIN}\n~~~\n{BEGIN}\n",
        f"    {BEGIN}\n    {END}\n",
        f"\t{BEGIN}\n",
        f"> {BEGIN}\n> {END}\n",
        f"<!--\n{BEGIN}\n-->\n",
        f"<!-- a\n```\n-->\n\n```\n{BEGIN}\n```\n",
        f"A marker is `{BEGIN}`.\n",
        f"{BEGIN} and more\n",
        "<!--agentgraph: no.such:graph-->\n<!-- Agentgraph: no.such:graph -->\n<!-- agentgraph no.such:graph -->\n<!-- agentgraph:  -->\n",
        "<!-- /agentgraph --> x\n<!--/agentgraph-->\n",
        "",
        "\ufeff",
    ],
)
def test_a_text_about_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    """Whole, and before a block that is drawn all the same."""
    assert after(tmp_path, text).decode() == text
    if text.count("```\n") % 2 == 0 or not text.endswith(f"{BEGIN}\n"):
        assert after(tmp_path, text + STALE).decode() == text + FRESH


def test_an_inline_fence_is_none(tmp_path: Path) -> None:
    """Backticks in the words after a fence of backticks make it a code span, which ends in its line."""
    assert after(tmp_path, f"``` a ``` b\n\n{STALE}").decode() == f"``` a ``` b\n\n{FRESH}"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"{BEGIN}\n", 1, "no end"),
        (f"a\n\n{BEGIN}\n```mermaid\n{END}\n", 3, "no end"),  # the fence was never closed, so the marker is in it
        (f"a\n{END}\n", 2, "ends no block"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n{END}\n", 2, "inside the one of line 1"),
        (BEGIN.replace(" -->", " sideways=yes -->") + f"\n{END}\n", 1, "no option 'sideways'"),
        (BEGIN.replace(" -->", " closed -->") + f"\n{END}\n", 1, "write option=value"),
        (BEGIN.replace(" -->", ' title="a -->') + f"\n{END}\n", 1, "cannot be read"),
        (BEGIN.replace(" -->", " view=top -->") + f"\n{END}\n", 1, "view='top'"),
        (BEGIN.replace(" -->", " view=full view=full -->") + f"\n{END}\n", 1, "2 times"),
        (BEGIN.replace(" -->", " format=png -->") + f"\n{END}\n", 1, "format='png'"),
        (BEGIN.replace(" -->", " hops=x -->") + f"\n{END}\n", 1, "hops='x'"),
        (BEGIN.replace(" -->", " compare=missing.json -->") + f"\n{END}\n", 1, "missing.json"),
        (f"\n\n<!-- agentgraph: no.such:graph -->\n{END}\n", 3, "no.such"),
        (f"<!-- agentgraph: agentgraph.cli.demo:tool -->\n{END}\n", 1, "function"),
        (b"\xff\xfe", None, "not UTF-8"),
    ],
)
def test_what_cannot_be_drawn_is_told_with_its_place_and_nothing_is_written(
    tmp_path: Path, text: str | bytes, line: int | None, said: str
) -> None:
    """The last of three files fails, and the others stay as they were."""
    first, last, second = placed(tmp_path, STALE), placed(tmp_path, text, "last.md"), placed(tmp_path, STALE, "b.md")

    with pytest.raises(DefinitionError, match=re.escape(said)) as caught:
        refresh([first, second, last], check=False)

    assert str(caught.value).startswith(f"{last}:{line}: " if line else f"{last} ")
    assert (first.read_bytes().decode(), second.read_bytes().decode()) == (STALE, STALE)


def test_errors_are_one_line_and_2(tmp_path: Path) -> None:
    placed(tmp_path, STALE), placed(tmp_path, f"{BEGIN}\n", "b.md")

    for arguments in (["a.md", "b.md"], ["--check", "a.md", "b.md"], ["missing.md"], []):
        done = command(tmp_path, "docs", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert is_one_line(done.stderr)
    assert "b.md:1: " in command(tmp_path, "docs", "b.md").stderr
    assert (tmp_path / "a.md").read_bytes().decode() == STALE


def test_a_folder_means_all_documents_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stale = [placed(tmp_path, STALE, name) for name in ("z.md", "a/b/c.MD", "a/x.md", ".github/d.md")]
    left = [placed(tmp_path, STALE, name) for name in ("a.txt", "node_modules/n.md", ".git/g.md", "env/v.md")]
    placed(tmp_path, "", "env/pyvenv.cfg")

    assert refresh([tmp_path, tmp_path / "z.md"], check=False) == 0

    assert [file.read_bytes().decode() for file in stale] == [FRESH] * 4
    assert [file.read_bytes().decode() for file in left] == [STALE] * 4
    assert capsys.readouterr().out.count("written") == 4


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = placed(tmp_path, STALE, "real.md"), tmp_path / "link.md"
    link.symlink_to(file)

    assert refresh([link], check=False) == 0
    assert link.is_symlink()
    assert file.read_bytes().decode() == FRESH


def test_no_name_ends_the_fence_or_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph = AgentGraph("g")
    for name in ("```", "````mermaid", "a\n```\nb", "-->", END, "~~~", BEGIN):
        graph.add_agent(Agent(name))
    graph.save("g.json")
    begin = "<!-- agentgraph: g.json -->"

    once = after(tmp_path, f"{begin}\n{END}\nafter\n")

    assert once.decode() == f"{begin}\n```mermaid\n{graph.to_mermaid()}```\n{END}\nafter\n"
    assert after(tmp_path, once) == once


@given(st.text(st.sampled_from("`~ \n<!-/>agentgraph:\\"), max_size=60), st.sampled_from(["mermaid", "text"]))
def test_any_content_is_kept_in_its_fence(content: str, language: str) -> None:
    """What was written is read back as one block, and writing it again changes nothing."""

    def draw(block: Block) -> tuple[str, str]:
        return language, f"{content}\n{END}\n"

    text = f"{BEGIN}\n{END}\nafter\n"
    once = rewritten(text, draw)

    assert rewritten(once, draw) == once
    block, *others = blocks_in(lines_of(once))
    lines = once.splitlines()
    assert others == []
    assert lines[block.end :] == [END, "after"]
    assert "\n".join(lines[block.first + 1 : block.end - 1]) == f"{content}\n{END}"


@given(st.text(st.sampled_from("`~ \r\n<!->\x0b\u2028é")))
def test_the_lines_of_a_text_are_the_text(text: str) -> None:
    assert "".join(lines_of(text)) == text


def test_our_own_documents_are_fresh() -> None:
    assert refresh([Path(__file__).parents[2] / "docs"], check=True) == 0


def test_the_hook_runs_what_there_is(tmp_path: Path) -> None:
    import yaml

    hook, _ = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    placed(tmp_path, STALE)

    program, *arguments = hook["entry"].split()
    assert (program, hook["id"], hook["types"]) == ("agentgraph", "agentgraph-docs", ["markdown"])
    assert command(tmp_path, *arguments, "a.md").returncode == 0
    assert (tmp_path / "a.md").read_bytes().decode() == FRESH
