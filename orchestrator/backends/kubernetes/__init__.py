"""The Kubernetes backend: jobs are objects of the API server, replicas are pods."""
