"""How pods of a cluster go: kept until they have been counted, and not waited for where their node is lost."""

from typing import Any

import msgspec
import pytest

from orchestrator.api.status import JobStatus, Phase
from orchestrator.backends.base import Behind
from orchestrator.backends.kubernetes.api import ApiError
from orchestrator.backends.kubernetes.objects import Service
from tests.fixtures.kubernetes_world import JOB, KEY, PODS, World

# --- what is kept until it has been counted

HELD = {"finalizers": ["tf-orchestrator.io/counted", "theirs"]}


async def released(world: World) -> list[Any]:
    world.api.answer("PATCH", f"{PODS}/job-chief-0", {"metadata": {"resourceVersion": "22"}})
    await world.backend.release(KEY)
    return [msgspec.json.decode(one.body)["metadata"]["finalizers"] for one in world.api.asked_for("PATCH")]


async def test_a_running_pod_is_kept_and_one_that_ended_may_go_once_that_is_written() -> None:
    world = World()
    world.put_pod("job-chief-0", 20, metadata=HELD)
    await world.see()
    assert await released(world) == []
    world.put_pod("job-chief-0", 21, metadata=HELD, status={"phase": "Succeeded"})
    await world.see()
    assert await released(world) == [["theirs"]]


async def test_nothing_is_shown_before_our_own_release_has_been_seen() -> None:
    """A delete would else name a version that we have made old ourselves."""
    world = World()
    world.put_pod("job-chief-0", 21, metadata=HELD, status={"phase": "Failed"})
    await world.see()
    assert await released(world) == [["theirs"]]
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_pod("job-chief-0", 22, status={"phase": "Failed"})
    await world.see()


async def test_everything_may_go_when_the_job_is_over() -> None:
    world = World()
    world.put_pod("job-chief-0", 20, metadata=HELD)
    world.api.answer("PUT", f"{JOB}/status", {"metadata": {"resourceVersion": "11"}})
    await world.see()
    await world.backend.write_status(KEY, JobStatus(phase=Phase.FAILED), "10")
    assert await released(world) == [["theirs"]]


async def test_a_pod_that_was_never_placed_may_go_when_it_is_deleted() -> None:
    world = World()
    going = HELD | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    world.put_pod("job-chief-0", 20, metadata=going, spec={}, status={"phase": "Pending"})
    await world.see()
    assert await released(world) == [["theirs"]]


async def test_a_sweep_frees_pods_of_jobs_that_are_gone() -> None:
    world = World()
    world.put_pod("other-chief-0", 20, metadata=HELD | {"labels": {"tf-orchestrator.io/job-name": "other"}})
    world.put_pod("job-chief-0", 21, metadata=HELD)
    world.api.answer("PATCH", f"{PODS}/other-chief-0", {"metadata": {}})
    await world.backend.sweep()
    assert [one.path for one in world.api.asked_for("PATCH")] == [f"{PODS}/other-chief-0"]


# --- lost nodes

LONG_AGO = {"deletionTimestamp": "2026-01-01T00:00:20Z", "deletionGracePeriodSeconds": 30}
"""Asked for ten seconds ago; the time that the pod has is not over."""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ApiError(404, "NotFound", "no such node"), True),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, True),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, False),
        (ApiError(403, "Forbidden", "may not look"), False),
    ],
)
async def test_a_pod_is_orphaned_when_its_deletion_takes_long_and_its_node_is_lost(
    answer: Any, expected: bool
) -> None:
    world = World()
    world.api.answer("GET", "/api/v1/nodes/n", answer)
    world.put_pod("job-chief-0", 20, metadata=LONG_AGO)
    await world.see()
    (found,) = (await world.see()).replicas
    assert found.orphaned is expected
    assert len(world.api.asked_for("GET")) == 1, "the answer is remembered for a while"


async def test_a_deletion_that_has_only_begun_asks_nobody() -> None:
    world = World()
    world.put_pod(
        "job-chief-0",
        20,
        metadata={"deletionTimestamp": "2026-01-01T00:00:21Z", "deletionGracePeriodSeconds": 30},
    )
    (found,) = (await world.see()).replicas
    assert not found.orphaned
    assert world.api.asked == []


async def test_a_look_costs_no_request() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    world.backend.services.put(
        Service(
            metadata=msgspec.convert(
                {"name": "job-tfo", "namespace": "ns"}, type=type(world.put_pod("job-worker-0", 21).metadata)
            )
        )
    )
    await world.see()
    await world.backend.release(KEY)
    assert world.api.asked == []
