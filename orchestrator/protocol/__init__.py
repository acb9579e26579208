"""Messages between agent and coordinator, and from training process to agent. Standard library only, Python 3.9."""
