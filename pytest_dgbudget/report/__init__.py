"""What a run came to: ``usage.json`` from the ledger's facts, and what is projected from it."""
