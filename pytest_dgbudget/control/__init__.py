"""The handle on a gateway that pytest and the command line hold: start it, find it, talk to it, end the run."""
