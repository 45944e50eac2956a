"""The pytest plugin: handoff coverage, and counterexamples below the tests that failed by them.

It is loaded wherever the package is installed, so it imports nothing until it is asked for something.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.graph.topology import Topology
    from agentgraph.testing.handoff_coverage import HandoffCoverage

_ROWS = "agentgraph_handoffs"
_REPORTS = "term, json:FILE, or diagram:FILE (.mmd, .md, .dot, .svg, .png, .html)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("agentgraph", "handoff coverage of agent graphs")
    group.addoption(
        "--handoff-cov",
        action="append",
        default=[],
        metavar="TARGET",
        help="measure which handoffs of this graph fire in the tests: module:attribute, path/to/file.py:attribute, or a saved topology; may be given several times",
    )
    group.addoption(
        "--handoff-cov-fail-under",
        type=float,
        default=None,
        metavar="N",
        help="fail when fewer than N of a hundred handoffs of any target fired",
    )
    group.addoption(
        "--handoff-cov-report",
        action="append",
        default=[],
        metavar="REPORT",
        help=f"{_REPORTS}; may be given several times; default: term",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch, where coverage is asked for."""
    if config.getoption("--handoff-cov"):
        config.pluginmanager.register(_Coverage(config), "agentgraph-handoff-coverage")
    elif config.getoption("--handoff-cov-report") or config.getoption("--handoff-cov-fail-under") is not None:
        raise pytest.UsageError("handoff coverage of what? give --handoff-cov=module:attribute, too")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:  # noqa: ARG001
    """Show the counterexample of a verdict that a test failed by."""
    report: Any = yield
    if call.excinfo is not None and report.failed:
        for verdict in _refuted(call.excinfo.traceback[-1].frame.f_locals):
            report.sections.append(("counterexample", _told(verdict)))
    return report  # type: ignore[no-any-return]


def _refuted(values: dict[str, Any]) -> list[Any]:
    """The verdicts among `values`, and among what the assertion was made of, that do not hold; each once."""
    found = {id(value): value for value in values.values() if _is_verdict(value) and not value.holds}
    return list(found.values())


def _is_verdict(value: Any) -> bool:
    """Whether it is one. Only its class is looked at: reading an attribute of anything else may do anything."""
    proofs = sys.modules.get("agentgraph.checks.verdict")  # who has a verdict has imported them
    return proofs is not None and type(value) is proofs.Verdict


def _told(verdict: Any) -> str:
    return f"{', '.join(map(str, verdict.path))}\n\n{verdict.to_mermaid()}"


class _Coverage:
    """Handoff coverage of one session. With pytest-xdist every worker counts, and the controller adds and reports."""

    def __init__(self, config: pytest.Config) -> None:
        from agentgraph.runtime.watchers import WATCHERS
        from agentgraph.testing.handoff_coverage import Tally

        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        self.targets: dict[str, Topology] = {} if self.is_worker else _targets(config)
        self.reports = [_report(given) for given in config.getoption("--handoff-cov-report") or ["term"]]
        self.tally = Tally()
        self._watching = ExitStack()
        self._watching.enter_context(WATCHERS.told(self.tally.see))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker of pytest-xdist has counted."""
        self.tally.add(getattr(node, "workeroutput", {}).get(_ROWS, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over, or write what was asked for and judge."""
        if self.is_worker:
            self.config.workeroutput[_ROWS] = self.tally.rows()  # type: ignore[attr-defined]
            return
        self.measured = self._measured()
        for kind, file in self.reports:
            if kind == "json":
                _write_json(file, self.measured)
            elif kind == "diagram":
                _draw(file, self.measured)
        if self._too_little() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table, and whether it is enough."""
        if any(kind == "term" for kind, _ in self.reports):
            for target, coverage in self.measured.items():
                terminalreporter.section(f"handoff coverage: {target}")
                for line in coverage.lines():
                    terminalreporter.line(line)
                if not coverage.runs and self.tally.counts:
                    terminalreporter.line("no run was one of this graph: the runs that were seen have other fingerprints")
        least = self.config.getoption("--handoff-cov-fail-under")
        for target in self._too_little():
            terminalreporter.line(
                f"handoff coverage of {target} is {self.measured[target].percent:.1f}%, less than {least:g}%", red=True, bold=True
            )

    def pytest_unconfigure(self) -> None:
        """Watch no longer."""
        self._watching.close()

    def _measured(self) -> dict[str, HandoffCoverage]:
        from agentgraph.testing.handoff_coverage import HandoffCoverage

        return {target: HandoffCoverage(graph, self.tally) for target, graph in self.targets.items()}

    def _too_little(self) -> list[str]:
        least = self.config.getoption("--handoff-cov-fail-under")
        return [target for target, coverage in self.measured.items() if least is not None and coverage.percent < least]


def _targets(config: pytest.Config) -> dict[str, Topology]:
    from agentgraph.cli.target import look_in, topology_at
    from agentgraph.errors import DefinitionError

    look_in(config.invocation_params.dir)
    try:
        return {target: topology_at(target) for target in config.getoption("--handoff-cov")}
    except DefinitionError as wrong:
        raise pytest.UsageError(f"--handoff-cov: {wrong}") from wrong


def _report(given: str) -> tuple[str, Path]:
    kind, _, file = given.partition(":")
    if kind not in ("term", "json", "diagram") or (kind == "term") == bool(file):
        raise pytest.UsageError(f"--handoff-cov-report was given {given!r}; give {_REPORTS}")
    return kind, Path(file)


def _write_json(file: Path, measured: dict[str, HandoffCoverage]) -> None:
    import json

    whole = [{"target": target, **coverage.as_data()} for target, coverage in measured.items()]
    file.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _draw(file: Path, measured: dict[str, HandoffCoverage]) -> None:
    """One file a target: the further ones are numbered."""
    for number, coverage in enumerate(measured.values(), 1):
        coverage.diagram().save(file if number == 1 else file.with_stem(f"{file.stem}-{number}"))
