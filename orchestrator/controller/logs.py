"""The controller's log: one JSON object a line, or text for people. No token and no object of a user is ever in it.

Set up by `controller.main`; everybody logs through the standard library's logging, with `extra={"fields": {...}}`.
"""

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER = logging.getLogger("tf-orchestrator")


def set_up(form: str, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(level.upper())


def say(level: int, message: str, **fields: object) -> None:
    """Fields without a value are left out."""
    given = {name: value for name, value in fields.items() if value not in (None, "", ())}
    LOGGER.log(level, message, extra={"fields": given})


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = getattr(record, "fields", {})
    return found if isinstance(found, dict) else {}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname:7} {record.getMessage()}{'  ' + fields if fields else ''}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text
