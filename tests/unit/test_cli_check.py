"""`agentgraph check` and `agentgraph lock`, from outside; and locks as values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from agentgraph import AgentGraph, DefinitionError
from agentgraph.checks import never, precedes
from agentgraph.checks.kept import Kept, kept
from agentgraph.checks.lock import Lock
from agentgraph.possible.loosened import moved, told_together
from agentgraph.possible.privilege import Privilege
from tests.laws.test_privileges import demand
from tests.strategies import graphs
from tests.unit.test_cli import command, is_one_line, written

APP = """
from agentgraph import Agent, AgentGraph, Handoff, Tool
from agentgraph.checks import calls, precedes, reaches

verify = Tool(name="verify", sets=frozenset(["verified"]))
refund = Tool(name="refund")
guarded = refund.replace(requires=["verified"])


def made(tool, name="desk", way_round=False):
    graph = AgentGraph(name, human="Person")
    graph.add_agent(Agent("Triage", tools=(verify,))).add_agent(Agent("Returns", tools=(tool,))).add_agent(Agent("Person"))
    graph.add_handoff("Triage", Handoff("Returns", requires="verified")).add_handoff("Triage", "Person").add_handoff("Returns", "Person")
    if way_round:
        graph.add_handoff("Person", "Returns")
    return graph


strict, loose = made(guarded), made(refund, way_round=True)
lone = AgentGraph("lone").add_agent(Agent("A")).add_agent(Agent("Nobody's"))
larger = made(guarded).add_agent(Agent("Sales")).add_handoff("Triage", "Sales").add_handoff("Sales", "Person")

ORDER = precedes(calls("verify"), calls("refund"))
LISTED = [ORDER, reaches("Person")]
NAMED = {"verify first": ORDER}


def of_graph(graph):
    return [reaches(name, from_=graph.entry) for name in graph.agents]


def failing(graph):
    raise ValueError("no\\npolicies")


def failing_late(graph):
    yield ORDER
    raise ValueError("no\\npolicies")


def leaving(graph):
    raise SystemExit(7)


