"""Requests and sockets that are passed on as they are: nothing of them is metered."""
