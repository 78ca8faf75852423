"""What the agent does in place of its own dialogue: read from TOML, kept in a library, done step by step."""
