"""One session of the Voice Agent: what the client may send when, and what the agent says and does."""
