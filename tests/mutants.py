"""Mutants of the engine: what the tests would not notice. `python -m tests.mutants [--sample N] [--seed N] [--floor SHARE]`.

Each mutant is one small change in `agentgraph/engine/`, judged by the tests that are about the engine, in a copy of the tree. It prints
those that survive, and fails where fewer than `--floor` were killed. Libraries do the same (mutmut, cosmic-ray) and know neither a
sample nor a floor; and mutmut puts functions of its own in place of ours, which tables of functions and signatures notice.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
MUTATED = "agentgraph/engine"
JUDGES = (
    (
        "tests/conformance/test_one_reply.py",
        "tests/conformance/test_tools_and_handlers.py",
        "tests/conformance/test_runs_limits_continuity.py",
        "tests/conformance",
        "tests/unit/test_outcomes.py",
        "tests/unit/test_happened.py",
        "tests/unit/test_monitors.py",
        "tests/unit/test_hostile_traces.py",
        "tests/unit/test_cli_replay.py::test_every_run_is_recorded_in_a_file_of_its_own",
    ),
    (
        "tests/laws/test_runs.py",
        "tests/laws/test_monitors.py",
        "tests/laws/test_traces.py",
        "tests/laws/test_histories.py",
        "tests/laws/test_recordings.py",
        "tests/laws/test_taken_up.py",
        "tests/laws/test_sequences.py",
        "tests/laws/test_endings.py",
        "tests/stores/test_laws.py",
        "tests/unit/test_testing_strategies.py",
    ),
)
"""One after the other, the quick ones first: most mutants see no more than the first."""
TOO_LONG = 900
"""Seconds: a mutant that waits for ever is noticed."""

_FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


class Mutant(NamedTuple):
    """One change: what stands from `start` to `end` in the file (bytes) is `now` instead."""

    file: str
    line: int
    start: int
    end: int
    now: str
    was: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(self.was.split())[:70]}  ->  {' '.join(self.now.split())[:70]}"


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a file."""
    text = source.encode()
    begins = [0]
    for line in text.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for node in _reached(ast.parse(source)):
        for changed in _changed(node):
            assert isinstance(node, ast.expr | ast.stmt)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            start, end = begins[node.lineno - 1] + node.col_offset, begins[node.end_lineno - 1] + node.end_col_offset
            now = ast.unparse(changed)
            now = f"({now})" if isinstance(changed, ast.expr) else now
            yield Mutant(file, node.lineno, start, end, now, text[start:end].decode())


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that say what is done: no annotation, no docstring, no assertion, nothing that only a type checker reads."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment", "keywords" if isinstance(node, ast.ClassDef) else ""):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Assert | ast.JoinedStr):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            yield from _reached(child)


def _changed(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """What could stand in place of `node`."""
    match node:
        case ast.Compare(ops=[op]):
            for other in _FLIPPED[type(op)]:
                changed = deepcopy(node)
                changed.ops = [other()]
                yield changed
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Call(keywords=[_, *_] as keywords):
            for keyword in keywords:
                yield ast.Call(node.func, node.args, [other for other in keywords if other is not keyword])
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


class Tree(NamedTuple):
    """A copy of what is under version control, for one mutant at a time."""

    folder: Path

    def copied(self) -> Tree:
        """The copy, made."""
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, file)
        return self

    def survives(self, mutant: Mutant | None) -> bool:
        """Whether all the tests pass with this change, or without any."""
        if mutant is None:
            return all(map(self._passes, JUDGES))
        file = self.folder / mutant.file
        source = file.read_bytes()
        file.write_bytes(source[: mutant.start] + mutant.now.encode() + source[mutant.end :])
        try:
            return all(map(self._passes, JUDGES))
        finally:
            file.write_bytes(source)

    def _passes(self, tests: tuple[str, ...]) -> bool:
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        environment |= {"HYPOTHESIS_PROFILE": "mutants", "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=said, stderr=said, start_new_session=True)
            try:
                return process.wait(TOO_LONG) == 0
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                return False


def judged(chosen: list[Mutant], jobs: int) -> list[Mutant]:
    """Those that survive, printed as they are found.

    Raises:
        SystemExit: where the tests do not pass without any mutant: they would say nothing.
    """
    survivors: list[Mutant] = []
    free: SimpleQueue[Tree] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        for n in range(jobs):
            free.put(Tree(Path(folder) / str(n)).copied())

        def judge(mutant: Mutant | None) -> bool:
            tree = free.get()
            try:
                return tree.survives(mutant)
            finally:
                free.put(tree)

        if not judge(None):
            raise SystemExit("the tests fail without any mutant")
        with ThreadPoolExecutor(jobs) as beside:
            for mutant, survived in zip(chosen, beside.map(judge, chosen), strict=True):
                if survived:
                    survivors.append(mutant)
                    print(f"survives: {mutant}", flush=True)
    return survivors


def main() -> None:
    """Judge a sample, and tell the score."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sample", type=int, default=40)
    options.add_argument("--seed", type=int, default=None, help="by default another sample each time")
    options.add_argument("--floor", type=float, default=0.0)
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = options.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    files = sorted((ROOT / MUTATED).glob("*.py"))
    every = [one for file in files for one in mutants(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))]
    chosen = random.Random(seed).sample(every, min(given.sample, len(every)))
    survivors = judged(chosen, given.jobs)
    score = 1 - len(survivors) / len(chosen)
    print(
        f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed ({score:.0%}), of {len(every)}; --seed {seed}, floor {given.floor:.0%}"
    )
    sys.exit(score < given.floor)


if __name__ == "__main__":
    main()
