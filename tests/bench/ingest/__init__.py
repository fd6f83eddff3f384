"""What storing an event costs, from the socket to the COMMIT: ours against its floor and against the obvious way."""
