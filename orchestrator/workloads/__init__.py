"""The built-in programs and their data: `python -m orchestrator.workloads cnn --epochs 3`."""
