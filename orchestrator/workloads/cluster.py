"""The distribution strategy of this process, and the threads and GPUs that TensorFlow may use in it.

Called by the programs before anything else touches TensorFlow. Decided by TF_CONFIG and the visible
devices alone, so that the programs run the same under any orchestrator and under none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from orchestrator.protocol import environment as env
from orchestrator.train.server import PS, WORKER
from orchestrator.train.sigterm import end_on_sigterm

THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
TRAINING_TASKS = ("chief", "master", "worker")
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


def build_strategy() -> Any:  # TensorFlow has no types
    """MultiWorkerMirroredStrategy among several members; alone: all GPUs, or the CPU without any distribution."""
    import tensorflow as tf

    if is_member(os.environ.get(env.TF_CONFIG, "")):
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        end_on_sigterm()  # until `fit` listens there is nothing to save, and peers would wait in vain
        return strategy
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def build_served_strategy() -> Any:
    """ParameterServerStrategy, in its chief. Waits until every server of the cluster is there."""
    import tensorflow as tf

    return tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())


def prepare_server(role: str) -> None:
    """What a parameter server or its worker takes of this machine; read by TensorFlow when it is loaded."""
    tf_config = os.environ.get(env.TF_CONFIG, "")
    threads = choose_threads(len(os.sched_getaffinity(0)), count_neighbours(tf_config))
    os.environ.setdefault(THREAD_VARIABLES[0], str(threads))
    # A step of mine is one replica's: it could not use a second GPU. Parameters are kept in plain memory.
    os.environ[VISIBLE_GPUS] = os.environ.get(VISIBLE_GPUS, "0").split(",")[0] if role == WORKER else ""


def limit_threads() -> None:
    """Leaves the other members on this machine their share of the cores; a user's own choice stays."""
    if any(name in os.environ for name in THREAD_VARIABLES):
        return
    import tensorflow as tf

    threads = choose_threads(
        len(os.sched_getaffinity(0)), count_neighbours(os.environ.get(env.TF_CONFIG, ""))
    )
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    # One thread may be waiting inside a collective while another has to compute.
    tf.config.threading.set_inter_op_parallelism_threads(max(2, threads))


def choose_threads(cores: int, members: int) -> int:
    return max(1, cores // members)


def is_member(tf_config: str) -> bool:
    """Of a cluster; also of one in a file that was not read, so that TensorFlow fails and nobody trains alone."""
    return tf_config.startswith(env.IN_FILE) or count_members(tf_config) > 1


def has_parameter_servers(tf_config: str) -> bool:
    return count_tasks(tf_config, PS) > 0


def count_tasks(tf_config: str, role: str) -> int:
    """How many of this role the cluster has."""
    cluster = _parse(tf_config).get("cluster")
    return len(cluster.get(role) or ()) if isinstance(cluster, Mapping) else 0


def count_members(tf_config: str) -> int:
    """Members of the training cluster; 1 where there is no cluster."""
    return max(1, len(_training_addresses(tf_config)))


def count_neighbours(tf_config: str) -> int:
    """Members of the training cluster on this machine, by their addresses' host names; this one included."""
    hosts = [address.rsplit(":", 1)[0] for address in _training_addresses(tf_config)]
    own = _own_host(tf_config)
    return max(1, hosts.count(own))


def _training_addresses(tf_config: str) -> list[str]:
    cluster = _parse(tf_config).get("cluster")
    if not isinstance(cluster, Mapping):
        return []
    return [str(address) for task in TRAINING_TASKS for address in cluster.get(task) or ()]


def _own_host(tf_config: str) -> str:
    parsed = _parse(tf_config)
    try:
        address = parsed["cluster"][parsed["task"]["type"]][int(parsed["task"]["index"])]
    except (KeyError, IndexError, TypeError, ValueError):
        return ""
    return str(address).rsplit(":", 1)[0]


def _parse(tf_config: str) -> Mapping[str, Any]:
    """Whatever cannot be read is no cluster here; TensorFlow itself says what is wrong with it."""
    try:
        parsed = json.loads(tf_config) if tf_config else {}
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
