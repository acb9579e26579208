"""`tfo`, the command line: parse arguments, call, print; nothing here decides anything about a job."""
