"""How many examples a process handles in a step of `fit`, as far as its arguments say.

Called by `instrument`, for programs that do not say it themselves. An unknown size is None: no rate is better than
a wrong one. It reads no data. Python 3.9 syntax.
"""

from __future__ import annotations

import sys
from typing import Any, Optional

KERAS_DEFAULT_BATCH = 32


def examples_per_step(strategy: Optional[Any], x: Any, batch_size: Optional[int]) -> Optional[float]:
    """This process's share of the global batch: Keras splits what `fit` is given over all workers."""
    size = _global_batch(x, batch_size)
    return None if size is None else size / _workers(strategy)


def _global_batch(x: Any, batch_size: Optional[int]) -> Optional[int]:
    tf = sys.modules.get("tensorflow")
    if tf is not None and isinstance(x, tf.distribute.DistributedDataset):
        return None
    if tf is not None and isinstance(x, tf.data.Dataset):
        return _dataset_batch(tf, x)
    if hasattr(x, "shape") or isinstance(x, (list, tuple, dict)):
        return batch_size or KERAS_DEFAULT_BATCH
    return None


def _dataset_batch(tf: Any, dataset: Any) -> Optional[int]:
    shapes = [getattr(spec, "shape", None) for spec in tf.nest.flatten(dataset.element_spec)]
    sizes = {shape[0] for shape in shapes if shape is not None and shape.rank}
    known = sizes.pop() if len(sizes) == 1 else None
    if known is not None:
        return int(known)
    # A batch that may be smaller at the end has no fixed size; the step of the pipeline that made it still knows.
    while dataset is not None and not hasattr(dataset, "_batch_size"):
        dataset = getattr(dataset, "_input_dataset", None)
    size = None if dataset is None else tf.get_static_value(dataset._batch_size)
    return None if size is None else int(size)


def _workers(strategy: Optional[Any]) -> int:
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    return int(strategy.num_replicas_in_sync) // max(1, len(strategy.extended.worker_devices))
