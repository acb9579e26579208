"""A look, some time later, at what was held back: made in a thread that lives only while there may be something.

Used by `reporter`, so that the last report before a silence is sent too. Why `_thread`, and a lock as a bell? A signal
handler that reports must not meet a lock that its own thread holds, as an Event has one while it is set, nor wait for
a thread to begin. A process is forked without the thread, after a last look. Nothing here raises or prints.
Python 3.9, standard library only.
"""

from __future__ import annotations

import _thread
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, Optional, Set

if TYPE_CHECKING:
    from threading import RLock

LONGEST_WAIT = 3600.0
REST_SECONDS = 0.2
"""How long a fork waits for our threads, which need a millisecond unless the forking thread holds their lock."""


class _Life:
    """One thread, from its start to its end."""

    def __init__(self) -> None:
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._native = 0
        self._is_over = False

    def begin(self) -> None:
        """In the thread. No signal is delivered to it: a program may wait for one in a thread of its own choice."""
        self._native = _thread.get_native_id()
        import signal  # here, since it costs every program a millisecond that most have no need of

        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def is_rung_within(self, seconds: float) -> bool:
        return self._bell.acquire(True, min(max(0.0, seconds), LONGEST_WAIT))

    def ring(self) -> None:
        with suppress(RuntimeError):  # somebody else has
            self._bell.release()

    def end(self) -> None:
        self._is_over = True

    def is_gone(self) -> bool:
        """Whether the kernel no longer has it either: Python warns who forks with more threads than one."""
        return self._is_over and not os.path.exists(f"/proc/self/task/{self._native}")


class Afterlook:
    """Calls `look` with `lock` held. It says in how many seconds to look again; None: there is nothing to wait for.

    Its argument: whether this is the last look for now, whatever it says.
    """

    def __init__(self, lock: RLock, look: Callable[[bool], Optional[float]]) -> None:
        self._lock = lock
        self._look = look
        self._life: Optional[_Life] = None

    def start(self, seconds: float) -> None:
        """Look in so many seconds, unless a look is to come anyway. To be called with the lock held."""
        if self._life is not None:
            return
        self._life = life = _Life()
        _looking.add(self)
        try:
            _thread.start_new_thread(self._live, (life, seconds))
        except Exception:  # no room for a thread, or the interpreter is ending
            self._leave(life)

    def stop(self) -> Optional[_Life]:
        """From now on `look` is not called, but by a thread that has the lock already."""
        life = self._life
        if life is not None:
            self._leave(life)
            life.ring()
        return life

    def rest(self) -> Optional[_Life]:
        """One last look, and no more until another start; not for the price of waiting for a lock."""
        life = self.stop()
        if self._lock.acquire(timeout=REST_SECONDS):
            try:
                self._look(True)
            except Exception:
                return life
            finally:
                self._lock.release()
        return life

    def _live(self, life: _Life, seconds: float) -> None:
        wait: Optional[float] = seconds
        try:
            life.begin()
            while wait is not None and not life.is_rung_within(wait):
                wait = self._look_once(life)
        except Exception:
            self._leave(life)
        finally:
            life.end()

    def _look_once(self, life: _Life) -> Optional[float]:
        """Leaves while it has the lock: whoever has something to say afterwards starts another thread."""
        with self._lock:
            if self._life is not life:
                return None
            wait = self._look(False)
            if wait is None:
                self._leave(life)
            return wait

    def _leave(self, life: _Life) -> None:
        if self._life is life:
            self._life = None
            _looking.discard(self)


_looking: Set[Afterlook] = set()


def _rest() -> None:
    """Nor do we start threads again after the fork: Python 3.13 would warn of those too. The next report does."""
    lives = [each.rest() for each in tuple(_looking)]
    until = time.monotonic() + REST_SECONDS
    while any(life and not life.is_gone() for life in lives) and time.monotonic() < until:
        time.sleep(0.0002)


def _begin_anew() -> None:
    """In the child, which has no thread of ours, also if another thread of the parent had just started one."""
    for each in tuple(_looking):
        each.stop()


os.register_at_fork(before=_rest, after_in_child=_begin_anew)
