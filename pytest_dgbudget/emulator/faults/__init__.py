"""What goes wrong on demand: kinds of faults, the sessions they apply to, what they do to messages and the bill."""
