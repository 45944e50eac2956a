"""What the child of a fork has of its parent, and is to leave alone."""

from __future__ import annotations

_LEFT: list[object] = []


def leave_to_the_parent(thing: object) -> None:
    """Never collect `thing`, nor what it refers to: not even when the process ends.

    What is collected is closed, and these are the parent's connections; what is collected last of all finds the modules
    gone that it is closed with, and complains. So it gets a reference that nobody gives back.
    """
    _LEFT.append(thing)
    try:
        from ctypes import py_object, pythonapi
    except ImportError:  # an interpreter that does not count references
        return
    pythonapi.Py_IncRef(py_object(thing))
