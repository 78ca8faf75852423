"""All that two processes of ours agree on: pure, and without a socket, so that it is tested without processes."""
