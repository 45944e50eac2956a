"""What type checkers know of us. They read the other files of this folder, where each error that must be is written down."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import astuple

from agentgraph import Agent, AgentRunner, Observation, RunConfig, RunResult, ScriptedModel
from agentgraph.runtime.observations import BaseObservation

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
READ = sorted(str(file.relative_to(ROOT)) for file in HERE.glob("*.py") if file.stem not in {"__init__", Path(__file__).stem})

CHECKERS = {
    "mypy": ["--no-error-summary", *READ],
    # pyright's own engine in a wheel that needs no network; `pyright` itself is fetched from npm when it is first called.
    "basedpyright": ["--project", str(HERE), "--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_what_must_be_found_and_nothing_else(checker: str) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")

    said = subprocess.run(
        [sys.executable, "-m", checker, *CHECKERS[checker]], check=False, cwd=ROOT, capture_output=True, text=True, timeout=300
    )

    assert said.returncode == 0, said.stdout + said.stderr


def test_what_checkers_are_told_changes_no_run() -> None:
    agent = Agent[str]("A")
    result = AgentRunner[Any](agent, RunConfig(model=ScriptedModel(["Hello."]))).run("hello")

    assert agent == Agent("A")
    assert RunResult[str](*astuple(result)) == result


def test_every_kind_of_observation_is_in_the_union() -> None:
    def kinds(of: type) -> set[type]:
        beneath: list[type] = of.__subclasses__()
        return set[type]().union(*map(kinds, beneath)) if beneath else {of}

    assert set(get_args(Observation)) == kinds(BaseObservation)
    assert all(kind.__final__ for kind in get_args(Observation))
