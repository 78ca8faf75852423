"""The durable record of leases and usage records. Inserted only: a correction is a new row."""
