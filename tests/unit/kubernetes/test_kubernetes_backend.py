"""The backend over a server that answers as it is told: our own writes, refusals, lost answers, whose is what."""

from datetime import timedelta

import msgspec
import pytest

from orchestrator.api.status import JobStatus
from orchestrator.api.types import Role
from orchestrator.backends.base import Behind, Conflict, Rejected
from orchestrator.backends.kubernetes.api import ApiError
from orchestrator.core.actions import CreateReplica, CreateService, DeleteJob, DeleteReplica
from orchestrator.core.observed import ReplicaPhase
from tests.fixtures.kubernetes_world import JOB, KEY, OWNER, PODS, World

CHIEF = CreateReplica(role=Role.CHIEF, index=0, attempt=1)
EXISTS = ApiError(409, "AlreadyExists", "pods exist")


# --- our own writes


async def test_nothing_is_shown_before_our_own_create_has_been_seen() -> None:
    world = World()
    world.api.answer("POST", PODS, {"metadata": {"name": "job-chief-0", "resourceVersion": "20"}})
    await world.backend.perform(KEY, (CHIEF,))
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_pod("job-chief-0", 20)
    assert [one.name for one in (await world.see()).replicas] == ["chief-0"]


async def test_nothing_is_shown_before_our_own_status_has_been_seen() -> None:
    world = World()
    world.api.answer("PUT", f"{JOB}/status", {"metadata": {"resourceVersion": "11"}})
    assert await world.backend.write_status(KEY, JobStatus(message="new"), "10") == "11"
    assert world.backend.status_of(KEY).message == "new"
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_job(11)
    assert (await world.see()).version == "11"


