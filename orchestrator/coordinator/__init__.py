"""The coordinator: agents' sessions inside the controller process; states in, wanted states out."""
