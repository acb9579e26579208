"""What a controller does after months, or in a bad moment, on a real API server: the times are cut short for it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import Cluster, wait_for
from tests.fixtures.controllers import PROGRAM, QUICK_ELECTION, ControllerProcess

pytestmark = pytest.mark.cluster
FOR_EVER = 1e6
Start = Callable[..., ControllerProcess]


def impatient(lead_seconds: float) -> tuple[str, ...]:
    return ("-m", "tests.fixtures.impatient_controller", str(lead_seconds))


@pytest.fixture
def start(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a controller of this namespace alone."""
    made: list[ControllerProcess] = []

    def start(program: tuple[str, ...] = PROGRAM) -> ControllerProcess:
        flags = (f"--namespaces={namespace}", *QUICK_ELECTION)
        made.append(
            ControllerProcess(cluster.kubeconfig, tmp_path, *flags, namespace=namespace, program=program)
        )
        return made[-1].wait_ready()

    yield start
    for one in made:
        one.end()


def test_a_leader_hands_over_before_its_certificate_is_old(start: Start) -> None:
    old = start(impatient(2.0)).wait_leading()
    young = start()
    assert old.process.wait(30) == 0
    young.wait_leading()


def test_a_controller_whose_event_loop_hangs_says_that_it_is_not_healthy(start: Start) -> None:
    """And is healthy again when it turns again."""
    controller = start(impatient(FOR_EVER)).wait_leading()
    wait_for(lambda: controller.answers("healthz"), "it is healthy")
    controller.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: not controller.answers("healthz"), "it says that it hangs")
    assert controller.process.poll() is None
    wait_for(lambda: controller.answers("healthz"), "it is healthy again")
