"""What is spoken at a target: paths, credentials, and what its messages say of a session."""
