"""What is promised about litellm itself: it may be missing, and the one that is installed can do a call with tools."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agentgraph import Agent, AgentGraphError, AgentRunner, LiteLLMModel, tool
from tests.e2e.raw_provider import completion, raw_provider
from tests.waiting import WATCHDOG

WITHOUT_LITELLM = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "litellm":
            raise ModuleNotFoundError("No module named 'litellm'", name="litellm")

sys.meta_path.insert(0, NotInstalled())

from agentgraph import Agent, AgentRunner, ModelError, RunCompleted, ScriptedModel

assert AgentRunner(Agent("Desk", model=ScriptedModel(["Hello."]))).run("Hi").output == "Hello."
runner = AgentRunner(Agent("Desk", model="openai/gpt-4o"))
*_, last = runner.stream("Hi")
for result in (runner.run("Hi"), last.result):
    assert type(result.error) is ModelError
    assert isinstance(result.error.__cause__.__cause__, ModuleNotFoundError), result.error.__cause__
    print(result.error)
"""


def test_without_litellm_the_message_says_how_to_install_it() -> None:
    """Everything else works without it; a model's name is the first thing that needs it."""
    ended = subprocess.run([sys.executable, "-c", WITHOUT_LITELLM], capture_output=True, text=True, check=False, timeout=WATCHDOG)

    assert (ended.returncode, ended.stderr) == (0, "")
    first, second = ended.stdout.splitlines()
    assert first == second
    assert first.endswith('install it: pip install "agentgraph-fsm[litellm]"')


@pytest.mark.long
def test_the_installed_litellm_can_do_a_call_with_tools() -> None:
    """Some releases fail on every one; see the exclusions in pyproject.toml."""

    @tool
    def check_balance(account_id: str) -> str:
        """Balance of an account."""
        return f"{account_id}: 1,250.00"

    call = {"id": "c1", "type": "function", "function": {"name": "check_balance", "arguments": '{"account_id": "ACC-17"}'}}
    answers = [[completion({"tool_calls": [call]}, "tool_calls")], [completion({"content": "It is 1,250.00."}, "stop")]]
    with raw_provider(*answers) as provider:
        result = AgentRunner(Agent("Desk", tools=(check_balance,), model=provider.model())).run("What is the balance of ACC-17?")

    assert result.raise_for_error().output == "It is 1,250.00."
    assert [body["messages"][-1]["content"] for body in provider.bodies] == ["What is the balance of ACC-17?", "ACC-17: 1,250.00"]
    assert [body["tools"][0]["function"]["name"] for body in provider.bodies] == ["check_balance"] * 2


@pytest.mark.parametrize(
    "options", [{"name": " "}, {"name": "openai/gpt-4o", "timeout": 0}, {"name": "openai/gpt-4o", "timeout": float("nan")}]
)
def test_a_model_that_cannot_be_asked_is_refused_where_it_is_written(options: dict[str, object]) -> None:
    with pytest.raises(AgentGraphError, match="give"):
        LiteLLMModel(**options)  # type: ignore[arg-type]
