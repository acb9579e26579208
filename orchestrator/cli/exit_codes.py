"""Exit codes of `tfo`, the same for every command."""

OK = 0
FAILED = 1
WRONG_INPUT = 2
ERROR = 70
HANGUP = 129
INTERRUPTED = 130
QUIT = 131
BROKEN_PIPE = 141
TERMINATED = 143
