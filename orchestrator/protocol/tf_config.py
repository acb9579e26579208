"""The text of TF_CONFIG, of the cluster map that all members share and what each of them is in it.

Called by `core.tf_config` (plans, pods without an agent) and by the agent. Same values, same bytes. Python 3.9,
standard library only.
"""

from __future__ import annotations

import json


def join(cluster: str, task_type: str, task_index: int) -> str:
    """`cluster`: JSON text. Compact with sorted keys, as if the whole had been rendered at once."""
    return f'{{"cluster":{cluster},"task":{{"index":{task_index},"type":{json.dumps(task_type)}}}}}'
