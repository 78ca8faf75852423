"""One session of the Voice Agent: what the client may send and when, and what the agent says and does."""
