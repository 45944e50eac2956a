"""`agentgraph conversations`: what a store holds, from a shell."""

from __future__ import annotations

from typing import Annotated

import typer

from agentgraph.cli.options import AppDir, Model, StoreURL, Target

Id = Annotated[str, typer.Argument(help="a conversation in the store", metavar="ID")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]

conversations = typer.Typer(
    help="Look at the conversations in a store, branch them off, take them up, or delete them.", rich_markup_mode=None
)


@conversations.command("list")
def list_(
    prefix: Annotated[str, typer.Argument(help="only ids that begin so", metavar="[PREFIX]")] = "",
    store: StoreURL = None,
    after: Annotated[str, typer.Option(help="only those behind this one: the last that was listed before", metavar="ID")] = "",
    limit: Annotated[int, typer.Option(help="how many at most", min=1, metavar="N")] = 100,
    json: AsJson = False,
) -> None:
    """List conversations: the id, the last step, whether a turn is unfinished, and when it was written."""
    from agentgraph.cli.conversations.acts import list_in

    list_in(store, prefix, after, limit, as_json=json)


@conversations.command()
def show(
    id: Id,
    store: StoreURL = None,
    at: Annotated[int | None, typer.Option(help="as it was after this step", min=0, metavar="SEQ")] = None,
    json: AsJson = False,
) -> None:
    """Print a conversation, with the number of each step."""
    from agentgraph.cli.conversations.acts import show_in

    show_in(store, id, at, as_json=json)


@conversations.command()
def fork(
    id: Id,
    seq: Annotated[int, typer.Argument(help="the step behind which the new one begins", min=0, metavar="SEQ")],
    new: Annotated[str | None, typer.Argument(help="its id; left out, one is made", metavar="[NEW]")] = None,
    store: StoreURL = None,
) -> None:
    """Begin another conversation where this one was after step SEQ; its id is printed."""
    from agentgraph.cli.conversations.acts import fork_in

    fork_in(store, id, seq, new)


@conversations.command()
def resume(
    target: Target,
    id: Id,
    store: StoreURL = None,
    approve: Annotated[list[str] | None, typer.Option(help="allow this call; several times", metavar="CALL")] = None,
    deny: Annotated[list[str] | None, typer.Option(help="do not allow this call; several times", metavar="CALL")] = None,
    model: Model = None,
    app_dir: AppDir = None,
    json: AsJson = False,
) -> None:
    """Take up the turn that was left unfinished, with the agents of TARGET."""
    from agentgraph.cli.conversations.acts import resume_in
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    answers = dict.fromkeys(approve or [], True) | dict.fromkeys(deny or [], False)
    raise typer.Exit(resume_in(store, target, id, answers, model, as_json=json))


@conversations.command()
def cancel(target: Target, id: Id, store: StoreURL = None, app_dir: AppDir = None) -> None:
    """End the turn in hand, whoever holds it, with the agents of TARGET."""
    from agentgraph.cli.conversations.acts import cancel_in
    from agentgraph.cli.target import look_in

    look_in(app_dir)
    cancel_in(store, target, id)


@conversations.command()
def delete(
    id: Id,
    store: StoreURL = None,
    yes: Annotated[bool, typer.Option("--yes", help="do it; nothing brings it back")] = False,
) -> None:
    """Forget a conversation, with all its steps."""
    from agentgraph.cli.conversations.acts import delete_in

    delete_in(store, id, sure=yes)


@conversations.command()
def delete_before(
    when: Annotated[str, typer.Argument(help="an age, such as 30d, 12h or 45m, or a time, such as 2026-01-31T00:00Z", metavar="WHEN")],
    store: StoreURL = None,
    yes: Annotated[bool, typer.Option("--yes", help="do it; nothing brings them back")] = False,
) -> None:
    """Forget the conversations that were last written before WHEN, but for those that a turn has in hand."""
    from agentgraph.cli.conversations.acts import delete_before_in

    delete_before_in(store, when, sure=yes)


@conversations.command()
def size(store: StoreURL = None, json: AsJson = False) -> None:
    """Tell how many conversations and steps a store holds, and how many bytes it takes on the disk."""
    from agentgraph.cli.conversations.acts import size_of

    size_of(store, as_json=json)
