"""The network between agents and the coordinator: it may lose, repeat, delay and so reorder any message."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.backends.memory.clock import VirtualClock

USUAL_DELAY = 0.02
LONG_DELAY = 6.0
FORGET_SECONDS = 15.0
"""After this time something newer has been said, even if a message or two were lost."""


@dataclass(frozen=True)
class Weather:
    """How bad the network is: shares of the messages."""

    lost: float = 0.0
    repeated: float = 0.0
    delayed: float = 0.0


FAIR = Weather()
FOUL = Weather(lost=0.1, repeated=0.1, delayed=0.1)


class Network:
    """`cut`: UIDs of agents that nothing reaches and that reach nothing."""

    def __init__(self, clock: VirtualClock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self.weather = FAIR
        self.cut: set[str] = set()
        self._confused_until = self._deaf_until = 0.0

    @property
    def is_orderly(self) -> bool:
        """Nobody holds something old for new: no message has overtaken another lately."""
        return self._clock.seconds > self._confused_until

    @property
    def is_reliable(self) -> bool:
        """Everything that was said lately has been heard, in its order."""
        return self.is_orderly and self._clock.seconds > self._deaf_until

    def send(self, uid: str, deliver: Callable[[], None]) -> None:
        """One message from or to this agent."""
        weather, chance = self.weather, self._chance
        for _ in range(2 if weather.repeated and chance.random() < weather.repeated else 1):
            if uid in self.cut or (weather.lost and chance.random() < weather.lost):
                self._deaf_until = self._clock.seconds + FORGET_SECONDS
                continue
            is_late = weather.delayed and chance.random() < weather.delayed
            delay = chance.uniform(0.1, LONG_DELAY) if is_late else USUAL_DELAY
            if is_late:
                self._confused_until = max(self._confused_until, self._clock.seconds + delay + FORGET_SECONDS)
            self._clock.after(delay, lambda: self._arrive(uid, deliver))

    def _arrive(self, uid: str, deliver: Callable[[], None]) -> None:
        if uid not in self.cut:
            deliver()
