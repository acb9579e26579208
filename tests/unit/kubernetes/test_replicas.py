"""What a pod says of itself, read as a replica."""

from typing import Any

import msgspec
import pytest

from orchestrator.api.types import Role
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.backends.kubernetes.replicas import replica_of, seat_of
from orchestrator.core.observed import Disruption, Replica, ReplicaPhase
from orchestrator.protocol.termination import LastWords, encode

LABELS = {
    "tf-orchestrator.io/role": "worker",
    "tf-orchestrator.io/index": "3",
    "tf-orchestrator.io/attempt": "2",
}


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> Pod:
    document = {"metadata": {"name": "p", "uid": "u", "labels": LABELS, **metadata}, "status": status or {}}
    return msgspec.json.decode(msgspec.json.encode(document), type=Pod)


def read(made: Pod, *, ours: bool = False) -> Replica:
    return replica_of(made, (Role.WORKER, 3), is_ours_to_delete=ours, is_orphaned=False)


def ended(exit_code: int, phase: str = "Failed", **more: Any) -> dict[str, Any]:
    state = {"terminated": {"exitCode": exit_code, **more}}
    return {"phase": phase, "containerStatuses": [{"name": "tensorflow", "state": state}]}


def waiting(reason: str, message: str = "", name: str = "tensorflow") -> dict[str, Any]:
    return {
        "phase": "Pending",
        "containerStatuses": [{"name": name, "state": {"waiting": {"reason": reason, "message": message}}}],
    }


def test_a_seat_is_what_the_labels_say() -> None:
    assert seat_of(pod()) == (Role.WORKER, 3)


@pytest.mark.parametrize(
    "labels", [{}, LABELS | {"tf-orchestrator.io/role": "boss"}, LABELS | {"tf-orchestrator.io/index": "x"}]
)
def test_a_pod_with_other_labels_sits_nowhere(labels: dict[str, str]) -> None:
    assert seat_of(pod(labels=labels)) is None


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("Pending", "Pending"),
        ("", "Pending"),
        ("Running", "Running"),
        ("Succeeded", "Succeeded"),
        ("Unknown", "Running"),
    ],
)
def test_phases(phase: str, expected: str) -> None:
    assert read(pod({"phase": phase})).phase == ReplicaPhase(expected)


def test_it_runs_for_the_attempt_that_it_was_made_for() -> None:
    found = read(pod({"phase": "Running"}))
    assert (found.attempt, found.uid, found.deleting) == (2, "u", False)
    assert read(pod(labels=LABELS | {"tf-orchestrator.io/attempt": "?"})).attempt == 0


def test_a_program_that_has_ended_counts_though_another_container_still_runs() -> None:
    assert read(pod(ended(0, "Running"))).phase is ReplicaPhase.SUCCEEDED
    assert read(pod(ended(1, "Running"))).phase is ReplicaPhase.FAILED


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, (0, None)), (3, (3, None)), (137, (None, 9)), (143, (None, 15)), (255, (255, None))],
)
def test_exit_codes_above_128_are_signals(code: int, expected: tuple[int | None, int | None]) -> None:
    found = read(pod(ended(code)))
    assert (found.exit_code, found.signal) == expected


def test_last_lines_are_those_that_the_kubelet_put_there_of_a_program_that_failed() -> None:
    assert read(pod(ended(1, message="a\nb\n"))).last_lines == ("a", "b")
    assert read(pod(ended(0, message="fine"))).last_lines == ()


def test_an_agents_last_words_are_the_truth_about_the_program() -> None:
    words = LastWords(attempt=2, exit_code=7, last_lines=("why",))
    found = read(pod(ended(1, message=encode(words).decode())))
    assert (found.exit_code, found.ended_attempt, found.last_lines) == (7, 2, ("why",))


def test_what_an_agent_was_asked_to_end_says_nothing() -> None:
    words = LastWords(attempt=2, signal=15, asked=True)
    found = read(pod(ended(143, message=encode(words).decode())))
    assert (found.signal, found.ended_attempt) == (15, None)


def test_out_of_memory_is_the_kubelets_word_or_the_agents() -> None:
    assert read(pod(ended(137, reason="OOMKilled"))).out_of_memory
    words = LastWords(attempt=1, signal=9, oom=True)
    assert read(pod(ended(137, message=encode(words).decode()))).out_of_memory
    assert not read(pod(ended(137))).out_of_memory


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("EvictionByEvictionAPI", Disruption.EVICTED),
        ("PreemptionByScheduler", Disruption.PREEMPTED),
        ("DeletionByTaintManager", Disruption.NODE_LOST),
        ("DeletionByPodGC", Disruption.NODE_LOST),
        ("TerminationByKubelet", Disruption.EVICTED),
        ("SomethingNew", Disruption.EVICTED),
    ],
)
def test_a_disruption_is_announced_by_a_condition(reason: str, expected: Disruption) -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    assert read(pod({"phase": "Running", "conditions": [condition]})).disruption is expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Evicted", Disruption.EVICTED),
        ("OutOfcpu", Disruption.EVICTED),
        ("Preempting", Disruption.PREEMPTED),
        ("", None),
    ],
)
def test_a_pod_that_its_node_ended_says_so(reason: str, expected: Disruption | None) -> None:
    assert read(pod({"phase": "Failed", "reason": reason})).disruption is expected
    assert read(pod({"phase": "Running", "reason": reason})).disruption is None


def test_a_deletion_is_somebody_elses_unless_it_was_ours() -> None:
    going = pod({"phase": "Running"}, deletionTimestamp="2026-01-01T00:00:00Z")
    assert (read(going).deleting, read(going).foreign_deletion) == (True, True)
    assert read(going, ours=True).foreign_deletion is False


def test_a_program_that_cannot_be_started_says_why() -> None:
    found = read(pod(ended(128, reason="StartError", message='exec: "python3": not found')))
    assert found.error == 'the container could not be started: exec: "python3": not found'
    assert found.last_lines == ()


def test_an_image_with_an_impossible_name_can_never_start() -> None:
    assert "invalid name" in read(pod(waiting("InvalidImageName", "bad"))).error


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (waiting("ErrImagePull", "x"), "the image of container tensorflow cannot be pulled"),
        (waiting("ImagePullBackOff", "y"), "the image of container tensorflow cannot be pulled"),
        (waiting("CreateContainerConfigError", "no secret"), "CreateContainerConfigError: no secret"),
        (waiting("ContainerCreating"), ""),
        ({"phase": "Running"}, ""),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/2 nodes",
                    }
                ],
            },
            "Unschedulable: 0/2 nodes",
        ),
    ],
)
def test_what_keeps_a_pod_from_running_is_said_in_words_that_stay_the_same(
    status: dict[str, Any], expected: str
) -> None:
    assert read(pod(status)).obstacle == expected


def test_the_agents_own_image_is_told_apart() -> None:
    status = waiting("ErrImagePull")
    status["initContainerStatuses"] = [
        {"name": "tfo-agent", "state": {"waiting": {"reason": "ErrImagePull"}}}
    ]
    assert read(pod(status)).obstacle == "the image of the agent cannot be pulled"


def test_an_init_container_that_failed_is_how_the_replica_ended() -> None:
    state = {"terminated": {"exitCode": 5, "message": "no data"}}
    status = {"phase": "Failed", "initContainerStatuses": [{"name": "fetch", "state": state}]}
    found = read(pod(status))
    assert (found.exit_code, found.last_lines) == (5, ("no data",))
