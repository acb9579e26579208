"""The agreed stop: SIGTERM sets a flag, members add their flags up at common steps, and all stop at the same one.

Called by `CheckpointCallback`, and by users' own training loops: a member that stopped alone would leave its peers
waiting in a collective for ever, and a save needs every member. Signal handlers only set a flag; nothing is agreed
between the common steps. TensorFlow is used only where it is already loaded. Python 3.9 syntax.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from typing import Any, Callable, NoReturn, Optional, Tuple

from orchestrator.protocol.environment import TF_CONFIG
from orchestrator.train.membership import context
from orchestrator.train.reporter import current
from orchestrator.train.sigterm import SigtermFlag

STOPPED_EXIT_CODE = 143
"""What a program that was told to stop exits with: 128 + SIGTERM, as a shell would say it."""
SECONDS_BETWEEN_CHECKS = 1.0
MAX_STEPS_BETWEEN_CHECKS = 1000
MAX_MILLISECONDS = 5000
"""Of an interval, as a member says it: 3,000 of them still add up exactly in float32."""
LEADER_EXIT_DELAY = 0.2

AllReduce = Callable[[int, int], Tuple[int, float]]
"""Of the (flag, milliseconds) of each member makes how many flags are set and the mean of the milliseconds."""


_sigterm = SigtermFlag()


class StopAgreement:
    """Decides on all members alike whether training stops at a step.

    strategy: the MultiWorkerMirroredStrategy of the program; not needed in a single process or inside its scope.
    every: steps between two agreements; by default as many as take about a second, the same on all members.
    """

    def __init__(self, strategy: Optional[Any] = None, every: Optional[int] = None) -> None:
        self._strategy = strategy
        self._every = every
        self._all_reduce: Optional[AllReduce] = None
        self._is_prepared = False
        self._next: Optional[int] = None
        self._last: Tuple[int, float] = (0, 0.0)
        self._is_agreed = False
        self._is_listening = True
        _sigterm.listen()
        current().end_start()

    def should_stop(self, step: int, now: bool = False) -> bool:
        """Whether to save and stop after this step. Every member must call it with the same steps.

        now: agree at this very step, whatever the rhythm (at the end of training).
        """
        if self._is_agreed:
            return True
        if not self._is_prepared:
            self._all_reduce = _all_reduce_of(self._strategy)
            self._is_prepared = True
        if self._all_reduce is None:
            self._is_agreed = _sigterm.is_set
        elif now or self._next is None or step >= self._next:
            self._agree(self._all_reduce, step)
        return self._is_agreed

    def leave(self) -> NoReturn:
        """End this process with exit code 143, after every member has come here; call it when all is saved."""
        reporter = current()
        reporter.close()
        if self._all_reduce is None:
            sys.exit(STOPPED_EXIT_CODE)
        with contextlib.suppress(Exception):  # a peer was faster and is gone already
            self._all_reduce(1, 0)
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if context().is_leader:
            # Why wait? The leader hosts TensorFlow's coordination service; a peer that still runs would abort noisily.
            time.sleep(LEADER_EXIT_DELAY)
        # Why not sys.exit? TensorFlow's shut-down waits for peers that are leaving too, and may wait long.
        os._exit(STOPPED_EXIT_CODE)

    def close(self) -> None:
        """Training is over: SIGTERM ends the process at once again."""
        if self._is_listening:
            self._is_listening = False
            _sigterm.unlisten()

    def _agree(self, all_reduce: AllReduce, step: int) -> None:
        at = time.monotonic()
        last_step, last_at = self._last
        elapsed = 0 if self._next is None else round((at - last_at) * 1000)
        flags, milliseconds = all_reduce(int(_sigterm.is_set), min(elapsed, MAX_MILLISECONDS))
        self._is_agreed = flags > 0
        agreed_at = time.monotonic()
        current().add_callback_seconds(agreed_at - at)
        self._last = (step, agreed_at)
        self._next = step + (self._every or interval(step - last_step, milliseconds))


def interval(steps: int, milliseconds: float) -> int:
    """Steps until the next agreement, if the last so many steps took so long on the average member."""
    if steps <= 0 or milliseconds <= 0:
        return 1
    return max(1, min(MAX_STEPS_BETWEEN_CHECKS, round(SECONDS_BETWEEN_CHECKS * 1000 * steps / milliseconds)))


def _all_reduce_of(strategy: Optional[Any]) -> Optional[AllReduce]:
    """How to add numbers up over the members; None where a process decides for itself."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return None
    if strategy is None:
        strategy = tf.distribute.get_strategy()
        if not tf.distribute.has_strategy() and TF_CONFIG in os.environ and context().world_size > 1:
            raise ValueError(
                "this program is one of several: pass its strategy, as in StopAgreement(strategy)"
            )
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return _collective(tf, strategy)
    return None


def _collective(tf: Any, strategy: Any) -> AllReduce:
    @tf.function(autograph=False)
    def add_up(values: Any) -> Any:
        in_replicas = strategy.run(lambda value: value + 0.0, args=(values,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, in_replicas, axis=None)

    def all_reduce(flag: int, milliseconds: int) -> Tuple[int, float]:
        # Whole numbers with a sum below 2**24 add up exactly in float32, in any order: the same on every member.
        mine = strategy.experimental_distribute_values_from_function(
            lambda replica: tf.constant([float(flag), float(milliseconds)], tf.float32)
        )
        total = add_up(mine).numpy()
        return int(total[0]), float(total[1]) / strategy.num_replicas_in_sync

    return all_reduce
