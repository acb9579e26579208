"""The controller on the older Kubernetes too: lives of jobs that ask most of an API server, the same tests again."""

import pytest

from tests.cluster.fixtures import Cluster
from tests.fixtures.bare_jobs import World
from tests.integration import test_cluster_controller as newest
from tests.integration import test_cluster_from_tfjob as habits

pytestmark = pytest.mark.cluster

test_a_job_lives_and_succeeds = newest.test_a_job_lives_and_succeeds
test_a_failure_is_one_restart_of_everybody = newest.test_a_failure_is_one_restart_of_everybody_on_other_ports
test_a_suspended_job_goes_on_when_resumed = newest.test_a_suspended_job_has_no_pods_and_goes_on_when_resumed
test_more_workers_are_a_new_attempt = newest.test_more_workers_are_a_new_attempt_and_no_restart
test_an_eviction_is_a_disruption = newest.test_an_eviction_is_a_disruption_and_no_restart
test_a_pod_that_the_server_refuses = newest.test_a_pod_that_the_server_refuses_fails_the_job_in_its_words
test_deadlines_and_times_to_live = newest.test_deadlines_and_times_to_live_fire_by_themselves
test_fewer_replicas_of_parameter_servers = habits.test_fewer_replicas_of_a_parameter_server_job_do_not_fail_it


@pytest.fixture(scope="module")
def cluster(older_cluster: Cluster) -> Cluster:
    """In place of the newest: everything else that these tests ask for asks for it by this name."""
    return older_cluster


@pytest.fixture
def world(bare_world: World) -> World:
    return bare_world


def test_it_is_another_kubernetes(cluster: Cluster) -> None:
    assert '"minor": "34"' in cluster.kubectl("version", "-o", "json").partition("serverVersion")[2]
