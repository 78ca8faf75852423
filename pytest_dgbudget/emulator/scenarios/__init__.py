"""What the agent does instead of its own dialogue: read from TOML, kept in a library, run step by step."""
