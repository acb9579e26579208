"""Replicas as processes of this machine: run folders, agents, ports, GPUs."""
