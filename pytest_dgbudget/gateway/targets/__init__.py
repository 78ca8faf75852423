"""Where a session is dialled: the vendor, or the emulator of this run."""