async def test_nothing_is_shown_before_our_own_delete_has_been_seen() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    await world.see()
    world.api.answer("DELETE", f"{PODS}/job-chief-0", {"metadata": {}})
    await world.backend.perform(KEY, (DeleteReplica(role=Role.CHIEF, index=0, uid="uid-job-chief-0"),))
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_pod("job-chief-0", 21, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    (found,) = (await world.see()).replicas
    assert (found.deleting, found.foreign_deletion) == (True, False)


# --- what the server refuses


@pytest.mark.parametrize("code", [400, 422])
async def test_a_pod_that_the_server_never_takes_is_a_replica_with_its_words(code: int) -> None:
    world = World()
    world.api.answer("POST", PODS, ApiError(code, "Invalid", "spec.nodeSelectr: unknown field"))
    await world.backend.perform(KEY, (CHIEF,))
    (found,) = (await world.see()).replicas
    assert (found.name, found.phase) == ("chief-0", ReplicaPhase.PENDING)
    assert found.error == "spec.nodeSelectr: unknown field"


async def test_a_quota_is_said_and_asked_again_later_and_later() -> None:
    world = World()
    world.api.answer("POST", PODS, ApiError(403, "Forbidden", "exceeded quota: pods"))
    await world.backend.perform(KEY, (CHIEF,))
    assert (await world.see()).refused == "exceeded quota: pods"
    await world.backend.perform(KEY, (CHIEF,))
    assert len(world.api.asked_for("POST")) == 1, "not yet"
    world.now += timedelta(seconds=1)
    await world.backend.perform(KEY, (CHIEF,))
    assert len(world.api.asked_for("POST")) == 2
    world.now += timedelta(seconds=1.5)
    await world.backend.perform(KEY, (CHIEF,))
    assert len(world.api.asked_for("POST")) == 2, "twice as long"
    world.now += timedelta(seconds=1)
    world.api.answer("POST", PODS, {"metadata": {"resourceVersion": "20"}})
    await world.backend.perform(KEY, (CHIEF,))
    world.put_pod("job-chief-0", 20)
    assert (await world.see()).refused == ""


async def test_a_create_whose_answer_was_lost_is_a_success() -> None:
    world = World()
    world.api.answer("POST", PODS, EXISTS)
    ours = {"metadata": {"ownerReferences": [OWNER], "resourceVersion": "20"}}
    world.api.answer("GET", f"{PODS}/job-chief-0", ours)
    await world.backend.perform(KEY, (CHIEF,))
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_pod("job-chief-0", 20)
    assert (await world.see()).foreign == ()


async def test_a_service_whose_answer_was_lost_is_not_asked_for_again_before_it_is_seen() -> None:
    world = World()
    path = "/api/v1/namespaces/ns/services"
    world.api.answer("POST", path, EXISTS)
    ours = {"metadata": {"ownerReferences": [OWNER], "resourceVersion": "20"}}
    world.api.answer("GET", f"{path}/job-tfo", ours)
    await world.backend.perform(KEY, (CreateService(name="job-tfo"),))
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.backend.services.note("20", "ns")
    assert (await world.see()).foreign == ()


async def test_a_name_of_somebody_elses_is_left_alone_and_looked_at_again() -> None:
    world = World()
    world.api.answer("POST", PODS, EXISTS)
    world.api.answer("GET", f"{PODS}/job-chief-0", {"metadata": {"uid": "x"}})
    await world.backend.perform(KEY, (CHIEF,))
    assert (await world.see()).foreign == ("job-chief-0",)
    asked = len(world.api.asked_for("GET"))
    await world.see()
    assert len(world.api.asked_for("GET")) == asked, "not at every turn"
    world.api.answer("GET", f"{PODS}/job-chief-0", ApiError(404, "NotFound", "gone"))
    world.now += timedelta(seconds=6)
    assert (await world.see()).foreign == ()


async def test_the_service_of_somebody_else_is_told_too() -> None:
    world = World()
    path = "/api/v1/namespaces/ns/services"
    world.api.answer("POST", path, EXISTS)
    world.api.answer("GET", f"{path}/job-tfo", {"metadata": {"uid": "x"}})
    await world.backend.perform(KEY, (CreateService(name="job-tfo"),))
    assert (await world.see()).foreign == ("job-tfo",)


async def test_what_goes_unanswered_is_raised_for_the_next_turn() -> None:
    world = World()
    world.api.answer("POST", PODS, ApiError(503, "", "later"))
    with pytest.raises(ApiError):
        await world.backend.perform(KEY, (CHIEF,))


# --- deleting


async def test_a_delete_is_of_exactly_what_was_seen_and_never_at_once_on_a_living_node() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    await world.see()
    world.api.answer("DELETE", f"{PODS}/job-chief-0", {"metadata": {}})
    await world.backend.perform(KEY, (DeleteReplica(role=Role.CHIEF, index=0, uid="uid-job-chief-0"),))
    (request,) = world.api.asked_for("DELETE")
    body = msgspec.json.decode(request.body)
    assert body["preconditions"] == {"uid": "uid-job-chief-0", "resourceVersion": "20"}
    assert body["gracePeriodSeconds"] == 1


async def test_a_pod_that_has_changed_since_is_left_for_the_next_look() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    await world.see()
    world.api.answer("DELETE", f"{PODS}/job-chief-0", ApiError(409, "Conflict", "changed"))
    await world.backend.perform(KEY, (DeleteReplica(role=Role.CHIEF, index=0, uid="uid-job-chief-0"),))
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_pod("job-chief-0", 21)
    assert len((await world.see()).replicas) == 1


# --- what the server calls outdated


async def test_a_status_that_came_too_late_is_not_sent_again_before_the_change_is_seen() -> None:
    world = World()
    world.api.answer("PUT", f"{JOB}/status", ApiError(409, "Conflict", "changed"))
    with pytest.raises(Conflict):
        await world.backend.write_status(KEY, JobStatus(message="new"), "10")
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.put_job(11)
    assert (await world.see()).version == "11"


async def test_a_status_that_came_too_late_for_what_has_been_seen_since_is_decided_anew_at_once() -> None:
    world = World()
    world.put_job(11)
    world.api.answer("PUT", f"{JOB}/status", ApiError(409, "Conflict", "changed"))
    with pytest.raises(Conflict):
        await world.backend.write_status(KEY, JobStatus(message="new"), "10")
    assert (await world.see()).version == "11"


async def test_a_change_that_is_never_seen_is_asked_about_again_after_seconds() -> None:
    world = World()
    world.api.answer("PUT", f"{JOB}/status", ApiError(409, "Conflict", "changed"))
    with pytest.raises(Conflict):
        await world.backend.write_status(KEY, JobStatus(message="new"), "10")
    world.now += timedelta(seconds=5)
    assert (await world.see()).version == "10"


async def test_a_job_is_not_deleted_again_while_it_is_still_shown() -> None:
    world = World()
    world.api.answer("DELETE", JOB, {})
    await world.backend.perform(KEY, (DeleteJob(),))
    with pytest.raises(Behind):
        await world.backend.observe(KEY)


async def test_a_forced_delete_is_bound_to_the_uid_alone() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    await world.see()
    world.api.answer("DELETE", f"{PODS}/job-chief-0", {"metadata": {}})
    action = DeleteReplica(role=Role.CHIEF, index=0, uid="uid-job-chief-0", force=True)
    await world.backend.perform(KEY, (action,))
    body = msgspec.json.decode(world.api.asked_for("DELETE")[0].body)
    assert (body["preconditions"], body["gracePeriodSeconds"]) == ({"uid": "uid-job-chief-0"}, 0)


async def test_a_job_whose_time_is_over_is_deleted_if_it_is_still_the_same() -> None:
    world = World()
    world.api.answer("DELETE", JOB, {})
    await world.backend.perform(KEY, (DeleteJob(),))
    body = msgspec.json.decode(world.api.asked_for("DELETE")[0].body)
    assert body["preconditions"] == {"uid": "uid-job"}


async def test_a_restarted_controller_knows_its_own_deletes_by_their_time() -> None:
    """Everybody else gives a pod the time that it asks for."""
    seconds = {"terminationGracePeriodSeconds": 30, "nodeName": "n"}
    for grace, is_foreign in ((30, True), (31, False), (1, False)):
        world = World()
        going = {"deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": grace}
        world.put_pod("job-chief-0", 20, metadata=going, spec=seconds)
        (found,) = (await world.see()).replicas
        assert found.foreign_deletion is is_foreign


async def test_our_own_grace_is_never_what_the_pod_asks_for() -> None:
    world = World()
    world.put_pod("job-chief-0", 20, spec={"terminationGracePeriodSeconds": 30, "nodeName": "n"})
    await world.see()
    world.api.answer("DELETE", f"{PODS}/job-chief-0", {"metadata": {}})
    action = DeleteReplica(role=Role.CHIEF, index=0, uid="uid-job-chief-0", grace_seconds=30)
    await world.backend.perform(KEY, (action,))
    assert msgspec.json.decode(world.api.asked_for("DELETE")[0].body)["gracePeriodSeconds"] == 31


async def test_a_delete_by_somebody_else_whom_we_have_seen_alive_is_theirs_whatever_its_time() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    await world.see()
    going = {"deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 5}
    world.put_pod("job-chief-0", 21, metadata=going)
    (found,) = (await world.see()).replicas
    assert found.foreign_deletion


async def test_what_another_namespace_has_seen_says_nothing_about_ours() -> None:
    world = World()
    world.api.answer("POST", PODS, {"metadata": {"name": "job-chief-0", "resourceVersion": "20"}})
    await world.backend.perform(KEY, (CHIEF,))
    world.backend.pods.note("99", "elsewhere")
    with pytest.raises(Behind):
        await world.backend.observe(KEY)
    world.backend.pods.note("99", None)
    assert (await world.see()).replicas == ()


# --- whose is what


async def test_pods_of_an_earlier_job_of_this_name_are_none_of_its_replicas() -> None:
    world = World()
    world.put_pod("job-chief-0", 20, metadata={"ownerReferences": [{"uid": "old", "controller": True}]})
    assert (await world.see()).replicas == ()


@pytest.mark.parametrize("manager", ["kueue.x-k8s.io/multikueue", "kubeflow.org/training-operator", ""])
async def test_a_job_of_another_controller_is_left_alone(manager: str) -> None:
    world = World(runPolicy={"managedBy": manager})
    assert await world.backend.observe(KEY) is None


async def test_a_job_that_names_this_controller_is_its_own() -> None:
    seen = await World(runPolicy={"managedBy": "tf-orchestrator.io/controller"}).see()
    assert seen.job.metadata.name == "job"


async def test_a_job_that_is_none_is_rejected_with_every_error() -> None:
    world = World(workload={"name": "nonsense"})
    found = await world.backend.observe(KEY)
    assert isinstance(found, Rejected)
    assert "nonsense" in found.message


async def test_agents_of_these_pods_may_come_in_and_of_a_job_that_is_gone_none() -> None:
    world = World()
    world.put_pod("job-chief-0", 20)
    await world.see()
    assert world.expected[-1] == ("uid-job", ("uid-job-chief-0",))
    assert world.backend.key_of("uid-job") == KEY
    stored = world.backend.jobs.get("ns", "job")
    assert stored is not None
    world.backend.jobs.remove(stored)
    assert await world.backend.observe(KEY) is None
    assert world.forgotten == ["uid-job"]
    assert world.backend.key_of("uid-job") is None


async def test_a_job_recreated_under_its_name_is_another() -> None:
    world = World()
    await world.see()
    world.put_job(30, uid="second")
    await world.see()
    assert world.forgotten == ["uid-job"]
    assert world.backend.key_of("second") == KEY


@pytest.mark.parametrize("version", ["", "of-nobody"])
async def test_a_version_that_no_server_gives_is_a_conflict(version: str) -> None:
    with pytest.raises(Conflict):
        await World().backend.write_status(KEY, JobStatus(), version)
