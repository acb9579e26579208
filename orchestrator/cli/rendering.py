"""Which renderer shows a run: live on a terminal that can, plain lines elsewhere, JSON when asked.

Called by `cli.run` and `cluster_watch`. The terminal library is imported only for the live view.
"""

import os
import threading
from typing import TextIO

from orchestrator.cli.arguments import Output
from orchestrator.cli.render_json import JsonRenderer
from orchestrator.cli.render_plain import PlainRenderer
from orchestrator.cli.view import Renderer

MIN_COLUMNS = 20


def renderer_for(
    output: Output,
    stream: TextIO,
    job: str,
    number: int | None,
    leave: threading.Event | None = None,
    namespace: str = "",
) -> Renderer:
    """`leave`, once set: what nobody has read by then is not waited for at the end. `number` None: on a cluster."""
    if output is Output.JSON:
        return JsonRenderer(stream, job, number, leave, namespace)
    if output is Output.LIVE or (output is Output.AUTO and is_live_capable(stream)):
        from orchestrator.cli.render_live import LiveRenderer

        return LiveRenderer(stream, leave)
    return PlainRenderer(stream, leave)


def is_live_capable(stream: TextIO) -> bool:
    """A terminal that can move its cursor and has some room."""
    try:
        if not stream.isatty() or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
            return False
        return os.get_terminal_size(stream.fileno()).columns not in range(1, MIN_COLUMNS)
    except (OSError, ValueError):
        return False
