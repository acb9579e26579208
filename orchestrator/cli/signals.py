"""What a signal does to `tfo`: ends it at once while nothing has been made, later whatever the command wants.

`main` calls `catch` before anything else is imported and `ignore` when the exit code is known; `run` says with
`give_to` who hears of signals between its first folder and its last line. One receiver per process, since signals
belong to the process. Never raises KeyboardInterrupt, so no traceback can come of a Ctrl-C.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
CODES = {int(number): 128 + number for name in _NAMES if (number := getattr(signal, name, None))}
"""The exit code that says which signal it was; not every system has all of them."""
Receiver = Callable[[int], object]


def exit_at_once(number: int) -> None:
    """Also in the middle of an import, where an exception might be swallowed or reported."""
    os._exit(CODES[number])


def exit_soon(number: int) -> None:
    """Unwinds, so that a command can put back what it holds."""
    raise SystemExit(CODES[number])


def do_nothing(number: int) -> None:
    """The exit code is known; what is left takes no time."""


_receiver: Receiver = exit_at_once


def catch() -> None:
    """What the caller of `tfo` ignores, as nohup does with SIGHUP, stays ignored."""
    for number in CODES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _receive)


def catch_interrupt() -> None:
    """SIGINT even where it was ignored, as in a background job of a script: `tfo stop` sends it."""
    if signal.getsignal(signal.SIGTERM) is _receive:
        signal.signal(signal.SIGINT, _receive)


def ignore() -> None:
    """To the end of the process, the interpreter's own end included, which would reset a handler of ours."""
    for number in CODES:
        signal.signal(number, signal.SIG_IGN)


def give_to(receiver: Receiver) -> None:
    global _receiver
    _receiver = receiver


def on_continue(receiver: Callable[[], object]) -> None:
    """SIGCONT, for whoever has to know that this process was stopped for a while, as by Ctrl-Z."""
    signal.signal(signal.SIGCONT, lambda number, frame: receiver())


class GivenTo:
    """`with` it: another receiver for a while."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._before = receiver

    def __enter__(self) -> None:
        self._before = _receiver
        give_to(self._receiver)

    def __exit__(self, *_: object) -> None:
        give_to(self._before)


def _receive(number: int, frame: FrameType | None) -> None:
    _receiver(number)


class Inbox:
    """A receiver that keeps signals until somebody listens."""

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._listener: Receiver | None = None

    def __call__(self, number: int) -> None:
        if self._listener is None:
            self._kept.append(number)
        else:
            self._listener(number)

    def listen(self, listener: Receiver) -> None:
        """From now on, after what came before."""
        self._listener = listener
        self.pass_on(listener)

    def pass_on(self, listener: Receiver) -> None:
        """What came before, and no more than that."""
        while self._kept:
            listener(self._kept.pop(0))
