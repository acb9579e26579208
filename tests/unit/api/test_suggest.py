"""Which known name a wrong one is taken for."""

import pytest

from orchestrator.api.suggest import find_nearest, unknown

ROLES = ["chief", "worker", "ps", "evaluator"]


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("wroker", ROLES, "worker"),
        ("Worker", ROLES, "worker"),
        ("PS", ROLES, "ps"),
        ("master", ROLES, "chief"),
        ("Master", ROLES, "chief"),
        ("tfReplicaSpecs", ["replicaSpecs", "template"], "replicaSpecs"),
        ("batchSize", ["batch_size"], "batch_size"),
        ("batch-size", ["batch_size"], "batch_size"),
        ("lr", ["layers", "learning_rate"], "learning_rate"),
        ("backoff_limit", ["backoffLimit"], "backoffLimit"),
        ("dir", ["directory", "volumeClaim"], "directory"),
        ("re", ["replicas", "restartPolicy"], None),
        ("r", ["replicas"], None),
        ("zzz", ROLES, None),
        ("", ROLES, None),
        ("worker" * 20, ROLES, None),
        ("x", [], None),
    ],
)
def test_nearest_name(name: str, known: list[str], nearest: str | None) -> None:
    assert find_nearest(name, known) == nearest


def test_the_words_name_the_nearest_and_list_all() -> None:
    assert (
        unknown("role", "wroker", ROLES)
        == "unknown role 'wroker'; did you mean 'worker'? (roles: chief, worker, ps, evaluator)"
    )


def test_without_a_near_name_the_words_only_list_all() -> None:
    assert unknown("role", "zzz", ["chief", "ps"]) == "unknown role 'zzz' (roles: chief, ps)"


def test_the_caller_may_know_better_what_is_meant() -> None:
    assert unknown("value", "false", ["Auto", "Off"], "Off").startswith(
        "unknown value 'false'; did you mean 'Off'?"
    )
