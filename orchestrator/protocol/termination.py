"""An agent's last words: what became of the program, for a controller that was not there to hear it.

Written by the agent to its container's termination message, from where the kubelet puts it into the pod's status; read
by the Kubernetes backend. At most 4096 bytes. Python 3.9, standard library only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

MAX_BYTES = 4096
"""More the kubelet cuts off: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/"""
_MARK = "tfo"
_LONGEST_LINE = 300


@dataclass(frozen=True)
class LastWords:
    """Of the program of `attempt`, 0: none was started. `asked`: its end was an order's doing, so it says nothing."""

    attempt: int = 0
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    asked: bool = False
    oom: bool = False
    error: str = ""
    last_lines: Tuple[str, ...] = ()


def encode(words: LastWords) -> bytes:
    """As many of the last lines as there is room for."""
    lines = [line[:_LONGEST_LINE] for line in words.last_lines]
    while True:
        text = json.dumps(_document(words, lines), ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8", "replace")
        if len(data) <= MAX_BYTES or not lines:
            return data[:MAX_BYTES]
        lines = lines[1:]


def _document(words: LastWords, lines: list[str]) -> Dict[str, object]:
    found: Dict[str, object] = {
        "exitCode": words.exit_code,
        "signal": words.signal,
        "asked": words.asked or None,
        "oom": words.oom or None,
        "error": words.error[:_LONGEST_LINE] or None,
        "lastLines": lines or None,
    }
    return {_MARK: words.attempt, **{name: value for name, value in found.items() if value is not None}}


def decode(message: str) -> Optional[LastWords]:
    """None: these are somebody else's words (the end of a log, say)."""
    try:
        found = json.loads(message)
    except ValueError:
        return None
    if not isinstance(found, dict) or not _is_number(found.get(_MARK)):
        return None
    lines = found.get("lastLines")
    return LastWords(
        attempt=found[_MARK],
        exit_code=_number(found.get("exitCode")),
        signal=_number(found.get("signal")),
        asked=found.get("asked") is True,
        oom=found.get("oom") is True,
        error=str(found.get("error") or ""),
        last_lines=tuple(str(line) for line in lines) if isinstance(lines, list) else (),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: object) -> Optional[int]:
    return value if isinstance(value, int) and _is_number(value) else None
