"""Work that no signal cuts off.

Python raises KeyboardInterrupt between any two steps of the main thread, and what it is raised in need not be ready for it: a
driver is left in the middle of an answer, a lock is taken and in nobody's hand. So the main thread, which signals interrupt,
only waits, and another does the work.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
_ENDING = 1.0  # seconds for work that nobody waits for any more to come to its end
_Work = Callable[[], None]
_IDLE: list[SimpleQueue[_Work]] = []
"""Where threads wait for work. There are more than one only when one was left at its work."""


def undisturbed(work: Callable[[], T], leave: Callable[[], object]) -> T:
    """What `work` gives. Who is interrupted while waiting for it calls `leave`, by which it is to end soon."""
    if threading.get_ident() != threading.main_thread().ident or sys.is_finalizing():
        return work()
    done = _thread.allocate_lock()
    done.acquire()
    given: list[T] = []
    raised: list[BaseException] = []

    def hold() -> None:
        try:
            given.append(work())
        except BaseException as wrong:  # noqa: BLE001 - raised again where it is waited for
            raised.append(wrong)
        finally:
            done.release()

    try:
        _begin(hold)
        done.acquire()
    except BaseException:
        leave()
        if not given and not raised:
            done.acquire(timeout=_ENDING)
        raise
    if raised:
        raise raised.pop()
    return given.pop()


def _begin(hold: _Work) -> None:
    try:
        _IDLE.pop().put(hold)
    except IndexError:
        try:
            _thread.start_new_thread(_work, (hold,))
        except RuntimeError:  # no thread can be had
            hold()


def _work(first: _Work) -> None:
    work, more = first, SimpleQueue[_Work]()
    while True:
        work()
        del work  # what it holds is not held until the next one comes
        _IDLE.append(more)
        work = more.get()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IDLE.clear)  # the threads are the parent's
