"""What was given, and what it resolves to: the table of options, their parsers, and the RunConfig."""
