"""docs/reference/events.md, rendered from the types in `events`: `python -m orchestrator.cli.events_reference > FILE`.

A test compares the file with what this renders. Pure but for the print.
"""

import json
from typing import Any

from orchestrator.cli import events
from orchestrator.core.actions import Reason

_INTRODUCTION = """# JSON events

<!-- Generated: python -m orchestrator.cli.events_reference > docs/reference/events.md -->

`tfo run FILE --output json` prints one JSON object per line, and so does `tfo submit FILE --watch --output json`. Every
line has `time`, `event`, `job` and `attempt`, and `number` on this machine or `namespace` on a cluster; the last line
is the event `summary`. Field names are camelCase; the keys of `metrics` are the program's own. A field without a value
is left out, except in the summary, where every field is present. There is no NaN. New fields and events may be added;
what is described here does not change its meaning. Of a job on a cluster those events are told that its status holds:
`firstStep` is not.

On a cluster the same stands in Kubernetes' events, which `kubectl describe tfo JOB` and `tfo events JOB` show: their
reason is the name here with a capital letter, `MemberLost` for `memberLost`. `progress`, `note` and `summary` are not
among them; `.status.progress` is there in place of the first.
"""

_MEANINGS = {
    Reason.CREATED: "The job was accepted.",
    Reason.STARTING: "An attempt was recorded; its programs start.",
    Reason.RUNNING: "The program of every gang member of the attempt is alive.",
    Reason.FIRST_STEP: "The first training step of the attempt was reported.",
    Reason.MEMBER_LOST: "A gang member ended unasked; its attempt ends.",
    Reason.RESTARTING: "The reason of the condition Restarting; the event is `memberLost` or `jobResized`.",
    Reason.SIDE_RESTART: "A replica outside the gang restarts alone.",
    Reason.REPLICA_STOPPED: "A program was seen in job-control stop (SIGSTOP).",
    Reason.RESIZED: "The number of workers changes.",
    Reason.SUSPENDED: "The job was suspended.",
    Reason.RESUMED: "The job goes on after having been suspended.",
    Reason.SUCCEEDED: "The success policy is met.",
    Reason.STOPPED: "A user stopped the run.",
    Reason.BACKOFF_LIMIT: "The job failed: too many restarts.",
    Reason.DEADLINE: "The job failed: activeDeadlineSeconds has passed.",
    Reason.CANNOT_START: "The job failed: a program cannot be started at all.",
    Reason.WRONG_INPUT: "The job failed: a built-in program refuses its data or arguments.",
    Reason.MODEL_LOST: "The job failed: a built-in program had trained, but its model could not be written.",
    Reason.NO_PROGRESS: "The job failed: attempts end without a higher step.",
    Reason.RESTART_POLICY: "The role's restartPolicy forbids a restart: the job failed, or its evaluator is over.",
    Reason.EXIT_CODE_RULE: "The job failed: a rule for this exit code says so.",
    Reason.REPLICA_INVALID: "The job failed: a replica can never start.",
    Reason.INVALID: "The job failed: what is stored is no valid job.",
    Reason.NAME_CONFLICT: "An object that should be the job's belongs to somebody else.",
    Reason.TOO_LARGE: "Programs could not be told of so many replicas: the job failed, or is not resized.",
    Reason.WAITING: "The attempt waits for replicas.",
    Reason.REFUSED: "Replicas cannot be created for now, because of a quota, say.",
}


def render_reference() -> str:
    schema = events.schema()
    kinds = "\n".join(_kind(line.__name__, schema) for line in events.LINES)
    text = json.dumps(schema, indent=2, sort_keys=True)
    return f"{_INTRODUCTION}\n{_names()}\n{kinds}\n## Schema\n\n```json\n{text}\n```\n"


def _names() -> str:
    rows = [
        *(f"| `{events.event_name(reason)}` | {_MEANINGS[reason]} |" for reason in Reason),
        "| `progress` | Training went on. |",
        "| `note` | Something that a user should know. |",
        "| `summary` | The last line. |",
    ]
    return "## Events\n\n| `event` | Meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def _kind(name: str, schema: dict[str, Any]) -> str:
    found = schema["$defs"][name]
    required = found["required"]
    rows = "\n".join(_row(field, each, field in required) for field, each in found["properties"].items())
    return f"## {name}\n\n{found['description']}\n\n| Field | Always | Meaning |\n|---|---|---|\n{rows}\n"


def _row(field: str, schema: dict[str, Any], is_required: bool) -> str:
    meaning = schema.get("description") or _reference(schema)
    if "enum" in schema and len(schema["enum"]) == 1:
        meaning = f"`{schema['enum'][0]}`"
    return f"| `{field}` | {'yes' if is_required else ''} | {meaning} |"


def _reference(schema: dict[str, Any]) -> str:
    """What a field without words of its own refers to."""
    options = [schema, *schema.get("anyOf", ())]
    names = [each["$ref"].rpartition("/")[2] for each in options if "$ref" in each]
    return f"{names[0]}, see the schema." if names else ""


if __name__ == "__main__":
    print(render_reference(), end="")
