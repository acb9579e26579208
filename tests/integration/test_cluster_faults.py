"""Jobs whose controller is killed at every write, cut off and refused, on a real API server behind a fault proxy.

A life of a job comes to the same whatever happens to its controller on the way. Three kills at each of its writes are
more than CI has time for: there each write gets one of them, in turn; with TFO_TEST_ALL_FAULTS=1 each gets all three.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import product
from time import monotonic

import pytest
import pytest_asyncio

from orchestrator.backends.kubernetes.transport import open_api
from tests.cluster.fixtures import Cluster
from tests.fixtures import faulty_lives as lives
from tests.fixtures.controllers import QUICK_ELECTION
from tests.fixtures.fault_proxy import KILLS, Asked, Fault, Refusal, Upstream
from tests.fixtures.faulty_lives import Kills, Life, Losses, live, live_all
from tests.fixtures.faulty_worlds import FaultyWorld, Place

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1800)]
ALL_FAULTS = bool(os.environ.get("TFO_TEST_ALL_FAULTS"))
LIVES: Sequence[Life] = (lives.restarted, lives.suspended, lives.deleted)
MORE_LIVES: Sequence[Life] = (lives.failed, lives.resized, lives.evicted, lives.accompanied)
PAIRS_STEP = 1 if ALL_FAULTS else 20
"""Of all pairs of kills every so-manieth is tried; it has no divisor in common with the nine kinds of pairs."""
NOTICED_SECONDS = 75.0
MOST_REQUESTS = 60
"""In all that time, where a job that does not settle would send hundreds in a second."""
TAKEOVER_SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("faults")
    async with (
        await open_api(kubeconfig=str(cluster.kubeconfig)) as api,
        Upstream(cluster.kubeconfig) as upstream,
    ):
        yield Place(api, upstream, folder)


Silences = dict[str, asyncio.Task[tuple[lives.Outcome, FaultyWorld]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def silences(place: Place) -> AsyncIterator[Silences]:
    """These lives go on beside the other tests: they last for longer than any of them, and cost next to nothing."""
    unheard = (lives.unheard_failure, lives.unheard_creates, lives.unheard_change)
    tasks = {one.__name__: asyncio.create_task(live(place, one, Kills())) for one in unheard}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def assert_same(place: Place, life: Life, kills: Sequence[Kills], writes: Sequence[Asked]) -> None:
    """Every life under these plans, of which most must have hit, comes to what the undisturbed one does."""
    reference = (await live(place, life, Kills()))[0]
    assert reference.wrong == ()
    outcomes = await live_all(place, life, kills)
    different = [(plan.hit, found) for plan, found in zip(kills, outcomes, strict=True) if found != reference]
    assert different == [], f"the undisturbed one: {reference}"
    assert sum(bool(plan.hit) for plan in kills) >= max(5, 0.8 * len(kills)), [str(one) for one in writes]


@pytest.mark.parametrize("life", [*LIVES, *(MORE_LIVES if ALL_FAULTS else ())])
async def test_a_job_outlives_a_kill_at_every_write(place: Place, life: Life) -> None:
    writes = (await live(place, life, Kills()))[1].proxy.writes
    kills = [
        Kills((number, fault))
        for number in range(1, len(writes) + 1)
        for fault in (KILLS if ALL_FAULTS else (KILLS[number % len(KILLS)],))
    ]
    await assert_same(place, life, kills, writes)


async def test_a_job_outlives_two_kills_the_second_at_the_first_write_after_the_restart(place: Place) -> None:
    writes = (await live(place, lives.restarted, Kills()))[1].proxy.writes
    pairs = list(product(range(1, len(writes) + 1), KILLS, KILLS))
    kills = [Kills((number, first), (1, second)) for number, first, second in pairs[::PAIRS_STEP]]
    await assert_same(place, lives.restarted, kills, writes)


async def test_creates_whose_replies_are_lost_are_made_once(place: Place) -> None:
    losses = Losses("secrets", "services", "pods")
    reference = (await live(place, lives.restarted, Kills()))[0]
    assert (await live(place, lives.restarted, losses))[0] == reference
    assert len(losses.hit) == 5


async def test_refusals_are_waited_out(place: Place) -> None:
    """Each write is refused once, each watch too, and one create says for how long."""
    refused: dict[str, float] = {}
    kinds = [Refusal(500), Refusal(503, "ServiceUnavailable"), Refusal(429, "TooManyRequests")]

    def refuse_each_once(asked: Asked) -> Fault | Refusal:
        if str(asked) in refused or not (asked.is_watch or asked.number):
            return Fault.NONE
        refused[str(asked)] = asked.at
        if asked.is_watch:
            return Refusal(410, "Expired")
        is_slow = str(asked) == "POST pods/job-chief-0"
        return Refusal(429, "TooManyRequests", retry_after=2) if is_slow else kinds[len(refused) % 3]

    reference = (await live(place, lives.restarted, Kills()))[0]
    outcome, faulty = await live(place, lives.restarted, refuse_each_once)
    assert outcome == reference
    creates = [one for one in faulty.proxy.writes if str(one) == "POST pods/job-chief-0"]
    assert (creates[0].status, creates[1].status) == (429, 201)
    assert creates[1].at - creates[0].at >= 2
    assert all(len(faulty.proxy.watches(one)) >= 2 for one in ("pods", "services", "tensorflowjobs"))


@pytest.mark.parametrize(
    ("name", "resource"),
    [("unheard_failure", "pods"), ("unheard_creates", "pods"), ("unheard_change", "tensorflowjobs")],
)
async def test_a_watch_that_falls_silent_is_noticed_and_nothing_is_lost_or_asked_too_often(
    place: Place, silences: Silences, name: str, resource: str
) -> None:
    outcome, faulty = await silences[name]
    proxy = faulty.proxy
    noticed = next(one.at for one in proxy.watches(resource) if one.at > proxy.silent_since)
    assert 10 < noticed - proxy.silent_since < NOTICED_SECONDS
    meanwhile = [str(one) for one in proxy.asked if proxy.silent_since < one.at < noticed]
    assert len(meanwhile) < MOST_REQUESTS, Counter(meanwhile)
    assert outcome == (await live(place, lives.restarted, Kills()))[0]


# --- more than one controller


async def sleep_with_a_write_on_its_way(leader: FaultyWorld, second: FaultyWorld, text: str) -> Asked:
    """This write of the leader is held back, the leader sleeps, and the second one begins to lead."""
    held: list[Asked] = []

    def hold(asked: Asked) -> Fault:
        if held or str(asked) != text:
            return Fault.NONE
        held.append(asked)
        return Fault.HOLD

    leader.proxy.plan = hold
    await leader.until(lambda: held, f"it is on its way: {text}")
    os.kill(leader.controller.pid, signal.SIGSTOP)
    second.controller.start()
    await second.until_said("the coordinator listens")
    return held[0]


async def test_a_leader_that_slept_writes_nothing_and_its_last_write_comes_too_late(place: Place) -> None:
    """The chief's pod is made first: whoever hears that there is one already would make the workers' next."""
    async with place.world(*QUICK_ELECTION) as leader, place.second(leader) as second:
        leader.controller.start()
        await lives.create(leader)
        await leader.until_running(1)
        await leader.world.end("job-worker-1", 137)
        late = await sleep_with_a_write_on_its_way(leader, second, "POST pods/job-chief-0")
        await leader.until_running(2)
        leader.proxy.release()
        await leader.until(lambda: late.status, "it has been answered")
        assert late.status == 409
        awake = monotonic()
        os.kill(leader.controller.pid, signal.SIGCONT)
        await leader.until(lambda: leader.controller.has_ended, "the old leader ends")
        assert leader.controller.said("not leading any more")
        assert [str(one) for one in leader.proxy.asked if one.is_write and one.at > awake] == []
        assert await lives.succeed(leader) == (await live(place, lives.restarted, Kills()))[0]


async def test_a_pod_that_a_sleeping_leader_makes_after_the_end_of_the_job_is_cleaned_up(
    place: Place,
) -> None:
    async with place.world(*QUICK_ELECTION) as leader, place.second(leader) as second:
        leader.controller.start()
        await lives.create(leader, {"backoffLimit": 0})
        late = await sleep_with_a_write_on_its_way(leader, second, "POST pods/job-worker-1")
        await leader.until_running(1)
        await leader.world.end("job-worker-0", 3)
        await leader.until_phase("Failed")
        await leader.until(lambda: not len(leader.history.pods), "all pods are cleaned up")
        leader.proxy.release()
        await leader.until(lambda: len(leader.history.lives()) == 4, "there is one more")
        assert late.status == 201
        await leader.until(lambda: not len(leader.history.pods), "it is cleaned up too")


async def test_a_leader_whose_renewals_hang_gives_up_before_the_next_one_leads(place: Place) -> None:
    async with place.world(*QUICK_ELECTION) as leader, place.second(leader) as second:
        leader.controller.start()
        await lives.create(leader)
        await leader.until_running(1)
        second.controller.start()
        await second.until_said("caches are full")
        leader.proxy.plan = lambda asked: Fault.HOLD if asked.resource == "leases" else Fault.NONE
        begun = monotonic()
        await second.until_said("the coordinator listens")
        assert monotonic() - begun < TAKEOVER_SECONDS
        await leader.until(lambda: leader.controller.has_ended, "the old leader ends")
        taken = min(one.at for one in second.proxy.asked if one.is_write and one.status < 300)
        assert [str(one) for one in leader.proxy.writes if one.at > taken] == []
        await leader.world.end("job-worker-1", 137)
        await leader.until_running(2)
        assert await lives.succeed(leader) == (await live(place, lives.restarted, Kills()))[0]
