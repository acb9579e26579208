"""Where replicas run: in memory (tests, simulation), as local processes, as pods."""
