"""A run in a notebook, while it lasts: one picture of the graph, that follows where the conversation is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, overload

from agentgraph.views.diagram import Diagram
from agentgraph.views.look import look_at
from agentgraph.views.scene import picture_of

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology


class Handle(Protocol):
    """What is on the page, and can be replaced."""

    def update(self, shown: Any) -> object:
        """Show this instead."""
        ...


Display = Callable[[Any], Handle | None]
"""Puts something on the page; None where there is no page that could change, as IPython's does outside of a notebook."""


@overload
def show(stream: Iterator[Any], graph: Topology, *, display: Display | None = None, **look: Any) -> Iterator[Any]: ...
@overload
def show(stream: AsyncIterator[Any], graph: Topology, *, display: Display | None = None, **look: Any) -> AsyncIterator[Any]: ...
def show(stream: Any, graph: Topology, *, display: Display | None = None, **look: Any) -> Any:
    """Yield what `stream` does, and keep one picture of `graph` up to date meanwhile; options as for `graph.diagram()`.

    `stream` is what `runner.stream(...)` or `runner.astream(...)` gives. `display` puts the first picture on the page; without
    one IPython's does.
    """
    page = _Page(stream, graph, display or _on_page, look)
    return _shown_later(stream, page) if hasattr(stream, "__anext__") else _shown(stream, page)


class _Page:
    """The picture of the latest snapshot. It is drawn again where the conversation has gone on, and replaced where it looks otherwise."""

    def __init__(self, stream: Any, graph: Topology, display: Display, look: dict[str, Any]) -> None:
        self._theme = look.pop("theme", None)
        self._stream, self._graph, self._look = stream, graph, look
        self._seen, self._last = stream.context, self._drawn()
        self._handle = display(self._last)

    def _drawn(self) -> Diagram:
        return Diagram(picture_of(self._graph, look_at(run=self._stream.result.trace, **self._look)), self._theme)

    def follow(self) -> None:
        """Something may have happened."""
        if self._stream.context is self._seen:
            return
        self._seen = self._stream.context
        drawn = self._drawn()
        if drawn != self._last:
            self._last = drawn
            if self._handle is not None:
                self._handle.update(drawn)


def _shown(stream: Any, page: _Page) -> Iterator[Any]:
    for observation in stream:
        page.follow()
        yield observation


async def _shown_later(stream: Any, page: _Page) -> AsyncIterator[Any]:
    async for observation in stream:
        page.follow()
        yield observation


def _on_page(shown: Any) -> Handle | None:
    from IPython.display import display

    return display(shown, display_id=True)  # type: ignore[no-any-return]