WRONG = [ORDER, "refund"]
OTHER = [precedes(calls("verify"), calls("refnud"))]
"""
ORDER = precedes(demand("call verify"), demand("call refund"))
WAY = "enter Triage -> enter Person -> enter Returns -> call refund"
LEAST = {
    "agentgraph_lock": 1,
    "graph": "g",
    "fingerprint": "",
    "policies": {},
    "findings": [],
    "begins": [],
    "happens": {},
    "never": [],
    "follows_guards": True,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, "app.py", APP)
    return tmp_path


def graph_in(name: str) -> AgentGraph:
    namespace: dict[str, Any] = {}
    exec(APP, namespace)
    found = namespace[name]
    assert isinstance(found, AgentGraph)
    return found


# -- check -----------------------------------------------------------------------------------------------------------------


def test_what_is_fine_is_0_and_says_what_was_proved_and_assumed(folder: Path) -> None:
    plain = command(folder, "check", "app.py:strict")
    proved = command(folder, "check", "app.py:strict", "--policy", "app.py:LISTED", "--policy", "app.py:NAMED")

    assert (plain.returncode, plain.stdout, plain.stderr) == (0, "desk: 0 findings\n", "")
    assert (proved.returncode, proved.stderr) == (0, "")
    lines = proved.stdout.splitlines()
    assert lines[:2] == ["holds: precedes(calls('verify'), calls('refund'))", "holds: reaches('Person')"]
    assert "assumed: the model may do anything, in any order: any prompt, jailbreak or injection" in lines
    assert lines[-1] == "desk: 0 findings, 0 policies refuted, 2 of 2 hold"


def test_a_finding_is_1_with_its_path_and_fix(folder: Path) -> None:
    done = command(folder, "check", "app.py:lone")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        "unreachable-agent: \"Nobody's\" cannot be reached from 'A'\n  path: Nobody's\n"
        "  fix: hand over to it from an agent that is reached, or take it out\nlone: 1 finding\n"
    )


def test_a_refuted_policy_is_1_with_the_shortest_way(folder: Path) -> None:
    done = command(folder, "check", "app.py:loose", "--policy", "app.py:NAMED")

    assert done.returncode == 1
    assert done.stdout.splitlines()[:2] == ["refuted: verify first: precedes(calls('verify'), calls('refund'))", f"  path: {WAY}"]
    assert done.stdout.splitlines()[-1] == "desk: 0 findings, 1 policy refuted, 0 of 1 hold"


def test_policies_may_be_a_function_of_the_graph(folder: Path) -> None:
    done = command(folder, "check", "app.py:loose", "--policy", "app.py:of_graph", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert [row["demand"] for row in json.loads(done.stdout)["policies"]] == [
        f"reaches({name!r}, from_='Triage')" for name in ("Triage", "Returns", "Person")
    ]


def test_json_holds_everything(folder: Path) -> None:
    done = command(folder, "check", "app.py:loose", "--policy", "app.py:NAMED", "--json")
    found = json.loads(done.stdout)

    assert done.returncode == 1
    assert (found["agentgraph_check"], found["graph"], found["is_fine"], found["findings"], found["lock"]) == (1, "desk", False, [], None)
    assert found["fingerprint"] == graph_in("loose").fingerprint
    (policy,) = found["policies"]
    assert (policy["name"], policy["holds"], policy["path"]) == ("verify first", False, WAY.split(" -> "))
    assert policy["assumptions"]


def test_what_cannot_be_compiled_is_still_checked(tmp_path: Path) -> None:
    graph = graph_in("strict")
    graph.add_handoff("Person", "Nowhere")
    graph.save(tmp_path / "broken.yaml")
    written(tmp_path, "app.py", APP)
    command(tmp_path, "lock", "app.py:strict")

    done = command(tmp_path, "check", "broken.yaml", "--policy", "app.py:NAMED", "--lock", "agentgraph.lock")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("unknown-target: the handoff from 'Person' to 'Nowhere'")
    assert done.stdout.endswith("desk: 1 finding, cannot be compiled, so nothing was proved, nor compared to a lock\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("missing.json",),
        ("app.py:ORDER",),
        ("app.py:strict", "--policy", "app.py:NOTHING"),
        ("app.py:strict", "--policy", "app.py:WRONG"),
        ("app.py:strict", "--policy", "app.py:OTHER"),
        ("app.py:strict", "--policy", "app.py:strict"),
        ("app.py:strict", "--policy", "app.py:failing"),
        ("app.py:strict", "--policy", "app.py:failing_late"),
        ("app.py:strict", "--policy", "app.py:leaving"),
        ("app.py:strict", "--policy", "nowhere"),
        ("app.py:strict", "--lock", "missing.lock"),
        ("app.py:strict", "--lock", "app.py"),
    ],
)
def test_wrong_use_is_one_line_and_2(folder: Path, arguments: tuple[str, ...]) -> None:
    done = command(folder, "check", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)


def test_modules_are_found_in_a_folder_that_is_named(folder: Path) -> None:
    arguments = ("app:strict", "--policy", "app:LISTED", "--app-dir", str(folder))
    lost, found, locked = (
        command(folder.parent, *each) for each in (("check", *arguments[:3]), ("check", *arguments), ("lock", *arguments, "-o", "-"))
    )

    assert (lost.returncode, found.returncode, locked.returncode) == (2, 0, 0)
    assert '"reaches(\'Person\')": "holds"' in locked.stdout


# -- lock ------------------------------------------------------------------------------------------------------------------


def test_a_lock_is_asserted_in_a_test() -> None:
    strict, loose = graph_in("strict"), graph_in("loose")
    lock = Lock.of(strict, ORDER)

    assert lock.kept_by(strict, ORDER)
    assert repr(lock.kept_by(strict, ORDER)) == "as locked"
    assert repr(lock.kept_by(loose, ORDER)).splitlines()[0] == f"loosened: {ORDER} holds no longer: {WAY}"


def test_a_lock_is_read_in_a_review(folder: Path) -> None:
    done = command(folder, "lock", "app.py:strict", "--policy", "app.py:NAMED")
    again = command(folder, "lock", "app.py:strict", "--policy", "app.py:NAMED", "-o", "-")

    assert (done.returncode, done.stdout) == (0, "agentgraph.lock written; policies: 1 hold, 0 refuted; findings: 0\n")
    assert (folder / "agentgraph.lock").read_text() == again.stdout
    assert '  "call refund": {"facts": ["verified"], "after": ["enter Returns"]},\n' in again.stdout
    assert '  "enter Returns": {"facts": ["verified"], "after": ["call verify"]},\n' in again.stdout
    assert "  \"precedes(calls('verify'), calls('refund'))\": \"holds\"\n" in again.stdout


def test_what_is_looser_than_locked_is_1_with_the_way_to_it(folder: Path) -> None:
    command(folder, "lock", "app.py:strict", "--policy", "app.py:NAMED")
    loosened = command(folder, "check", "app.py:loose", "--policy", "app.py:NAMED", "--lock", "agentgraph.lock")
    unasked = command(folder, "check", "app.py:strict", "--lock", "agentgraph.lock")

    assert (loosened.returncode, unasked.returncode) == (1, 1)
    assert f"loosened: refund, Returns can be reached without the fact verified\n  path: {WAY}\n" in loosened.stdout
    assert loosened.stdout.startswith("refuted, and held when it was locked: verify first: precedes(calls('verify'), calls('refund'))\n")
    assert "holds no longer" not in loosened.stdout, "said once"
    assert unasked.stdout.startswith("loosened: precedes(calls('verify'), calls('refund')) is asked no longer\n")


def test_what_is_tighter_or_new_is_told_and_passes(folder: Path) -> None:
    command(folder, "lock", "app.py:loose", "--policy", "app.py:NAMED")
    tighter = command(folder, "check", "app.py:strict", "--policy", "app.py:NAMED", "--lock", "agentgraph.lock")
    command(folder, "lock", "app.py:strict")
    larger = command(folder, "check", "app.py:larger", "--lock", "agentgraph.lock", "--json")

    assert (tighter.returncode, larger.returncode) == (0, 0)
    assert "tightened: refund, Returns cannot be reached without the fact verified\n" in tighter.stdout
    assert "tightened: precedes(calls('verify'), calls('refund')) holds now\n" in tighter.stdout
    assert json.loads(larger.stdout)["lock"] == {"loosened": [], "news": ["new: enter Sales"]}


def test_what_is_known_passes_and_what_is_new_does_not(folder: Path) -> None:
    command(folder, "lock", "app.py:lone")
    known = command(folder, "check", "app.py:lone", "--lock", "agentgraph.lock")
    command(folder, "lock", "app.py:strict", "-o", "other.lock")
    new = command(folder, "check", "app.py:lone", "--lock", "other.lock")

    assert (known.returncode, new.returncode) == (0, 1)
    assert known.stdout.splitlines()[0].startswith("known: unreachable-agent")
    assert new.stdout.splitlines()[0].startswith("unreachable-agent")


@pytest.mark.parametrize("arguments", [("missing.yaml",), ("app.py:strict", "-o", "no/such/folder.lock")])
def test_a_lock_that_cannot_be_written_is_2(folder: Path, arguments: tuple[str, ...]) -> None:
    done = command(folder, "lock", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)


@given(graphs())
def test_a_lock_is_what_its_text_says_and_keeps_itself(graph: AgentGraph) -> None:
    lock = Lock.of(graph)

    assert Lock.from_json(lock.to_json()) == lock
    assert Lock.from_json(lock.to_json()).to_json() == lock.to_json()
    assert kept(Lock.from_json(lock.to_json()), graph, graph.check(), ()) == Kept((), ())


@given(graphs(most=4), st.booleans())
def test_every_way_that_is_shown_is_as_short_as_that_of_a_proof(graph: AgentGraph, nothing_happens: bool) -> None:
    """Beside a lock that guarantees too much: that nothing ever happens, or nothing before everything else."""
    now = Lock.of(graph).privileges
    every = frozenset(now.of)
    of = {what: None if nothing_happens or privilege is None else Privilege(after=every - {what}) for what, privilege in now.of.items()}
    lock = replace(Lock.of(graph), privileges=replace(now, of=of, entries=()))
    lines = list(told_together(moved(lock.privileges, now).loosened))

    shown = kept(lock, graph, graph.check(), ()).loosened
    for (kind, other, whats), loosened in zip(lines, shown, strict=True):
        broken = never(demand(whats[0])) if kind == "never" else precedes(demand(other), demand(whats[0]))
        assert loosened.path[-1] == whats[0]
        assert len(loosened.path) == len(graph.prove(broken).path)


HOSTILE: list[tuple[str, str | bytes]] = [
    ("nothing", ""),
    ("no object", "[]"),
    ("no keys", "{}"),
    ("another version", json.dumps(LEAST | {"agentgraph_lock": 2})),
    ("a key too many", json.dumps(LEAST | {"extra": 1})),
    ("a number for a name", json.dumps(LEAST | {"graph": 3})),
    ("a policy that may be", json.dumps(LEAST | {"policies": {"p": "perhaps"}})),
    ("a row that is none", json.dumps(LEAST | {"happens": {"call x": ["verified"]}})),
    ("deep", "[" * 100_000),
    ("no text", b"\xff\xfe\x00"),
    ("cut off", json.dumps(LEAST)[:-5]),
]


@pytest.mark.parametrize("text", [text for _, text in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_a_hostile_lock_is_one_clear_line(text: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "bad.lock"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(DefinitionError) as refused:
        Lock.load(file)
    assert str(refused.value).startswith(f"{file} cannot be read")
    assert len(str(refused.value)) < 300 + len(str(file))


@pytest.mark.parametrize("given", [None, 3, {}, "a graph"], ids=repr)
def test_what_is_no_topology_has_no_lock(given: Any) -> None:
    with pytest.raises(DefinitionError, match="is no topology; give an AgentGraph"):
        Lock.of(given)


@pytest.mark.parametrize("given", [None, 3, {}], ids=repr)
def test_what_is_no_path_holds_no_lock(given: Any) -> None:
    with pytest.raises(DefinitionError, match="give the path of a file that agentgraph lock wrote"):
        Lock.load(given)


def test_a_lock_whose_rows_go_round_is_read() -> None:
    round_about = LEAST | {"happens": {"call a": {"after": ["call b"]}, "call b": {"after": ["call a"]}}}
    every = Lock.from_json(json.dumps(round_about)).privileges.of

    assert every == {"call a": Privilege(after=frozenset(["call b"])), "call b": Privilege(after=frozenset(["call a"]))}
