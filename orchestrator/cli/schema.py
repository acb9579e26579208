"""`tfo schema`: the JSON Schema of job files, for editors. Called by `main`; only prints."""

import json
import sys
from typing import TextIO

from orchestrator.api.schema import json_schema
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import SchemaOptions


def schema_command(options: SchemaOptions) -> int:
    return print_schema(sys.stdout)


def print_schema(out: TextIO) -> int:
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False), file=out)
    return exit_codes.OK
