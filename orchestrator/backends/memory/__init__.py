"""The memory backend: jobs, replicas and nodes of a small cluster that exists only as values, on a virtual clock."""
