"""The agent: one per replica, starts and ends the user's program as its coordinator wants. Python 3.9 and grpc."""
