"""The command line. Exit codes: 0 fine, 1 findings, differences or a run that failed, 2 wrong use; errors are one line on stderr."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agentgraph.cli.conversations.commands import conversations
from agentgraph.cli.log_lines import log_in_lines
from agentgraph.cli.options import NAMED, AppDir, Model, StoreURL, Target
from agentgraph.cli.visible import visible
from agentgraph.errors import AgentGraphError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130

Kept = Annotated[
    Path | None, typer.Option(help="the conversation so far; read if it is there, and written after each turn", metavar="FILE")
]
Conversation = Annotated[str | None, typer.Option(help="keep the conversation in the store, under this id", metavar="ID")]
_DRAWN = f"{NAMED}; or a saved topology (.json, .yaml)"
Output = Annotated[str, typer.Option("--output", "-o", help="where to; its ending names the format. '-' prints Mermaid", metavar="FILE")]

app = typer.Typer(
    help="The agent topology you can see, prove and run.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(conversations, name="conversations")


@app.callback()
def root() -> None:
    """Hold subcommands, even while there is one."""


@app.command()
def demo() -> None:
    """Watch Triage hand a billing question to Billing, which calls a tool and answers. Offline: rules answer, not a model."""
    from agentgraph.cli.demo import show

    show()


@app.command()
def run(
    target: Target,
    text: Annotated[str, typer.Argument(help="what the user says", metavar="TEXT")],
    model: Model = None,
    context: Kept = None,
    store: StoreURL = None,
    conversation: Conversation = None,
    app_dir: AppDir = None,
    json: Annotated[bool, typer.Option("--json", help="print the result as one JSON object")] = False,
    trace: Annotated[Path | None, typer.Option(help="record the turn here, behind those that are there", metavar="FILE")] = None,
) -> None:
    """Hold one turn of a conversation with TARGET."""
    from agentgraph.cli.run import Where, run_once
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    raise typer.Exit(run_once(target, text, model, Where(context, trace, store, conversation), as_json=json))


@app.command()
def chat(
    target: Annotated[str | None, typer.Argument(help=f"{NAMED}; left out, the offline demonstration", metavar="[TARGET]")] = None,
    model: Model = None,
    context: Kept = None,
    store: StoreURL = None,
    conversation: Conversation = None,
    app_dir: AppDir = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="neither read nor keep the lines of other sessions")] = False,
) -> None:
    """Talk with TARGET, and watch what its agents do. In a pipe, each line is a message or a command."""
    from agentgraph.cli.chat.start import chat as start
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    raise typer.Exit(start(target, model, context, store, conversation, history=not no_history))


@app.command()
def worker(
    target: Target,
    store: StoreURL = None,
    dbos: Annotated[
        str | None,
        typer.Option(help="where DBOS keeps its queue; left out, in the same PostgreSQL, or in a file beside the store", metavar="URL"),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="turns at a time", min=1, metavar="N")] = 8,
    lease: Annotated[float, typer.Option(help="seconds without a sign of life until others take over", min=1.0, metavar="SECONDS")] = 10.0,
    grace: Annotated[float, typer.Option(help="seconds for what is in hand, when told to stop", min=0.0, metavar="SECONDS")] = 30.0,
    model: Model = None,
    app_dir: AppDir = None,
) -> None:
    """Hold the turns with TARGET that were submitted through a DBOSExecutor, until SIGTERM or ctrl-C."""
    from agentgraph.cli.target import look_in
    from agentgraph.cli.worker import work

    look_in(app_dir)
    raise typer.Exit(work(target, store, dbos, model, concurrency, lease, grace))


@app.command()
def render(
    target: Annotated[str, typer.Argument(help=_DRAWN, metavar="TARGET")],
    output: Output = "-",
    view: Annotated[str | None, typer.Option(help="topology, architecture, full or machine", metavar="VIEW")] = None,
    direction: Annotated[str | None, typer.Option(help="TD or LR", metavar="DIR")] = None,
    groups: Annotated[list[str] | None, typer.Option(help="open, closed, a depth; or Name=closed, several times", metavar="GROUPS")] = None,
    tools: Annotated[str | None, typer.Option(help="badge, box or none", metavar="TOOLS")] = None,
    focus: Annotated[str | None, typer.Option(help="an agent or a group", metavar="NAME")] = None,
    hops: Annotated[str | None, typer.Option(help="how far around the focus", metavar="N")] = None,
    title: Annotated[str | None, typer.Option(help="a title above it", metavar="TEXT")] = None,
    theme: Annotated[str | None, typer.Option(help="agentgraph or plain", metavar="THEME")] = None,
    ids: Annotated[str | None, typer.Option(help="name or short", metavar="IDS")] = None,
    on_large: Annotated[str | None, typer.Option(help="collapse, error or all", metavar="WHAT")] = None,
    app_dir: AppDir = None,
) -> None:
    """Draw TARGET."""
    from agentgraph.cli.render import render as draw
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    given = {"view": view, "direction": direction, "tools": tools, "focus": focus, "hops": hops}
    given |= {"title": title, "theme": theme, "ids": ids, "on_large": on_large}
    draw(target, output, {"groups": groups or [], **{option: [word] for option, word in given.items() if word is not None}})


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help=_DRAWN, metavar="OLD")],
    new: Annotated[str, typer.Argument(help=_DRAWN, metavar="NEW")],
    json: Annotated[bool, typer.Option("--json", help="print the difference as one JSON object")] = False,
    output: Annotated[str | None, typer.Option("--output", "-o", help="draw both here, in one picture", metavar="FILE")] = None,
    app_dir: AppDir = None,
) -> None:
    """Tell what changed from OLD to NEW, and what can be reached that could not be before. Exit code 1 when anything did."""
    from agentgraph.cli.diff import show_difference
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    raise typer.Exit(show_difference(old, new, output, as_json=json))


@app.command()
def replay(
    traces: Annotated[
        list[str],
        typer.Argument(
            help='traces, or .json and .jsonl files with "messages"; folders of them; or stores, such as sqlite:///talks.db',
            metavar="TRACE...",
        ),
    ],
    against: Annotated[str | None, typer.Option(help=_DRAWN, metavar="TARGET")] = None,
    reaches: Annotated[str | None, typer.Option(help="count the conversations that reach this agent or group", metavar="NAME")] = None,
    json: Annotated[bool, typer.Option("--json", help="print what came of it as one JSON object")] = False,
    app_dir: AppDir = None,
) -> None:
    """Replay recorded conversations against TARGET, without a model, and tell where it does something else. Exit code 1 if it does.

    Without a TARGET: tell which way they went.
    """
    from agentgraph.cli.replay import show_replay
    from agentgraph.cli.retold import show_recorded
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    found = show_recorded(traces, reaches, as_json=json) if against is None else show_replay(traces, against, reaches, as_json=json)
    raise typer.Exit(found)


@app.command()
def docs(
    files: Annotated[list[Path], typer.Argument(help="Markdown files, or folders with .md files", metavar="FILE...")],
    check: Annotated[bool, typer.Option("--check", help="write nothing; print what is stale, and exit with 1 if anything is")] = False,
    app_dir: AppDir = None,
) -> None:
    """Draw anew what stands between <!-- agentgraph: TARGET option=value --> and <!-- /agentgraph --> in Markdown files."""
    from agentgraph.cli.docs import refresh
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    raise typer.Exit(refresh(files, check=check))


Policy = Annotated[
    list[str] | None,
    typer.Option(
        help="module:attribute or file.py:attribute; specs and questions, or a function of the graph that gives them", metavar="POLICIES"
    ),
]


@app.command()
def check(
    target: Annotated[str, typer.Argument(help=_DRAWN, metavar="TARGET")],
    policy: Policy = None,
    lock: Annotated[
        Path | None, typer.Option(help="a file that `agentgraph lock` wrote; findings that it knows pass", metavar="FILE")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print what was found as one JSON object")] = False,
    app_dir: AppDir = None,
) -> None:
    """Tell what is wrong with TARGET, which policies do not hold, and what is looser than locked. Exit code 1 when anything is."""
    from agentgraph.cli.check import show_findings
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    raise typer.Exit(show_findings(target, policy or (), lock, as_json=json))


@app.command()
def lock(
    target: Annotated[str, typer.Argument(help=_DRAWN, metavar="TARGET")],
    policy: Policy = None,
    output: Annotated[str, typer.Option("--output", "-o", help="where to; '-' prints it", metavar="FILE")] = "agentgraph.lock",
    app_dir: AppDir = None,
) -> None:
    """Write down what TARGET guarantees, for `agentgraph check --lock` to hold it to."""
    from agentgraph.cli.lock import write_lock
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    write_lock(target, policy or (), output)


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `agentgraph`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show an answer shows what it was
    log_in_lines()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = _run(given) if given else _run(["--help"]) or WRONG_USE
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_quietly()
    except OSError as error:
        _quit(f"the output cannot be written: {error}", FAILED)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """The exit code of one command. Only a broken or full output leaves by an exception."""
    out = sys.stdout
    try:
        code = typer.main.get_command(app)(arguments, prog_name="agentgraph", standalone_mode=False)
    except AgentGraphError as error:
        return _say(str(error), WRONG_USE)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except SystemExit:
        if sys.stdout is out:
            raise
        _leave_quietly()  # typer found the pipe closed, put another stdout in its place, and gave up
    except Exception as error:
        explain = getattr(error, "format_message", None)  # how the command line parser says that it was used wrongly
        if explain is None:
            raise
        return _say(f"{explain()} (see agentgraph --help)", WRONG_USE)
    if code == INTERRUPTED:  # typer has caught it, and is silent
        return _say("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _say(message: str, code: int) -> int:
    print("agentgraph: " + visible(" ".join(message.split())), file=sys.stderr)
    return code


def _quit(message: str, code: int) -> NoReturn:
    _say(message, code)
    os._exit(code)  # nothing is left to flush, and trying to would be told as a traceback


def _leave_quietly() -> NoReturn:
    """Whoever read our output has gone: there is nobody to tell, and nothing is wrong."""
    os._exit(0)


if __name__ == "__main__":
    main()
